"""A small trained run and its three exported files, made once."""

import json
import shutil

import pytest

from ferlab.deploy import exporting
from ferlab.pages import report_page
from ferlab.training import fit as training
from tests.composing import composed
from tests.conftest import measure


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A small net trained on drawn faces for as long as it takes to tell some of them apart."""
    folder = tmp_path_factory.mktemp("exported")
    drawn = [f"data.{key}={n}" for key, n in (("n_train", 560), ("n_val", 280), ("n_test", 70))]
    small = ["+model.net.width=0.25", "batch_size=56", "lr=0.02", "trainer.max_epochs=12", "ema_decay=0.9", "wandb=off"]
    quiet = ["trainer.accelerator=cpu", "trainer.enable_progress_bar=false", f"data.root={folder}"]
    return training.train(composed(*drawn, *small, *quiet, f"outputs={folder / 'outputs'}", "name=small"))


@pytest.fixture(scope="session")
def exported(run):
    """Paths of the three files of the run, exported after it was measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_page, "write", lambda folder, *_: folder / "index.html")  # test_report has it
        measure(str(run.path), outputs=run.path.parent)
    return exporting.export(small(run))


def small(run, *overrides):
    given = [
        f"runs={run.path}",
        f"outputs={run.path.parent}",
        "parity_faces=70",
        "calibration.faces=112",
        "wanted_accuracy=0.6",
    ]
    return composed(*given, *overrides, command="export")


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of the fp32 file that a test may spoil, and a function that changes its JSON."""
    for suffix in (".onnx", ".json"):
        shutil.copy(exported[0].with_suffix(suffix), tmp_path / f"copied{suffix}")
    path = tmp_path / "copied.onnx"

    def change(**changes):
        told = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_text(json.dumps(told | changes))
        return path

    return change


def val_of(run):
    return run.faces().of_split("val")
