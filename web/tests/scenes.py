"""Pictures, clips and videos of faces before a wall."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, FACE = 640, 480, 300
CLIP = [("face", 75), ("other face", 75), ("nobody", 90)]  # frames of 1/30 s


def frame(
    face: np.ndarray | None, dx: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT), side: int = FACE
) -> np.ndarray:
    """A picture uint8 [H,W,3] of one face before a wall with a little light on it."""
    width, height = size
    out = np.empty((height, width, 3), np.uint8)
    out[:] = (np.linspace(90, 150, width)[:, None] * (1, 0.98, 0.93)).astype(np.uint8)
    if face is not None:
        x, y = (width - side) // 2 + dx, (height - side) // 2
        big = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        blend = np.zeros((side, side), np.float32)
        cv2.rectangle(blend, (side // 20, side // 20), (side - side // 20, side - side // 20), 1.0, -1)
        blend = cv2.GaussianBlur(blend, (0, 0), side / 40)[..., None]
        tinted = (big[..., None] * (1.0, 0.93, 0.86)).clip(0, 255)
        part = out[y : y + side, x : x + side]
        part[:] = blend * tinted + (1 - blend) * part
    return out


def write_clip(path: Path, images: Iterable[np.ndarray]) -> None:
    """A raw motion JPEG, which is one JPEG after another."""
    with path.open("wb") as file:
        for image in images:
            file.write(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())


def one_after_another(pictures: dict[str, np.ndarray | None]) -> Iterator[np.ndarray]:
    for name, count in CLIP:
        for n in range(count):
            yield frame(pictures[name], round(30 * np.sin(n / 12)))


def beside(left: np.ndarray, right: np.ndarray) -> Iterator[np.ndarray]:
    """Two faces, of which now the one and now the other is nearer: 2 s each."""
    for near, far in ((260, 190), (190, 260)):
        sides = [frame(face, size=(WIDTH // 2, HEIGHT), side=side) for face, side in ((left, near), (right, far))]
        yield from [np.concatenate(sides, 1)] * 60


def together(faces: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Five faces that sway."""
    for n in range(120):
        dx = round(8 * np.sin(n / 19))
        rows = [
            [frame(face, dx, (w, HEIGHT // 2), 190) for face in row] for w, row in ((213, faces[:3]), (320, faces[3:]))
        ]
        upper, lower = (np.concatenate(row, 1) for row in rows)
        yield np.concatenate([np.pad(upper, ((0, 0), (0, 1), (0, 0)), "edge"), lower])


def write_video(path: Path, face: np.ndarray, size: tuple[int, int], seconds: float) -> None:
    """A WebM of one face, at 30 frames a second; a large one is painted small, since nobody looks at its details."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), 30, size)
    height = round(WIDTH * size[1] / size[0])
    for n in range(round(30 * seconds)):
        picture = frame(face, round(20 * np.sin(n / 9) * WIDTH / size[0]), (WIDTH, height), height * 2 // 3)
        writer.write(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)[..., ::-1])
    writer.release()
