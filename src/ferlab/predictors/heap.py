"""The memory of nets on a CPU."""

import ctypes


def keep_pages() -> None:
    """Let glibc keep freed pages: on a CPU each batch otherwise returns and faults in its activations anew."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # no glibc: macOS, Windows, musl
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
