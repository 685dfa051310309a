"""What a model card says of good and bad uses follows from the counts of the reports, held against statsmodels."""

import json

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.reporting import model_fitness
from tests.reporting.cards import cards, rows, with_interval
from tests.reporting.test_summary_page import STUDENT, shown
from tests.unpacked import RESULTS, report_of, study_of, unpacked

# angry, disgust, fear, happy, sad, surprise, neutral: rows are labels, columns predictions.
WILD = np.array(
    [
        [20, 2, 0, 0, 10, 0, 28],
        [0, 39, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 190, 0, 4, 6],
        [4, 1, 0, 0, 30, 0, 15],
        [0, 0, 0, 0, 0, 75, 5],
        [30, 0, 0, 20, 10, 0, 140],
    ]
)


def put(run, matrix, data="wild", split="val", tta="none", **others):
    """A report of these counts in the folder of a run's reports on other data."""
    folder = run / "elsewhere" / f"{data}-{split}-{tta}"
    folder.mkdir(parents=True)
    told = json.loads((run / "reports" / "val-none" / "report.json").read_text())
    counts = {"confusion_matrix": matrix.tolist(), "n": int(matrix.sum()), "correct": int(np.trace(matrix))}
    counts["accuracy"] = counts["correct"] / counts["n"]
    told |= counts | {"data": data, "split": split, "tta": tta} | others
    (folder / "report.json").write_text(json.dumps(told))
    for name in ("predicted", "labels", "correct"):
        np.save(folder / f"{name}.npy", np.zeros(0))
    return folder


def section(tmp_path, folder, **options):
    (text,) = cards(tmp_path, folder, **options).values()
    return text.split(f"## {model_fitness.TITLE}")[1].split("\n## ")[0]


def test_recall_by_data_set_is_that_of_the_counts(tmp_path):
    run = unpacked(STUDENT, tmp_path)
    put(run, WILD)
    put(run, np.eye(7, dtype=int), tta="flip")  # a single view goes first, and the shares that were learned
    put(run, np.eye(7, dtype=int), split="test", priors=[1 / 7] * 7)
    found = rows(section(tmp_path, run), "expression")
    own = np.array(report_of(STUDENT)["confusion_matrix"])
    assert [row["expression"] for row in found] == list(EXPRESSIONS)
    for k, row in enumerate(found):
        n, elsewhere = own[k].sum(), WILD[k].sum()
        assert row["fer2013, PrivateTest"] == f"{with_interval(own[k, k], n)} of {n}"
        expected = f"{with_interval(WILD[k, k], elsewhere)} of {elsewhere}" if elsewhere else "no face"
        assert row["wild, validation"] == expected


def test_what_it_is_good_for_follows_from_both_ends_of_the_intervals(tmp_path):
    run = unpacked(STUDENT, tmp_path)
    put(run, WILD)
    own, text = np.array(report_of(STUDENT)["confusion_matrix"]), section(tmp_path, run)
    good, bad, between = [], [], []
    for k, name in enumerate(EXPRESSIONS):
        known = [m[k] for m in (own, WILD) if m[k].sum() >= 40]
        ranges = [proportion_confint(row[k], row.sum(), method="wilson") for row in known]
        kind = (
            bad if any(high < 0.5 for _, high in ranges) else good if all(low >= 0.7 for low, _ in ranges) else between
        )
        kind.append(name)
    assert (good, bad) == (["happy", "surprise"], ["angry"])  # the wild counts decide of angry
    assert f"Good for: {', '.join(good)}. The whole interval lies above 70 %" in text
    assert "Fails for: angry (wild, validation: 33.3 % of 60, most often taken for neutral (28))." in text
    assert f"Between the two: {', '.join(between)}." in text
    assert "Too few faces" not in text  # FER2013 has enough of each


def test_too_few_faces_tell_nothing(tmp_path):
    run = unpacked(STUDENT, tmp_path)
    for path in (run / "reports").rglob("report.json"):
        few = json.loads(path.read_text()) | {"confusion_matrix": (39 * np.eye(7, dtype=int)).tolist()}
        path.write_text(json.dumps(few))
    text = section(tmp_path, run)
    assert f"Too few faces to tell: {', '.join(EXPRESSIONS)}." in text
    assert "Good for: no expression." in text
    assert "Fails for: no expression." in text
    assert "Neutral faces" not in text


