"""The table of kinds: every published study is read by its row, and a row's parts fit each other."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ferlab.config import CONF
from ferlab.errors import FerlabError
from ferlab.pages.sections import Shown
from ferlab.studies import calibration, explanation, mistakes, robustness
from ferlab.studies.kinds import KINDS
from tests.unpacked import ENTRIES

STUDIES = [(name, study) for name, entry in ENTRIES.items() for study in entry.studies]


def as_json(record):
    return json.loads(json.dumps(dataclasses.asdict(record)))


@pytest.mark.parametrize(("name", "study"), STUDIES, ids=[f"{name}-{s.kind}-{s.place}" for name, s in STUDIES])
def test_a_published_study_is_read_without_loss(name, study):
    kind = KINDS[study.kind]
    record = kind.read(study.content, "studies.jsonl")
    written = as_json(record)
    of_baselines = {"against": None, "difference": None, "better_than_random": None}
    for check in ("random_pixels", "random_patches") if study.kind == "explain" else ():
        written["checks"][check] = {k: v for k, v in written["checks"][check].items() if k not in of_baselines}
    assert {key: study.content[key] for key in written} == written
    assert kind.read(as_json(record), "a file") == record
    head, (row,) = kind.page.compared([record])
    assert len(head) == len(row)
    assert all(isinstance(line, str) and line.endswith(".") for line in kind.page.card(record))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_page_of_a_published_study_is_whole(kind):
    content = next(study.content for _, study in STUDIES if study.kind == kind.name)
    sections = kind.page.sections(kind.read(content, "studies.jsonl"), Shown())
    assert all(len(line) == len(table.head) for part in sections for table in part.tables for line in table.rows)
    assert any(part.figures for part in sections)


def test_a_row_has_a_command_with_a_config_and_the_measuring_modules_name():
    assert set(KINDS) == {module.KIND for module in (calibration, robustness, mistakes, explanation)}
    for kind in KINDS.values():
        assert (Path(CONF) / f"{kind.command}.yaml").is_file()
        assert kind.page.compared([])[1] == []


def test_a_file_that_lacks_keys_is_named_with_its_command():
    with pytest.raises(
        FerlabError,
        match=r"a/analysis.json lacks ambiguous.n, .*, clear, .*; write it again with python -m ferlab.analyse",
    ):
        KINDS["analysis"].read({"ambiguous_gap": 0.1, "ambiguous": {}}, "a/analysis.json")


def test_the_table_is_read_without_torch_and_matplotlib():
    code = "import sys, ferlab.studies.kinds; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "captum", "matplotlib", "scipy", "pytorch_lightning"} & set(done.stdout.split())
