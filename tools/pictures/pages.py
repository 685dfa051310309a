"""Pictures of pages: the report of a net that is trained on drawn faces for it, and the web app's own script."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NPM = shutil.which("npm")
OUTPUTS = Path("outputs/pictures")
RUN = OUTPUTS / "demo"
_SCHEMES = {"light": 1, "dark": 0}  # as Chromium numbers them
_COLOURS = 128  # of a picture of a page, a fifth of the bytes


def maps() -> bytes:
    """Mean maps by three methods on the drawn faces of val, of the run of `make demo`; trains it if it is not there."""
    _ferlab("train", "experiment=demo", "name=demo", f"outputs={OUTPUTS}", "wandb=off", "skip_finished=true")
    words = ["methods=[occlusion,grad_cam,integrated_gradients]", "sanity_faces=2", "sanity_stages=2", "curve_steps=4"]
    _ferlab("explain", f"runs={RUN}", *words)
    return (RUN / "explain" / "val" / "mean_maps.png").read_bytes()


def report() -> Iterator[tuple[str, bytes]]:
    """Theme and picture of the upper part of that run's report, after `maps`."""
    _ferlab("evaluate", f"runs={RUN}", "tta=none", f"outputs={OUTPUTS}")
    for theme in _SCHEMES:
        yield theme, shot(RUN / "reports" / "val-none" / "index.html", theme, 1180, 1020)


def shot(page: Path, theme: str, width: int, height: int) -> bytes:
    """The upper left of a page in a window of that size, as a PNG."""
    assert CHROMIUM
    file = page.with_name(f".{theme}.png")
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},{height}"]
    words += [
        f"--blink-settings=preferredColorScheme={_SCHEMES[theme]}",
        f"--screenshot={file}",
        page.resolve().as_uri(),
    ]
    subprocess.run([CHROMIUM, *words], check=True, capture_output=True)  # noqa: S603
    out = io.BytesIO()
    Image.open(file).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return out.getvalue()


def app(folder: Path) -> None:
    """Pictures of the web app into a folder, from web/dist."""
    assert NPM
    words = [NPM, "run", "--silent", "pictures", "--", str(folder.resolve())]
    subprocess.run(words, cwd="web", env={**os.environ, "PYTHON": sys.executable}, check=True)  # noqa: S603


def _ferlab(command: str, *words: str) -> None:
    whole = [sys.executable, "-m", f"ferlab.{command}", *words]
    subprocess.run(whole, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
