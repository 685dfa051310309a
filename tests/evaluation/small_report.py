"""A report of few faces, written once."""

import pytest

from ferlab.evaluation import report
from ferlab.metrics import scores
from tests.metrics.test_scores import made

PROVENANCE = {
    "name": "five_layer-fer2013-none-s0",
    "model": "five_layer",
    "members": ["five_layer-fer2013-none-s0"],
    "tta": "flip",
    "split": "test",
    "data": "fer2013",
    "seed": 0,
    "commit": "c0ffee123456",
    "environment": {"python": "3.11"},
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    p, faces, twins = made()
    m = scores.measure(p, faces, twins)
    rows = [
        {"epoch": "0", "train/loss": "2.0", "val/loss": "", "val/accuracy": "0.3"},
        {"epoch": "1", "train/loss": "1.5", "val/loss": "nan", "val/accuracy": "0.4", "lr": "0.1"},
    ]
    provenance = {**PROVENANCE, "name": "<b>&x", "environment": {"python": "3.11", "note": "<script>"}}
    folder = tmp_path_factory.mktemp("page") / "deep" / "test-flip"
    path = report.write_report(folder, m, provenance, p, faces, rows)
    assert path == folder / "index.html"
    return path, m, p, faces, provenance
