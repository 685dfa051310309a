"""Cards of published runs, and a prepared store."""

import pytest
from statsmodels.stats.proportion import proportion_confint

from ferlab.reporting import describing
from tests.composing import composed
from tests.reporting.test_summary_page import STUDENT, shown
from tests.unpacked import RESULTS

SMALL = ["data=drawn", "data.n_train=60", "data.n_val=20", "data.n_test=20"]


def cards(tmp_path, *paths, data=(), **options):
    config = composed(*data, command="describe")
    config |= {"runs": [str(path) for path in paths], "out": str(tmp_path / "cards"), "ledger": "none.jsonl"} | options
    if data:
        config["data"]["root"] = str(tmp_path)
    return {path.name: path.read_text() for path in describing.describe(config)}


def rows(text, head):
    """Rows of the Markdown table whose first cell of the head is `head`."""
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()]
    start = next(i for i, line in enumerate(lines) if line[0] == head and len(line) > 1)
    found = []
    for line in lines[start + 2 :]:
        if len(line) < 2:
            break
        found.append(dict(zip(lines[start], line, strict=True)))
    return found


def with_interval(part, whole):
    low, high = proportion_confint(part, whole, method="wilson")
    return f"{shown(part / whole)} ({shown(low)}–{shown(high)})"


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    return cards(folder, RESULTS / STUDENT, split="test", tta="none", ledger=str(RESULTS / "ledger.jsonl"))[
        f"{STUDENT}.md"
    ]