def test_neutral_faces_are_called_what_the_counts_say(tmp_path):
    run = unpacked(STUDENT, tmp_path)
    put(run, WILD)
    expected = "Neutral faces (wild, validation): 70.0 % of 200 are called so; 15.0 % angry, 10.0 % happy, 5.0 % sad."
    assert expected in section(tmp_path, run)


def test_reports_of_other_weights_are_left_out(tmp_path):
    run = unpacked(STUDENT, tmp_path)
    put(run, WILD, weights_sha256=["0" * 64])
    assert "wild" not in section(tmp_path, run)


def test_a_report_elsewhere_that_lacks_its_counts_is_named(tmp_path):
    run = unpacked(STUDENT, tmp_path)
    file = put(run, WILD) / "report.json"
    told = json.loads(file.read_text())
    del told["confusion_matrix"]
    file.write_text(json.dumps(told))
    with pytest.raises(FerlabError, match=r"lacks confusion_matrix; .*split=val tta=none data=wild"):
        section(tmp_path, run)


def test_cut_out_faces_in_bad_light_are_those_of_the_study(tmp_path):
    study = study_of(STUDENT, "robustness")
    dim = [shown(study["corruptions"]["dim_light"]["by_strength"][str(s)]["accuracy"]) for s in range(1, 6)]
    text = section(tmp_path, RESULTS / STUDENT)
    assert (
        f"Dim light (cut-out faces, strengths 1 to 5): {shown(study['clean']['accuracy'])} % become {', '.join(dim)}."
        in text
    )


FILE = "five_layer_taught-fer2013-none-s0-int8"
ROWS = [(0, 240, 1.0, 398, 280), (30, 240, 1.0, 390, 270), (0, 60, 1.0, 300, 180), (0, 240, 0.25, 350, 200)]


def in_scenes(tmp_path, **others):
    """A record of faces in scenes with the checksum of a published export."""
    (sha,) = report_of(FILE, "val-none")["weights_sha256"]
    counted = [
        {
            "tilt_deg": tilt,
            "side_px": side,
            "light": light,
            "faces": 400,
            "found": found,
            "small": {"right_levelled": n},
        }
        for tilt, side, light, found, n in ROWS
    ]
    file = tmp_path / "scenes.json"
    told = {"files": {"small": sha}, "rows": counted, "labels": "ferplus"} | others
    file.write_text(json.dumps({"accuracy_ferplus": told}))
    return str(file)


def test_tilt_size_and_light_are_counted_over_all_faces(tmp_path):
    text = section(tmp_path, RESULTS / FILE, scenes=in_scenes(tmp_path))

    def cell(found, right):
        low, high = proportion_confint(right, 400, method="wilson")
        return f"{shown(right / 400)} % ({shown(low)}–{shown(high)}; {shown(found / 400)} % found)"

    usual, tilted, small, dim = (cell(found, right) for *_, found, right in ROWS)
    about = "400 faces of val with ferplus's labels, found in pictures"
    assert f"Tilt (degrees; {about}): 0: {usual}, 30: {tilted}. One" in text
    assert f"Size (pixels a side; {about}): 240: {usual}, 60: {small}. One" in text
    assert f"Light (percent of it left; {about}): 100: {usual}, 25: {dim}. One" in text


@pytest.mark.parametrize("scenes", ["none.json", None, "other"])
def test_another_file_has_no_tilt_size_and_light(tmp_path, scenes):
    if scenes == "other":
        scenes = in_scenes(tmp_path, files={"small": "0" * 64})
    text = section(tmp_path, RESULTS / FILE, scenes=scenes)
    assert "Tilt, size and light of faces in pictures, of an exported model: not measured; type `python -m" in text


def test_a_damaged_record_is_refused(tmp_path):
    file = tmp_path / "scenes.json"
    file.write_text('{"small": {}, "accuracy_ferplus": {"rows": []}}')
    with pytest.raises(FerlabError, match=r"lacks files, labels; write it with python -m benchmarks\.faces_in_scenes"):
        model_fitness.scenes(str(file))
    file.write_text('{"small": {}}')
    assert model_fitness.scenes(str(file)) == []
