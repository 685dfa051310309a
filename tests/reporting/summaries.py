"""Summary pages of published runs and of a studied one."""

import json
import shutil

import pytest

from ferlab.evaluation import ledger
from ferlab.inference import models
from ferlab.reporting import records, summary_page
from ferlab.studies import calibration, explanation, mistakes, opening, robustness
from tests.composing import composed
from tests.conftest import measure
from tests.read_page import Page
from tests.unpacked import ENTRIES, RESULTS

# The run that the package's model came from, which alone has every study and exported files beside it.
_OF = json.loads(models.find("five_layer").with_suffix(".json").read_text())["runs"][0]["weights_sha256"]
(STUDENT,) = [name for name, entry in ENTRIES.items() if entry.row.sha256 == _OF]


NAMES = [STUDENT, "resnet18-fer2013-none-s0", "resnet18-fer2013-none-s1", "resnet18-fer2013-none-s2"]


def page_of(tmp_path, *paths, looks=None, **options) -> Page:
    found = records.find([str(path) for path in paths])
    return Page(summary_page.write(tmp_path / "deep" / "page.html", found, looks, **options).read_text())


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    looks = ledger.entries(RESULTS / "ledger.jsonl")
    paths = [RESULTS / name for name in NAMES]
    return page_of(tmp_path_factory.mktemp("several"), *paths, looks=looks, split="test", tta="none")


def shown(ratio, digits=1):
    return f"{100 * ratio:.{digits}f}"


@pytest.fixture(scope="module")
def studied(trained, tmp_path_factory):
    """The trained run's own directory with reports and all studies, as the commands leave them."""
    folder = tmp_path_factory.mktemp("studied") / "small"
    shutil.copytree(trained, folder)
    options = {"ledger_path": folder.parent / "ledger.jsonl", "outputs": folder.parent}
    measure(str(folder), "none", "val", **options)
    for command, kind, run, few in (
        ("calibrate", calibration.KIND, calibration.calibrate, {}),
        (
            "robustness",
            robustness.KIND,
            robustness.measure,
            {"corruptions": ["blur", "hand"], "strengths": [1, 5]},
        ),
        ("analyse", mistakes.KIND, mistakes.analyse, {"ambiguous_gap": 0.5}),
        ("explain", explanation.KIND, explanation.explain, {"faces": 7, "methods": ["gradients"], "sanity_faces": 2}),
    ):
        config = composed(command=command) | few | {"runs": str(folder), "ledger": str(options["ledger_path"])}
        for opened in opening.opened(config, kind):
            run(opened, config)
    return folder
