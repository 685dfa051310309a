"""A run that was trained and measured here: published, read back, published again, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ferlab.ensembling import frozen
from ferlab.errors import FerlabError
from ferlab.pages import report_page
from ferlab.predictors import views
from ferlab.reporting import model_card, publishable, published, records, reports
from ferlab.runs import directory
from tests.conftest import measure
from tests.unpacked import ENTRIES, RESULTS, unpacked

_MADE = ("predicted", "labels", "folder", "config", "run")


def changed(run: Path, seed: int) -> None:
    """Give a run other weights."""
    file = run / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, tensor in checkpoint["state_dict"].items():
            if tensor.ndim > 1:
                checkpoint["state_dict"][name] = tensor + 0.02 * torch.randn_like(tensor)
    for path in file.parent.iterdir():
        path.unlink()
    torch.save(checkpoint, file)


@pytest.fixture(scope="module")
def outputs(trained, tmp_path_factory):
    """Two runs of other weights, a soft vote of them and a frozen ensemble, measured on val and test."""
    folder = tmp_path_factory.mktemp("published") / "outputs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_page, "write", lambda place, *_: place / "index.html")  # nothing of it is published
        measured(trained, folder)
    return folder


def measured(trained: Path, folder: Path) -> None:
    for seed in (0, 1):
        run = folder / f"small-s{seed}"
        shutil.copytree(trained, run)
        changed(run, seed)
        for split in ("val", "test"):
            measure(str(run), ["none", "flip"], split, outputs=folder, ledger_path=folder / "ledger.jsonl")
    both = [str(folder / f"small-s{seed}") for seed in (0, 1)]
    measure(both, "none", "val", name="both", outputs=folder)
    members = [directory.load(path) for path in both]
    choice = {
        "members": [
            {"name": r.name, "path": str(r.path), "weights_sha256": r.weights_sha256, "weight": w, "temperature": 1.0}
            for r, w in zip(members, (0.75, 0.25), strict=True)
        ],
        **{"specialists": [], "method": "weighted", "size": 2, "temperature": "none", "tta": "flip"},
        "views": [list(view) for view in views.VIEWS["flip"]],
        **{"tta_space": "probability", "chosen_on": {"split": "val", "n": 70}, "frozen_at": "t", "commit": "c"},
        "environment": {},
    }
    chosen = frozen.freeze_chosen(folder, "chosen", choice)
    (chosen / "choices.csv").write_text("tta,method\nflip,weighted\n")
    measure(str(chosen), None, "val", outputs=folder)


@pytest.fixture
def into(outputs, tmp_path):
    folder = tmp_path / "results"
    publishable.publish(str(outputs / "*"), folder, dirty=True)
    return folder


def by_key(found):
    return {(r["name"], r["split"], r["tta"]): r for r in found}


def test_what_is_read_back_is_what_the_reports_say(outputs, into):
    own, back = by_key(reports.read(str(outputs / "*"))), by_key(reports.read(str(into)))
    assert own.keys() == back.keys()
    assert len(own) == 10
    for key, report in own.items():
        assert {k: v for k, v in back[key].items() if k not in _MADE} == {
            k: v for k, v in report.items() if k not in _MADE
        }
        np.testing.assert_array_equal(back[key]["predicted"], np.load(report["folder"] / "predicted.npy"))
        np.testing.assert_array_equal(reports.right(back[key]), np.load(report["folder"] / "correct.npy"))


def test_compare_says_the_same_of_both(outputs, into):
    for split, tta in (("val", "none"), ("test", "flip")):
        both = [reports.compare(reports.read(str(place)), None, split, tta) for place in (outputs / "*", into)]
        assert sorted(both[0].splitlines()) == sorted(both[1].splitlines())
        assert "only it right" in both[0]


def test_a_card_and_a_page_need_no_more_than_what_was_published(outputs, into):
    (run,), (back,) = records.find(str(outputs / "small-s0")), records.find(str(into / "small-s0"))
    own, other = (model_card.render(record, None, "test", "flip").splitlines() for record in (run, back))
    assert [line for line in own if str(outputs) not in line] == [line for line in other if "runs=outputs/" not in line]
    assert (back.curves(), back.typed) == (run.curves(), "outputs/small-s0")
    assert {record.name: record.frozen for record in records.find(str(into))} == {
        **{"both": None, "chosen": "flip"},
        **{"small-s0": None, "small-s1": None},
    }


def test_no_place_of_the_machine_is_published(trained, into):
    for path in into.rglob("*"):
        assert path.is_dir() or str(trained.parent.parent).encode() not in path.read_bytes(), path


def test_a_chosen_ensemble_leaves_its_members_and_what_it_was_chosen_from(outputs, into):
    told = frozen.read(into / "ensembles" / "chosen")
    assert frozen.frozen_sha256(told) == told["sha256"] == frozen.read(outputs / "ensembles" / "chosen")["sha256"]
    assert [member["path"] for member in told["members"]] == ["outputs/small-s0", "outputs/small-s1"]
    assert (into / "ensembles" / "choices.csv").read_text() == "ensemble,tta,method\nchosen,flip,weighted\n"
    assert published.read(into).entries[1].row.sha256 == told["sha256"]


def test_what_was_published_is_published_from_its_directory_as_it_was(tmp_path):
    """A run with studies, one with a dash in its data, an exported file and both kinds of ensembles."""
    names = [
        "five_layer_taught_500-fer2013-none-s0",
        "vgg16-fer2013+aux-none-s0",
        "five_layer",
        "best",
        "ensemble-fer2013",
    ]
    for name in names:
        run = unpacked(name, tmp_path / "outputs")
        if name == "best":
            (run / "members.json").write_text((RESULTS / "ensembles/best/members.json").read_text())
    publishable.publish(str(tmp_path / "outputs/*"), tmp_path / "results", dirty=True)
    back = {entry.row.name: entry for entry in published.read(tmp_path / "results").entries}
    assert back.keys() == set(names)
    for name, entry in back.items():
        old = ENTRIES[name]
        assert (entry.row, entry.config, entry.info, entry.curves) == (old.row, old.config, old.info, old.curves)
        assert sorted(entry.studies, key=str) == sorted(old.studies, key=str)
        for new, report in zip(entry.reports, old.reports, strict=True):
            np.testing.assert_equal({**new, "folder": None}, {**report, "folder": None})
    assert (tmp_path / "results/ensembles/best/members.json").read_bytes() == (
        RESULTS / "ensembles/best/members.json"
    ).read_bytes()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_publishing_again_changes_nothing(outputs, into):
    before = contents(into)
    publishable.publish(str(outputs / "small-s1"), into, dirty=True)
    publishable.publish([str(outputs / "ensembles/chosen"), str(outputs / "small-s0")], into, dirty=True)
    assert contents(into) == before
    publishable.publish(str(into), into.parent / "other", dirty=True)
    other = contents(into.parent / "other")
    assert other == {name: content for name, content in before.items() if name.parts[0] != "ensembles"}


@pytest.fixture
def run(outputs, tmp_path):
    """A copy of a measured run that a test may spoil."""
    shutil.copytree(outputs / "small-s0", tmp_path / "outputs" / "small-s0")
    return tmp_path / "outputs" / "small-s0"


def edited(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def reports_gone(run):
    shutil.rmtree(run / "reports")


def trained_on(run):
    changed(run, 7)


def unfinished(run):
    edited(run / "run.json", status="running")


def other_report(run):
    edited(run / "reports/val-flip/report.json", weights_sha256=["0" * 64])


def no_predictions(run):
    (run / "reports/val-none/predicted.npy").unlink()


def other_labels(run):
    np.save(run / "reports/val-none/labels.npy", np.zeros(70, np.uint8))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (reports_gone, r"small-s0 was never measured; type python -m ferlab\.evaluate runs=.*small-s0 split=val"),
        (trained_on, "small-s0 was trained on, or anew, since it was measured"),
        (unfinished, "small-s0 is not finished; train it with ckpt=last"),
        (other_report, "its report on val, tta=flip is of other weights"),
        (no_predictions, r"lacks predictions .*ferlab\.evaluate runs=.* split=val tta=none"),
        (other_labels, r"predicted\.npy and correct\.npy are not of the same faces and labels"),
    ],
)
def test_what_is_not_measured_as_it_stands_is_refused(run, into, spoil, message):
    before = contents(into)
    spoil(run)
    with pytest.raises(FerlabError, match=message):
        publishable.publish(str(run), into, dirty=True)
    assert contents(into) == before


@pytest.mark.parametrize("commit", ["0123456789ab+", "unknown"])
@pytest.mark.parametrize("file", ["run.json", "reports/val-none/report.json"])
def test_code_that_no_commit_holds_is_refused(run, into, commit, file):
    clean = {"commit": "0123456789ab", "evaluated_commit": "0123456789ab"}
    for path in (run / "run.json", *run.glob("reports/*/report.json")):
        edited(path, **clean)
    publishable.publish(str(run), into)
    edited(run / file, **dict.fromkeys(clean, commit))
    with pytest.raises(
        FerlabError, match=r"small-s0 was (trained|measured).* by code that no commit holds.*dirty=true"
    ):
        publishable.publish(str(run), into)


def test_a_name_of_other_weights_is_refused_unless_they_are_to_be_replaced(outputs, into, tmp_path):
    shutil.copytree(outputs / "small-s1", tmp_path / "outputs" / "small-s0")
    run, weights = tmp_path / "outputs" / "small-s0", (records.find(str(outputs / f"small-s{s}"))[0] for s in (0, 1))
    first, second = ((record.run.weights_sha256)[:16] for record in weights)
    for path in run.glob("reports/*/report.json"):
        edited(path, name="small-s0", members=["small-s0"])
    (into / "runs.csv").write_text(
        "".join(line for line in (into / "runs.csv").read_text().splitlines(True) if not line.startswith("small-s1"))
    )
    with pytest.raises(FerlabError, match=f"sha256 {first}, and these have {second}; type replace=true"):
        publishable.publish(str(run), into, dirty=True)
    publishable.publish(str(run), into, dirty=True, replace=True)
    rows = {entry.row.name: entry.row.sha256[:16] for entry in published.read(into).entries}
    assert rows.keys() == {"both", "chosen", "small-s0"}
    assert rows["small-s0"] == second


def test_older_reports_take_the_labels_that_are_known(run, into, tmp_path):
    for file in run.glob("reports/*/labels.npy"):
        file.unlink()
    before = contents(into)
    publishable.publish(str(run), into, dirty=True)
    assert contents(into) == before
    with pytest.raises(FerlabError, match=r"has no labels\.npy, which older reports lack; type python"):
        publishable.publish(str(run), tmp_path / "empty", dirty=True)
