"""Studies as their commands wrote them: title, place, pictures and galleries, and what is refused."""

import json

import pytest

from ferlab.errors import FerlabError
from ferlab.reporting import written_studies
from tests.unpacked import ENTRIES

KIND, PLACE = "robustness", "val-none"


@pytest.fixture
def file(tmp_path):
    studies = (study for entry in ENTRIES.values() for study in entry.studies)
    content = next(study.content for study in studies if (study.kind, study.place) == (KIND, PLACE))
    content = content | {"corruptions": {"blur": content["corruptions"]["blur"]}}  # one panel
    path = tmp_path / KIND / PLACE / f"{KIND}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    return path


def test_a_study_knows_its_data_and_shows_the_pictures_beside_it(file):
    study = written_studies.read(KIND, file)
    assert study.title == "fer2013, PublicTest, single view"
    assert not study.elsewhere
    *_, corrupted = study.sections()
    assert len(corrupted.figures) == 1
    (file.parent / "corruptions.png").write_bytes(b"png")
    *_, corrupted = study.sections()
    assert corrupted.figures[1].picture["light"] == "data:image/png;base64,cG5n"


def test_a_study_of_other_data_stands_in_a_folder_of_their_name(file):
    content = json.loads(file.read_text()) | {"data": "ck_plus"}
    of_others = written_studies.of(KIND, content, file.parent.with_name("ck_plus-val-none"), "a file")
    assert of_others.elsewhere
    assert of_others.title == "ck_plus, validation, single view"


def test_damaged_files_are_refused(file):
    content = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in content.items() if key not in ("split", "clean")}))
    with pytest.raises(FerlabError, match=r"robustness.json lacks split; write .* python -m ferlab.robustness"):
        written_studies.read(KIND, file)
    file.write_text(json.dumps({key: value for key, value in content.items() if key != "clean"}))
    with pytest.raises(FerlabError, match=r"robustness.json lacks clean; write it again"):
        written_studies.read(KIND, file)
    (file.parent / "galleries.json").write_text("[]")
    with pytest.raises(FerlabError, match=r"cannot read .*galleries.json \(no JSON object\)"):
        written_studies.galleries(file.parent)
    assert written_studies.galleries(file.parent.parent) == {}
