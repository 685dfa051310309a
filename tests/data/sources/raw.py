"""Raw data as tests write them: rows of a csv, and images in folders."""

import numpy as np
from PIL import Image

from ferlab.expressions import EXPRESSIONS

USAGES = ("Training", "PublicTest", "PrivateTest")


def made(n=30, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 2304), dtype=np.uint8)
    pixels[0, :6] = 0, 9, 10, 99, 100, 255
    return pixels, rng.integers(0, 7, n), rng.integers(0, 3, n)


def rows_of(pixels, labels, splits):
    return [f"{k},{' '.join(map(str, p.tolist()))},{USAGES[s]}" for p, k, s in zip(pixels, labels, splits, strict=True)]


def write(path, rows, header="emotion,pixels,Usage", end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(row + end for row in [header, *rows]).encode())
    return path


def same(faces, data):
    pixels, labels, splits = data
    assert np.array_equal(faces.pixels.reshape(-1, 2304), pixels)
    assert np.array_equal(faces.labels, labels)
    assert np.array_equal(faces.split, splits)
    assert faces.row.tolist() == list(range(len(pixels)))


def picture(h=48, w=48, seed=0):
    """A smooth grey picture without symmetry: resizing and turning it make a difference."""
    y, x = np.mgrid[:h, :w]
    return (40 + 150 * x / w + 40 * (y / h) ** 2 + 5 * np.sin(seed + x / 3)).astype(np.uint8)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)


def class_tree(root, names=EXPRESSIONS, each=4):
    for k, name in enumerate(names):
        for i in range(each):
            save(root / name / f"{i}.png", noise(100 * k + i))
    return root
