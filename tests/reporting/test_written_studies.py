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
    assert written_studies.galleries(file.parent.parent) == {}


@pytest.mark.parametrize(
    "change", [{"split": "train"}, {"data": 5}, {"weights_sha256": "x"}, {"tta": []}, {"clean": 1}]
)
def test_a_study_of_other_types_is_refused(file, change):
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(FerlabError, match=r"robustness.json (lacks|has another type of) .*; write it again"):
        written_studies.read(KIND, file)


CARD = {"label": "sad", "predicted": "happy", "bars": [["sad", 0.25]], "note": "", "origin": "row 1"}
PNG = "data:image/png;base64,cG5n"


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "[" * 200_000,
        *(
            json.dumps({"mistakes": value})
            for value in (
                "x",
                [5],
                [CARD],
                *([CARD | {"image": image}] for image in ("http://x.org/a.png", "//x.org/a.png", "a.png", "", None, 5)),
                *([CARD | {"image": image}] for image in ("data:text/html,<script>", "javascript:alert(1)")),
                *([CARD | {"image": image}] for image in ("data:image/svg+xml;base64,cG5n", PNG + '" onerror="x')),
                [CARD | {"image": PNG, "bars": "sad"}],
                [CARD | {"image": PNG, "bars": [["sad"]]}],
                [CARD | {"image": PNG, "bars": [["sad", "1"]]}],
                [CARD | {"image": PNG, "note": None}],
            )
        ),
    ],
)
def test_a_gallery_that_is_damaged_or_would_fetch_something_is_refused(file, content):
    (file.parent / "galleries.json").write_text(content)
    with pytest.raises(FerlabError, match=r"galleries.json .*have its command write it again, or remove it"):
        written_studies.galleries(file.parent)


def test_a_gallery(file):
    (file.parent / "galleries.json").write_text(json.dumps({"mistakes": [CARD | {"image": PNG}]}))
    assert written_studies.galleries(file.parent)["mistakes"][0]["image"] == PNG
