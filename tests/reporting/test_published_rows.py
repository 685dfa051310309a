"""Rows of a dataclass through a CSV file and back."""

from dataclasses import dataclass

import pytest

from ferlab.errors import FerlabError
from ferlab.reporting import published_rows


@dataclass(frozen=True)
class Row:
    name: str
    n: int
    share: float
    seconds: float | None
    device: str | None
    epochs: int | None


ROWS = [
    Row("plain", 3, 1 / 3, 0.1 + 0.2, "H200", 7),
    Row('commas, "quotes"\nand lines', 0, 5e-324, None, None, None),
    Row("", -1, 1.0, 0.0, "0", 0),
]


def test_values_come_back_with_all_their_digits(tmp_path):
    (tmp_path / "rows.csv").write_text(published_rows.text(ROWS, Row), newline="")
    assert published_rows.read(tmp_path / "rows.csv", Row) == ROWS


def test_the_head_names_the_fields():
    assert published_rows.text([], Row) == "name,n,share,seconds,device,epochs\n"


@pytest.mark.parametrize("text", ["name,n\nx,3\n", "name,n,share,seconds,device,epochs\nx,3.5,1,,,\n", None])
def test_what_is_no_such_row_names_the_file(tmp_path, text):
    if text is not None:
        (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(FerlabError, match=r"cannot read .*rows\.csv .*restore it from git"):
        published_rows.read(tmp_path / "rows.csv", Row)
