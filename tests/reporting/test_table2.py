"""The poster's Table 2 over made reports: values against statistics and statsmodels, places, and what is refused."""

import statistics
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from ferlab.errors import FerlabError
from ferlab.reporting import table2
from tests.reporting.cells import (
    DATA,
    MODELS,
    VIEWS,
    WEIGHTS,
    _main,
    empty,  # noqa: F401
    ensemble,
    made,  # noqa: F401
    percent,
    row_of,
    run,
    tables,
    text,
)

COLUMNS = [(m, d) for d in DATA for m in MODELS]


HEAD = ["VGG16", "ResNet50", "SENet50", "VGG16 + aux", "ResNet50 + aux", "SENet50 + aux", "ensemble"]


def test_each_cell_holds_the_accuracy_and_the_misses_of_its_report(made):
    found = tables(text())
    for title, key in (("Accuracy", "accuracy"), ("Disgust misclassified", "disgust_misclassification")):
        (head, *body) = next(table for before, table in found.items() if before.startswith(title))
        assert head[1:] == HEAD
        for line, (tta, weights) in zip(body, product(VIEWS, WEIGHTS), strict=False):
            expected = [made[m, d, weights]["test", tta][key] for m, d in COLUMNS] + [made[weights]["test", tta][key]]
            assert line[1:] == [percent(e) for e in expected]
    labels = [line[0] for line in found["Accuracy, PrivateTest, percent of 500 faces:"][1:]]
    assert labels[:4] == ["no class weights", "class weights", "no class weights, views12", "class weights, views12"]
    assert "Disgust misclassified, PrivateTest, percent of 55 faces:" in found


def test_the_posters_figures_stand_in_rows_of_their_own(made):
    (_, *body) = tables(text())["Accuracy, PrivateTest, percent of 500 faces:"]
    assert body[4:] == [
        ["poster, no class weights", "69.5", "73.2", "70.0", "70.2", "72.7", "72.5", "–"],
        ["poster, class weights", "70.0", "67.7", "68.9", "69.6", "72.4", "71.6", "–"],
    ]
    assert "published figures (arXiv:2004.11823), not measured here" in text()
    assert "one a data set: 74.8 (FER2013), 75.8 (FER2013 + aux)" in text()
    assert "poster" not in text(split="val")


def test_rows_may_be_data_as_in_the_poster(made):
    for data in DATA:
        made[data] = ensemble(f"ensemble-{data}", row_of(data), right=0.9)
    (head, *body) = tables(text(rows="data"))["Accuracy, PrivateTest, percent of 500 faces:"]
    columns = [(m, w) for w in WEIGHTS for m in MODELS]
    assert head[1:4] == HEAD[:3]
    assert head[4:] == ["VGG16 weighted", "ResNet50 weighted", "SENet50 weighted", "ensemble"]
    for line, (tta, data) in zip(body, product(VIEWS, DATA), strict=False):
        expected = [made[m, data, w]["test", tta] for m, w in columns] + [made[data]["test", tta]]
        assert line[1:] == [percent(e["accuracy"]) for e in expected]
    assert body[4:] == [
        ["poster, FER2013", "69.5", "73.2", "70.0", "70.0", "67.7", "68.9", "74.8"],
        ["poster, FER2013 + aux", "70.2", "72.7", "72.5", "69.6", "72.4", "71.6", "75.8"],
    ]
    with pytest.raises(FerlabError, match="'seed'; choose class_weights or data"):
        text(rows="seed")


def test_rows_are_tested_against_each_other_and_equal_statsmodels(made):
    for tta, said in (("none", "single view"), ("views12", "views12")):
        (head, *body) = tables(text())[
            f"PrivateTest, {said}, McNemar's exact test of no class weights against class weights:"
        ]
        assert head[1:] == ["only no class weights right", "only class weights right", "p", "p, Holm over 7"]
        assert [line[0] for line in body] == HEAD
        p = []
        names = [[f"{m}-{d}-{w}-s0" for w in WEIGHTS] for m, d in COLUMNS]
        for line, (a, b) in zip(
            body, [*names, ("ensembles/ensemble-none", "ensembles/ensemble-balanced")], strict=True
        ):
            a, b = (np.load(Path("outputs") / n / f"reports/test-{tta}/correct.npy") for n in (a, b))
            counts = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
            assert line[1:3] == [str(counts[0][1]), str(counts[1][0])]
            p.append(contingency_tables.mcnemar(counts, exact=True).pvalue)
            assert float(line[3]) == pytest.approx(p[-1], rel=5e-3)
        theirs = multipletests(p, method="holm")[1]
        np.testing.assert_allclose([float(line[4]) for line in body], theirs, rtol=5e-3)


def test_several_seeds_are_a_mean_with_deviation_and_are_tested_in_pairs(empty):
    told = {(w, s): run(("vgg16", "fer2013", w), s) for w in WEIGHTS for s in range(3)}
    run(("vgg16", "fer2013", "none"), 7)
    found = tables(text(tta="none"))
    values = [told["balanced", s]["test", "none"]["accuracy"] for s in range(3)]
    line = found["Accuracy, PrivateTest, percent of 500 faces:"][2]
    assert line[1] == f"{100 * statistics.mean(values):.1f} ± {100 * statistics.stdev(values):.1f}"
    assert line[2:] == ["–"] * 6
    (_, *tests) = found["PrivateTest, single view, McNemar's exact test of no class weights against class weights:"]
    assert [line[0] for line in tests] == [f"VGG16, seed {s}" for s in range(3)]
    (_, none, balanced) = found["How each was trained, and what it took:"]
    assert [none[4], balanced[4]] == ["4", "3"]
    assert balanced[6] == "450.0 ± 10.0"


