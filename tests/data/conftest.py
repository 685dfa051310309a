"""Raw data for stores, and the layouts that were read."""

import numpy as np
import pytest

from ferlab.data import sources
from ferlab.expressions import EXPRESSIONS

ARRAYS = ("pixels", "targets", "split", "subject", "row")


def write_csv(path, n=12, seed=0):
    rng = np.random.default_rng(seed)
    usages = ("Training", "PublicTest", "PrivateTest")
    rows = [
        f"{rng.integers(7)},{' '.join(map(str, rng.integers(0, 256, 2304).tolist()))},{usages[i % 3]}" for i in range(n)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["emotion,pixels,Usage", *rows, ""]))
    return path


def write_classes(root, each=4, names=EXPRESSIONS, seed=0):
    from PIL import Image

    rng = np.random.default_rng(seed)
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(root / name / f"{i}.png")
    return root


def same(a, b):
    return list(a.files) == list(b.files) and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ARRAYS)


@pytest.fixture
def raw(tmp_path):
    return write_csv(tmp_path / "raw" / "fer2013.csv").parent


@pytest.fixture
def reads(monkeypatch):
    """The layouts of the calls of a reader, in order."""
    calls = []
    for name, reader in sources.LAYOUTS.items():

        def counted(path, _reader=reader, _name=name, **options):
            calls.append(_name)
            return _reader(path, **options)

        counted.__signature__ = __import__("inspect").signature(reader)
        monkeypatch.setitem(sources.LAYOUTS, name, counted)
    return calls
