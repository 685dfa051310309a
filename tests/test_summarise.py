"""`python -m ferlab.summarise`: what it prints."""

import re
from pathlib import Path

import pytest

from tests.read_page import Page
from tests.reporting.summaries import studied  # noqa: F401


def test_the_command_says_what_it_wrote(studied, typed, capsys):
    from ferlab import summarise

    typed(summarise.main.__wrapped__, f"runs={studied}", "out=a/b.html", config_name="summarise")
    assert re.fullmatch(r"1 runs, 1 reports, 4 studies\n  a/b\.html, [01]\.\d MB in .* s\n", capsys.readouterr().out)
    text = Path("a/b.html").read_text()
    assert Page(text).headings[0] == "small"
    assert str(studied.parent) not in text  # a page is for others
    assert (studied.parent / "index.html").is_file()
    for out in ("a/b.md", "a/index.html"):
        with pytest.raises(SystemExit, match=r"expected the name of a page, as outputs/summary\.html"):
            typed(summarise.main.__wrapped__, f"runs={studied}", f"out={out}", config_name="summarise")
