"""Rows of fer2013.csv: every number and form, and each damage named by its line."""

import csv
import logging
import re
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferlab.data import sources
from ferlab.data.sources import fer2013_rows
from ferlab.errors import FerlabError
from tests.data.sources.raw import made, rows_of, same, write


def test_every_number_of_up_to_three_digits(tmp_path):
    values = np.arange(2304) % 256
    path = write(tmp_path / "a.csv", [f"0,{' '.join(map(str, values))},Training"])
    assert np.array_equal(sources.read("fer2013_csv", path).pixels.ravel(), values)
    for bad in range(256, 1100):  # each through the vectorised path's own check
        assert fer2013_rows._pixels([" ".join([str(bad), *["0"] * 2303]).encode()]) is None


@pytest.mark.parametrize(
    "change",
    {
        "bom": lambda h, r: b"\xef\xbb\xbf" + "\n".join([h, *r, ""]).encode(),
        "crlf": lambda h, r: "\r\n".join([h, *r, ""]).encode(),
        "cr": lambda h, r: "\r".join([h, *r, ""]).encode(),
        "no last line end": lambda h, r: "\n".join([h, *r]).encode(),
        "blank lines": lambda h, r: "\n".join([h, *r, "", "  ", "", ""]).encode(),
        "blank line inside": lambda h, r: "\n".join([h, *r[:4], "", *r[4:], ""]).encode(),
        "upper case": lambda h, r: "\n".join([h.upper(), *r, ""]).encode(),
        "spaced header": lambda h, r: "\n".join(["emotion, pixels , Usage", *r, ""]).encode(),
        "spaced fields": lambda h, r: "\n".join([h, *(x.replace(",", " , ") for x in r), ""]).encode(),
        "double spaces": lambda h, r: "\n".join([h, *(x.replace(" ", "  ") for x in r), ""]).encode(),
        "all quoted": lambda h, r: "\n".join(['"' + x.replace(",", '","') + '"' for x in [h, *r]] + [""]).encode(),
        "pixels quoted": lambda h, r: "\n".join([h, *(re.sub(",(.*),", r',"\1",', x) for x in r), ""]).encode(),
        "more columns": lambda h, r: "\n".join(["id," + h + ",note", *(f'7,{x},"a, ""b"""' for x in r), ""]).encode(),
        "other order": lambda h, r: "\n".join(",".join(x.split(",")[::-1]) for x in [h, *r, ""]).encode(),
    }.items(),
    ids=lambda item: item[0],
)
def test_forms_that_mean_the_same(tmp_path, change):
    data = made()
    path = tmp_path / "a.csv"
    path.write_bytes(change[1]("emotion,pixels,Usage", rows_of(*data)))
    same(sources.read("fer2013_csv", path), data)


def damaged(row, what):
    emotion, pixels, usage = row.split(",")
    values = pixels.split(" ")
    if isinstance(what, tuple):
        values[what[0]] = what[1]
        return f"{emotion},{' '.join(values)},{usage}"
    return what(emotion, values, usage)


DAMAGES = {
    "2303 pixels": (lambda e, v, u: f"{e},{' '.join(v[1:])},{u}", "found 2303 pixels"),
    "2305 pixels": (lambda e, v, u: f"{e},{' '.join([*v, '7'])},{u}", "found 2305 pixels"),
    "no pixels": (lambda e, v, u: f"{e},,{u}", "found 0 pixels"),
    "256": ((3, "256"), "pixel 4 is '256'"),
    "300": ((2303, "300"), "pixel 2304 is '300'"),
    "1000": ((0, "1000"), "pixel 1 is '1000'"),
    "-1": ((10, "-1"), "pixel 11 is '-1'"),
    "1.5": ((10, "1.5"), "pixel 11 is '1.5'"),
    "x": ((0, "x"), "pixel 1 is 'x'"),
    "underscore": ((0, "1_0"), "pixel 1 is '1_0'"),
    "other digits": ((0, "٣"), "pixel 1 is '٣'"),
    "empty pixel": ((5, ""), "found 2303 pixels"),
    "emotion 7": (lambda e, v, u: f"7,{' '.join(v)},{u}", "emotion is '7'"),
    "emotion -1": (lambda e, v, u: f"-1,{' '.join(v)},{u}", "emotion is '-1'"),
    "emotion empty": (lambda e, v, u: f",{' '.join(v)},{u}", "emotion is ''"),
    "emotion happy": (lambda e, v, u: f"happy,{' '.join(v)},{u}", "emotion is 'happy'"),
    "Usage unknown": (lambda e, v, u: f"{e},{' '.join(v)},Validation", "Usage is 'Validation'"),
    "Usage empty": (lambda e, v, u: f"{e},{' '.join(v)},", "Usage is ''"),
    "Usage missing": (lambda e, v, u: f"{e},{' '.join(v)}", "expected 3 fields, found 2"),
    "cut": (lambda e, v, u: f"{e},{' '.join(v[:900])}", "expected 3 fields, found 2; is the row cut"),
    "quote": (lambda e, v, u: f'{e},"{" ".join(v)},{u}', "no csv row"),
}