def test_what_is_missing_is_a_dash_and_what_is_elsewhere_is_left_out(empty):
    told = run(("resnet50", "fer2013", "none"), views=("none",), splits=("test",), disgust_misclassification=None)
    run(("five_layer", "fer2013", "none"))
    run(("vgg16", "ferplus", "none"))
    run(("vgg16", "fer2013", "effective"))
    ensemble("all", list(product(MODELS, DATA, WEIGHTS)))  # of no row
    ensemble("others", [("five_layer", "fer2013", "none"), ("vgg16", "fer2013", "none")])
    found = tables(text())
    (_, none, balanced, *_) = found["Accuracy, PrivateTest, percent of 500 faces:"]
    assert none[1:] == ["–", percent(told["test", "none"]["accuracy"]), *["–"] * 5]
    assert balanced[1:] == ["–"] * 7
    assert found["Disgust misclassified, PrivateTest, percent of 55 faces:"][1][1:] == ["–"] * 7
    (_, line) = found["PrivateTest, single view, in detail, percent (95 % interval):"]
    assert line[2] == "–"
    assert "McNemar" not in text()
    assert "- ensemble of" not in text()


def test_a_row_takes_the_ensemble_over_most_cells_and_names_its_members(made):
    ensemble("better", row_of("none")[:3], right=0.99)
    assert (
        text().count("- ensemble of no class weights, `ensemble-none`, 141.1 M parameters: vgg16-fer2013-none-s0, ")
        == 1
    )
    assert "better" not in text()
    ensemble("larger", row_of("none")[:5], right=0.99)
    assert "larger" not in text()


def test_two_ensembles_of_a_row_and_two_runs_of_a_seed_are_refused(empty):
    ensemble("one", row_of("none")[:3])
    ensemble("two", row_of("none")[1:4])
    with pytest.raises(FerlabError, match="row none has several ensembles, one, two; give only one"):
        text()
    ensemble("three", row_of("none"))
    assert "`three`" in text()
    ensemble("four", row_of("none"))
    with pytest.raises(FerlabError, match="four and three are of one cell and one seed"):
        text()


def test_two_trainings_of_one_seed_are_refused(made):
    run(("vgg16", "fer2013", "none"), name="vgg16-fer2013-none-s0-2")
    with pytest.raises(FerlabError, match="vgg16-fer2013-none-s0 and vgg16-fer2013-none-s0-2 are of one cell"):
        text()


def test_cells_over_other_faces_are_refused(empty):
    run(("vgg16", "fer2013", "none"))
    run(("vgg16", "fer2013", "balanced"), faces_sha256="others")
    with pytest.raises(FerlabError, match="measured on different test faces"):
        text()


def test_the_views_and_the_split_can_be_chosen(made):
    run(("five_layer", "fer2013", "none"), views=("flip",))
    assert "views12" not in text(tta="none")
    assert "single view" in text(tta="views12")
    assert "Accuracy, PublicTest" in text(split="val")
    with pytest.raises(
        FerlabError, match="no report of the grid has split=test tta=flip; there are split=val tta=none; "
    ):
        text(tta="flip")
    with pytest.raises(FerlabError, match=r"no report is of model x on fer2013, fer2013\+aux .* type make table2"):
        text(models=["x"])


def test_on_val_alone_the_grid_is_of_val(empty):
    run(("vgg16", "fer2013", "none"), splits=("val",))
    assert "Accuracy, PublicTest" in text()
    with pytest.raises(FerlabError, match="has split=test; there are split=val"):
        text(split="test")


def test_a_test_without_its_faces_is_said(made):
    Path("outputs/vgg16-fer2013-none-s0/reports/test-none/correct.npy").unlink()
    assert "Left out: VGG16: no correct.npy beside outputs/vgg16-fer2013-none-s0" in text()
    assert "p, Holm over 6" in text()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("layout=grid", "'grid'; choose list or table2"),
        ("against=x", "against is for layout=list"),
    ],
)
def test_what_does_not_fit_is_refused(made, typed, message):
    with pytest.raises(FerlabError, match=message):
        _main("runs=outputs/*", "layout=table2", typed)


def test_the_posters_table_is_whole():
    assert set(table2.POSTER) == set(product(MODELS, DATA, WEIGHTS))
    seed = Path(__file__).resolve().parents[3] / "shared" / "seed_poster.txt"
    if not seed.is_file():
        pytest.skip("the poster's text is not here")
    lines = [line.split("\t") for line in seed.read_text().splitlines()]
    for data, title in zip(DATA, ("FER2013", "Auxiliary"), strict=True):
        (figures,) = [line[1:8] for line in lines if line[0] == title]
        ours = [table2.POSTER[m, data, w] for m in ("resnet50", "senet50", "vgg16") for w in WEIGHTS]
        assert figures == [f"{v}%" for v in [*ours, table2.POSTER_ENSEMBLES[data]]]
