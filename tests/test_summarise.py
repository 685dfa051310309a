"""`python -m ferlab.summarise`: what it prints."""

import re
import shutil
from pathlib import Path

import pytest

from ferlab.studies import calibration, explanation, mistakes, opening, robustness
from tests.conftest import measure
from tests.read_page import Page
from tests.test_conf import composed


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
        config = composed(config=command) | few | {"runs": str(folder), "ledger": str(options["ledger_path"])}
        for opened in opening.opened(config, kind):
            run(opened, config)
    return folder


def test_the_command_says_what_it_wrote(studied, typed, capsys):
    from ferlab import summarise

    typed(summarise.main.__wrapped__, f"runs={studied}", "out=a/b.html", config_name="summarise")
    assert re.fullmatch(r"1 runs, 1 reports, 4 studies\n  a/b\.html, 0\.\d MB in .* s\n", capsys.readouterr().out)
    assert Page(Path("a/b.html").read_text()).headings[0] == "small"
    with pytest.raises(SystemExit, match=r"expected the name of a page, as outputs/summary\.html"):
        typed(summarise.main.__wrapped__, f"runs={studied}", "out=a/b.md", config_name="summarise")