@pytest.mark.parametrize(("what", "message"), DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("place", [0, 39])
def test_a_bad_row_is_named(tmp_path, caplog, what, message, place):
    data = made(40)
    rows = rows_of(*data)
    rows[place] = damaged(rows[place], what)
    path = write(tmp_path / "faces.csv", rows)
    with pytest.raises(FerlabError) as error:
        sources.read("fer2013_csv", path)
    assert f"faces.csv, line {place + 2}: " in str(error.value)
    assert message in str(error.value)
    assert "strict" in str(error.value)
    with caplog.at_level(logging.WARNING):
        faces = sources.read("fer2013_csv", path, strict=False)
    kept = [i for i in range(40) if i != place]
    assert faces.row.tolist() == kept
    assert np.array_equal(faces.pixels.reshape(-1, 2304), data[0][kept])
    assert np.array_equal(faces.labels, data[1][kept])
    assert "left out 1 bad rows of 40" in caplog.text
    assert f"line {place + 2}" in caplog.text


def test_two_wrongs_make_no_right(tmp_path):
    rows = rows_of(*made(4))
    rows[1], rows[2] = damaged(rows[1], DAMAGES["2303 pixels"][0]), damaged(rows[2], DAMAGES["2305 pixels"][0])
    with pytest.raises(FerlabError, match="line 3: found 2303"):
        sources.read("fer2013_csv", write(tmp_path / "a.csv", rows))


def understood(line):
    """A row by Python's own csv reader and int, or None: expected columns emotion, six pixels and Usage."""
    try:
        emotion, pixels, usage = next(csv.reader([line.decode()], strict=True, skipinitialspace=True))
    except (ValueError, StopIteration, csv.Error):
        return None
    words, usage = pixels.split(), usage.strip().lower()
    if not re.fullmatch(r"\s*[0-6]\s*", emotion, re.ASCII) or usage not in fer2013_rows.USAGES or len(words) != 6:
        return None
    if not all(re.fullmatch("[0-9]{1,3}", word) and int(word) < 256 for word in words):
        return None
    return int(emotion), [int(word) for word in words], fer2013_rows.USAGES[usage]


COLUMNS = fer2013_rows.Columns(0, 1, 2, 3, None, {str(k).encode(): k for k in range(7)})
GOOD_ROW = st.builds(
    lambda emotion, pixels, usage: f"{emotion},{' '.join(map(str, pixels))},{usage}",
    st.integers(0, 6),
    st.lists(st.integers(0, 255), min_size=6, max_size=6),
    st.sampled_from(["Training", "PublicTest", "PrivateTest"]),
)
# One of a row's fields, pixels and separators becomes what such files hold elsewhere, or anything.
ODD = [
    "",
    " ",
    "  ",
    ",",
    '"',
    "-1",
    "1.5",
    "256",
    "300",
    "999",
    "1000",
    "0007",
    "+1",
    "1_0",
    "٣",
    "\t",
    "é",
    '"5"',
    "1 2",
]
PLACE = st.one_of(st.sampled_from([2, 4, 6, 8, 10, 12]), st.integers(0, 14))  # the pixels twice as often
CHANGE = st.tuples(PLACE, st.one_of(st.sampled_from(ODD), st.text("09 ,x", max_size=4)))


@settings(max_examples=400)
@given(st.lists(GOOD_ROW, max_size=2), GOOD_ROW, CHANGE)
def test_rows_with_a_random_change_are_read_as_pythons_csv_reader_reads_them_or_named(rows, row, change):
    parts = re.split("([ ,])", row)
    parts[change[0]] = change[1]
    lines = [line.encode() for line in (*rows, "".join(parts))]
    bad = []
    with mock.patch.object(fer2013_rows, "PIXELS", 6):
        found = fer2013_rows.parse(Path("a.csv"), lines, COLUMNS, 2, bad)
    filled = [(number, line) for number, line in enumerate(lines, 2) if line.strip()]
    expected = [row for _, line in filled if (row := understood(line))]
    pixels = np.concatenate(found.pixels).tolist()
    assert list(zip(found.numbers, pixels, found.splits, strict=True)) == expected
    assert [int(re.match(r"a\.csv, line (\d+): ", message)[1]) for message in bad] == [
        number for number, line in filled if not understood(line)
    ]
    assert found.places == [i for i, (_, line) in enumerate(filled) if understood(line)]
    assert found.count == len(filled)


def test_the_parser_is_much_faster_than_a_split_per_row(tmp_path):
    path = write(tmp_path / "a.csv", rows_of(*made(600)))

    def by_pandas():
        return np.stack([np.array(p.split(), np.uint8) for p in pd.read_csv(path)["pixels"]])

    def cpu(task):
        times = []
        for _ in range(3):
            start = time.process_time()
            task()
            times.append(time.process_time() - start)
        return min(times)

    assert cpu(by_pandas) > 3 * cpu(lambda: sources.read("fer2013_csv", path))  # about 7; the rest is for noise
