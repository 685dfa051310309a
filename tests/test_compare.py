"""`python -m ferlab.compare` as it is typed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.reporting.written import write


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = Path("outputs")
    told = [
        write(
            outputs / f"five_layer-fer2013-none-s{s}/reports/{split}-none",
            f"five_layer-fer2013-none-s{s}",
            split,
            seed=s,
        )
        for s in range(3)
        for split in ("val", "test")
    ]
    best = "senet50-fer2013+aux-none-s0"
    for split in ("val", "test"):
        for tta in ("none", "flip"):
            folder = outputs / best / "reports" / f"{split}-{tta}"
            told.append(write(folder, best, split, tta, 0.8, model="senet50", data="fer2013+aux"))
    ensemble = {"model": "ensemble", "members": ["a", "b"], "seed": [0, 1]}
    told.append(write(outputs / "ensembles/a__b/reports/test-none", "a__b", "test", right=0.75, **ensemble))
    return told


def test_the_command_writes_prints_and_splices_without_torch(made, tmp_path):
    Path("README.md").write_text("<!-- table:all -->\n<!-- /table -->\n")
    typed = ["runs=outputs/*", "out=results/table.md", "into=README.md", "name=all"]
    code = (
        f"import sys; sys.argv = ['compare', *{typed}]; from ferlab import compare; compare.main(); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    markdown = Path("results/table.md").read_text()
    assert markdown == done.stdout
    assert Path("README.md").read_text() == f"<!-- table:all -->\n{markdown}<!-- /table -->\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "outputs", "results"]
