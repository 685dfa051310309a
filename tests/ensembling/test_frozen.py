"""The directory of an ensemble: a changed file or member is refused, and old lists still load."""

import json
import shutil
from pathlib import Path

import pytest

from ferlab import files
from ferlab.ensembling import frozen
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.runs import directory, shapes
from ferlab.training import teacher
from tests.conftest import measure
from tests.ensembling.conftest import choose, said


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a["members"][0].update(weight=0.9),
        lambda a: a["members"][0].update(temperature=2.0),
        lambda a: a["members"].pop(),
        lambda a: a.update(tta_space="probability"),
        lambda a: a["views"].pop(),
        lambda a: a["chosen_on"].update(accuracy=1.0),
        lambda a: a.pop("sha256"),
    ],
)
def test_a_changed_file_is_refused(made, change):
    folder, _ = choose("best", "method=soft", "tta=flip", "tta_space=logit")
    about = said(folder)
    change(about)
    files.write_json(folder / "members.json", about)
    with pytest.raises(FerlabError, match="was changed after it was frozen"):
        measure(str(folder), split="test")
    with pytest.raises(FerlabError, match="was changed after it was frozen"):
        teacher.find(str(folder), "flip", Path("kept"))
    with pytest.raises(FerlabError, match="frozen with another choice"):
        choose("best", "method=soft", "tta=flip", "tta_space=logit")
    assert not Path("outputs/ledger.jsonl").exists()


MEMBER = {"name": "plain-s0", "path": "outputs/plain-s0", "weight": 1.0, "temperature": 1.0}
FROZEN = {
    "members": [MEMBER],
    "specialists": [],
    "expressions": list(EXPRESSIONS),
    "method": "soft",
    "size": 1,
    "chosen_on": {},
    "frozen_at": "today",
    "tta": "none",
    "tta_space": "probability",
    "views": [[False, [0.0, 0.0], 1.0, 0.0]],
}


@pytest.mark.parametrize(
    "change",
    [
        {"tta": "../../../../x"},
        {"tta": "/abs"},
        {"tta": None},
        {"tta_space": "/../../x"},
        {"views": []},
        {"views": [[False, 0.0, 1.0, 0.0]]},
        {"views": [[False, [0.0, 0.0], "big", 0.0]]},
        {"members": []},
        {"members": ["plain-s0"]},
        {"members": [{"name": "plain-s0", "path": "outputs/plain-s0"}]},
        {"members": [MEMBER | {"weight": 0}]},
        {"members": [MEMBER | {"temperature": float("nan")}]},
        {"specialists": [MEMBER | {"pair": ["sad", "bored"]}]},
        {"expressions": 7},
        {"chosen_on": "val"},
        {"method": 1},
    ],
)
def test_a_foreign_file_with_its_checksum_is_one_line_and_writes_nothing(made, change):
    folder = Path("outputs/ensembles/best")
    folder.mkdir(parents=True)
    about = FROZEN | change
    files.write_json(folder / "members.json", about | {"sha256": frozen.frozen_sha256(about)})
    before = sorted(Path().rglob("*"))
    with pytest.raises(FerlabError, match=r"ensembles.best") as caught:
        measure(str(folder))
    assert "\n" not in str(caught.value)
    assert sorted(Path().rglob("*")) == before


def test_such_a_file_is_read_where_nothing_is_wrong():
    shapes.read(frozen.Chosen, FROZEN, "members.json", "")


@pytest.mark.parametrize("content", ["", "[" * 200_000, "5", "null", '"x"', "[5]", '[{"name": "a"}]', '[{"path": 5}]'])
def test_what_is_no_list_of_members_is_one_line(content, tmp_path):
    (tmp_path / "members.json").write_text(content)
    with pytest.raises(FerlabError, match=r"members.json .*restore it, or delete") as caught:
        frozen.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_ensemble_of_many_is_named_by_what_can_be_a_name(tmp_path):
    config = {"model": {"net": {}, "input": {"mean": [], "std": []}}, "data": {"root": "x", "sources": []}}
    runs = [directory.Run(tmp_path / f"{'long' * 20}-s{k}", config, {"model": "../../../x y"}) for k in range(2)]
    files.refuse_name(frozen.name_of(runs))


def test_a_changed_member_is_refused(made):
    folder, _ = choose("best", "method=soft", "tta=none")
    checkpoint = Path("outputs/plain-s0/checkpoints/best.ckpt")
    shutil.copy("outputs/colour-s1/checkpoints/best.ckpt", checkpoint)
    with pytest.raises(FerlabError, match=r"best\.ckpt is not what .* was frozen with"):
        measure(str(folder), split="test")
    assert not Path("outputs/ledger.jsonl").exists()


def test_soft_votes_frozen_before_still_load(made):
    """As evaluate has written them since the first release: a list, without weights."""
    folder = Path("outputs/ensembles/old")
    folder.mkdir(parents=True)
    now = [directory.load(f"outputs/{name}") for name in ("plain-s0", "colour-s1")]
    listed = [{"name": r.name, "path": r.path.as_posix(), "weights_sha256": r.weights_sha256} for r in now]
    (folder / "members.json").write_text(json.dumps(listed))
    (report,) = measure(str(folder), "flip", name="old", device="cpu")
    assert json.loads((report / "report.json").read_text())["members"] == ["plain-s0", "colour-s1"]
    assert json.loads((folder / "members.json").read_text()) == listed


def test_an_ensemble_of_another_order_of_classes_is_refused(made):
    folder, _ = choose("best", "method=soft", "tta=none")
    about = said(folder) | {"expressions": list(EXPRESSIONS[::-1])}
    files.write_json(folder / "members.json", about | {"sha256": frozen.frozen_sha256(about)})
    with pytest.raises(FerlabError, match="answers in the order neutral"):
        measure(str(folder))
