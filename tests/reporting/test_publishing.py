"""What is written into a folder of published runs, and what is refused before a file changes."""

import dataclasses
import os

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.reporting import published, publishing
from tests.reporting.test_published import RESULTS

FILES = {
    *("runs.csv", "measurements.csv", "predicted.npz", "configs.jsonl", "conditions.json", "curves.csv.gz"),
    "studies.jsonl",
}


@pytest.fixture(scope="module")
def entries():
    """A run with studies, another run, and an ensemble that has a member besides."""
    found = {entry.row.name: entry for entry in published.read(RESULTS).entries}
    return [
        found[name] for name in ("five_layer_taught_500-fer2013-none-s0", "vgg16-fer2013-none-s0", "best", "five_layer")
    ]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_written_again_is_the_same_byte_for_byte(tmp_path):
    publishing.write(tmp_path, published.read(RESULTS).entries)
    assert contents(tmp_path) == {name: (RESULTS / name).read_bytes() for name in FILES}


def test_the_order_of_entries_does_not_matter(tmp_path, entries):
    publishing.write(tmp_path / "a", entries)
    publishing.write(tmp_path / "b", entries[::-1])
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_some_entries_are_read_as_they_were_written(tmp_path, entries):
    publishing.write(tmp_path, entries)
    again = {entry.row.name: entry for entry in published.read(tmp_path).entries}
    assert again.keys() == {entry.row.name for entry in entries}
    for old in entries:
        new = again[old.row.name]
        assert (new.row, new.config, new.info, new.curves) == (old.row, old.config, old.info, old.curves)
        assert new.studies == old.studies
        for one, other in zip(new.reports, old.reports, strict=True):
            np.testing.assert_equal({**one, "folder": None}, {**other, "folder": None})


def test_members_of_an_ensemble_that_are_no_entries_keep_their_configs(tmp_path, entries):
    (best,) = [entry for entry in entries if entry.row.name == "best"]
    publishing.write(tmp_path, [best])
    (alone,) = published.read(tmp_path).entries
    assert alone.reports[0]["config"] == best.reports[0]["config"]
    assert alone.reports[0]["run"].keys() == set(best.reports[0]["members"])


def test_nothing_to_publish_leaves_heads_alone(tmp_path):
    publishing.write(tmp_path, [])
    assert published.read(tmp_path).entries == []


def renamed(entry, **row):
    return dataclasses.replace(entry, row=dataclasses.replace(entry.row, **row))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (lambda entry: renamed(entry, sha256="0" * 64), "two runs have the name five_layer_taught_500-fer2013-none-s0"),
        (lambda entry: renamed(entry, name="other"), "two runs have the sha256 85d89fa6"),
        (
            lambda e: dataclasses.replace(
                renamed(e, name="other", sha256="0" * 64), reports=[{**e.reports[0], "views": [[True, [0, 0], 1, 0]]}]
            ),
            "none is another set of views than that of what was published",
        ),
        (
            lambda e: dataclasses.replace(
                renamed(e, name="other", sha256="0" * 64),
                reports=[{**e.reports[0], "labels": (e.reports[0]["labels"] + 1) % 7}],
            ),
            "has other labels of the same faces",
        ),
    ],
)
def test_entries_that_disagree_are_refused_and_nothing_changes(tmp_path, entries, second, message):
    publishing.write(tmp_path, entries)
    before = contents(tmp_path)
    with pytest.raises(FerlabError, match=message):
        publishing.write(tmp_path, [*entries, second(entries[0])])
    assert contents(tmp_path) == before


def test_a_full_disk_leaves_all_files_as_they_were(tmp_path, entries, monkeypatch):
    publishing.write(tmp_path, entries)
    before = contents(tmp_path)
    opened = type(tmp_path).open

    def full(path, mode="r", **options):
        if path.name.startswith("studies") and "w" in mode:
            raise OSError(28, os.strerror(28))
        return opened(path, mode, **options)

    monkeypatch.setattr(type(tmp_path), "open", full)
    with pytest.raises(FerlabError, match=r"No space left on device.*free some space"):
        publishing.write(tmp_path, entries[:1])
    assert contents(tmp_path) == before
