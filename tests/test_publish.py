"""The command: what it says, publishes and writes, and what it refuses."""

from pathlib import Path

import pytest

from ferlab import publish
from tests.reporting.test_publishable import outputs  # noqa: F401


def test_the_command_publishes_and_writes_tables(outputs, typed, capsys):
    Path("README.md").write_text("a\n<!-- table:all -->\n<!-- /table -->\n")
    table = "{into: README.md, name: all, runs: results, split: val, tta: none, columns: [none]}"
    words = [f"runs={outputs}/*", "dirty=true", "tables=true", f"written=[{table}]"]
    typed(publish.main.__wrapped__, *words, config_name="publish")
    said = capsys.readouterr().out
    assert said == "4 published; results holds 4 runs and ensembles with 10 measurements\nREADME.md\n"
    text = Path("README.md").read_text()
    assert "| run | validation, single view |" in text
    assert "flip" not in text


def test_the_command_without_anything_to_do_is_refused(typed):
    with pytest.raises(SystemExit, match=r"nothing to publish; type runs=outputs/NAME"):
        typed(publish.main.__wrapped__, config_name="publish")
