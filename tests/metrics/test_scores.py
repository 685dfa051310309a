"""Numbers against scikit-learn and statsmodels; files and page against what they must hold."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics
from statsmodels.stats import contingency_tables, proportion

from ferlab.data import faces
from ferlab.data.faces import Faces, hard_targets
from ferlab.errors import FerlabError
from ferlab.evaluation import report
from ferlab.expressions import EXPRESSIONS
from ferlab.metrics import scores, statistics
from ferlab.pages import figures, report_page


def made_faces(labels, seed=0):
    n = len(labels)
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 48, 48), dtype=np.uint8)
    subject, row = np.full(n, -1, np.int32), np.arange(100, 100 + n, dtype=np.int32)
    return Faces(pixels, hard_targets(np.asarray(labels, int)), np.full(n, 2, np.uint8), subject, row)


def made(n=400, classes=range(7), seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(classes), n)
    logits = rng.normal(size=(n, 7)) + 1.5 * np.eye(7)[labels]
    p = np.exp(logits)
    return (p / p.sum(1, keepdims=True)).astype(np.float32), made_faces(labels), rng.random(n) < 0.2


PROVENANCE = {
    "name": "five_layer-fer2013-none-s0",
    "model": "five_layer",
    "members": ["five_layer-fer2013-none-s0"],
    "tta": "flip",
    "split": "test",
    "data": "fer2013",
    "seed": 0,
    "commit": "c0ffee123456",
    "environment": {"python": "3.11"},
}


def test_counts_recall_precision_and_f1_equal_scikit_learns():
    p, faces, twins = made()
    m = scores.measure(p, faces, twins)
    predicted = p.argmax(1)
    assert m["confusion_matrix"] == metrics.confusion_matrix(faces.labels, predicted, labels=range(7)).tolist()
    assert m["accuracy"] == pytest.approx(metrics.accuracy_score(faces.labels, predicted))
    assert m["macro_recall"] == pytest.approx(metrics.balanced_accuracy_score(faces.labels, predicted))
    assert m["macro_f1"] == pytest.approx(metrics.f1_score(faces.labels, predicted, average="macro"))
    theirs = metrics.precision_recall_fscore_support(faces.labels, predicted, labels=range(7))
    for ours, expected in zip(("precision", "recall", "f1", "support"), theirs, strict=True):
        assert list(m[ours]) == list(EXPRESSIONS)
        np.testing.assert_allclose(list(m[ours].values()), expected)
    assert m["disgust_misclassification"] == pytest.approx(1 - theirs[1][1])
    assert (m["n"], m["correct"]) == (400, (predicted == faces.labels).sum())
    alone = m["without_train_twins"]
    assert alone["n"] == (~twins).sum()
    assert alone["accuracy"] == pytest.approx(metrics.accuracy_score(faces.labels[~twins], predicted[~twins]))


def test_likelihood_and_brier_score_equal_scikit_learns():
    p, faces, twins = made()
    m = scores.measure(p, faces, twins)
    double = p.astype(float) / p.astype(float).sum(1, keepdims=True)
    assert m["nll"] == pytest.approx(metrics.log_loss(faces.labels, double, labels=range(7)), abs=1e-6)
    theirs = metrics.brier_score_loss(faces.labels, double, labels=range(7), scale_by_half=False)
    assert m["brier"] == pytest.approx(theirs, abs=1e-6)


def test_calibration_error_equals_a_loop():
    p, faces, twins = made()
    m = scores.measure(p, faces, twins)
    loop, confidence, correct = 0.0, p.max(1), p.argmax(1) == faces.labels
    for b in range(15):
        here = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if here.any():
            loop += here.mean() * abs(correct[here].mean() - confidence[here].mean())
    assert m["ece"] == pytest.approx(loop, abs=1e-6)
    assert sum(b["n"] for b in m["reliability"]) == 400


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 50), (37, 50), (2620, 3589), (3589, 3589)])
def test_interval_equals_statsmodels(k, n):
    expected = proportion.proportion_confint(k, n, method="wilson")
    assert statistics.interval95(k, n) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [3, 30, 3000])
def test_mcnemar_equals_statsmodels(seed, n):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) < 0.7, rng.random(n) < 0.6
    only_a, only_b, p = statistics.mcnemar(a, b)
    table = [[(a & b).sum(), only_a], [only_b, (~a & ~b).sum()]]
    assert (only_a, only_b) == ((a & ~b).sum(), (b & ~a).sum())
    if only_a + only_b:
        assert p == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue, rel=1e-9)


def test_mcnemar_of_equal_results_is_one_and_of_unequal_lengths_refused():
    assert statistics.mcnemar([True, False], [True, False]) == (0, 0, 1.0)
    with pytest.raises(ValueError, match="same faces"):
        statistics.mcnemar([True], [True, False])


def _numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [n for v in value for n in _numbers(v)] if isinstance(value, list) else [value]


CORNERS = pytest.mark.parametrize(
    ("p", "labels", "twins"),
    [
        (made(60, (0, 2, 3))[0], made(60, (0, 2, 3))[1].labels, np.zeros(60, bool)),  # four classes have no face
        (np.eye(7)[[3]], [3], [False]),  # one face
        (np.eye(7)[[3]], [3], [True]),  # which stands in training
        (np.full((20, 7), 1 / 7), np.arange(20) % 7, np.zeros(20, bool)),  # constant
        (np.eye(7)[np.zeros(20, int)], np.arange(20) % 7, np.ones(20, bool)),  # sure and mostly wrong
        (np.eye(7)[np.arange(14) % 7], np.arange(14) % 7, np.zeros(14, bool)),  # sure and right
    ],
)


@CORNERS
def test_corners_give_null_instead_of_nan(p, labels, twins):
    p, faces = np.asarray(p, np.float32), made_faces(labels)
    m = scores.measure(p, faces, twins)
    assert all(n is None or isinstance(n, str) or np.isfinite(n) for n in _numbers(m))
    present = [k for k in range(7) if k in faces.labels]
    assert [e for e, r in m["recall"].items() if r is not None] == [EXPRESSIONS[k] for k in present]
    expected = metrics.recall_score(faces.labels, p.argmax(1), labels=present, average="macro", zero_division=0)
    assert m["macro_recall"] == pytest.approx(expected)
    assert m["macro_f1"] == pytest.approx(metrics.f1_score(faces.labels, p.argmax(1), average="macro"))
    assert (m["disgust_misclassification"] is None) == (1 not in present)
    if np.all(twins):
        assert m["without_train_twins"] == {"n": 0, "correct": 0, "accuracy": None, "interval95": None}
    json.dumps(m, allow_nan=False)


def test_one_face_of_another_data_set_that_stands_in_training_has_a_page_too(tmp_path):
    p, faces = np.eye(7, dtype=np.float32)[[3]], made_faces([0])
    provenance = {**PROVENANCE, "data": "drawn", "name": "five_layer-drawn-none-s0", "members": ["x"]}
    page = report.write_report(tmp_path, scores.measure(p, faces, [True]), provenance, p, faces)
    text = re.sub(r'"data:[^"]*"', "", page.read_text())
    assert not re.search(r"\b(nan|None|inf)\b", text)
    assert "no face" in text
    assert "PrivateTest" not in text
    assert "fer2013" not in text.lower()


@pytest.mark.parametrize(
    ("p", "n", "message"),
    [
        (np.zeros((0, 7)), 0, "no faces"),
        (np.full((3, 7), np.nan), 3, "NaN or infinity for 3 of 3"),
        (np.full((3, 6), 1 / 6), 3, r"\(3, 7\).*found \(3, 6\)"),
        (np.full((2, 7), 1 / 7), 3, r"\(3, 7\).*found \(2, 7\)"),
        (np.random.default_rng(0).normal(size=(3, 7)), 3, "not logits"),
    ],
)
def test_what_is_no_probability_is_refused(p, n, message):
    with pytest.raises(FerlabError, match=message):
        scores.measure(p, made_faces(np.arange(n)), np.zeros(n, bool))


def test_a_report_without_provenance_is_refused(tmp_path):
    p, faces, twins = made(30)
    without = {k: v for k, v in PROVENANCE.items() if k not in ("commit", "tta")}
    with pytest.raises(FerlabError, match="commit, tta"):
        report.write_report(tmp_path, scores.measure(p, faces, twins), without, p, faces)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    p, faces, twins = made()
    m = scores.measure(p, faces, twins)
    rows = [
        {"epoch": "0", "train/loss": "2.0", "val/loss": "", "val/accuracy": "0.3"},
        {"epoch": "1", "train/loss": "1.5", "val/loss": "nan", "val/accuracy": "0.4", "lr": "0.1"},
    ]
    provenance = {**PROVENANCE, "name": "<b>&x", "environment": {"python": "3.11", "note": "<script>"}}
    folder = tmp_path_factory.mktemp("page") / "deep" / "test-flip"
    path = report.write_report(folder, m, provenance, p, faces, rows)
    assert path == folder / "index.html"
    return path, m, p, faces, provenance


@pytest.fixture
def html(page):
    return page[0].read_text()


def test_report_holds_the_numbers_their_provenance_and_the_arrays(page):
    path, m, p, _, provenance = page
    told = json.loads((path.parent / "report.json").read_text())
    assert told == json.loads(json.dumps({**provenance, **m}))
    needed = "model members tta split data n correct accuracy interval95 without_train_twins macro_recall recall seed"
    assert {*needed.split(), "commit"} <= told.keys()
    probabilities = np.load(path.parent / "probabilities.npy")
    assert probabilities.dtype == np.float16
    np.testing.assert_allclose(probabilities, p, atol=1e-3)
    predicted = np.load(path.parent / "predicted.npy")
    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, p.argmax(1))
    assert np.load(path.parent / "correct.npy").sum() == m["correct"]
    with Image.open(path.parent / "confusion_matrix.png") as image:
        assert min(image.size) > 400
    assert b"<svg" in (path.parent / "confusion_matrix.svg").read_bytes()
    assert not list(path.parent.glob("*.part"))


def test_the_same_matrix_gives_the_same_bytes(page):
    again = figures.drawn(report_page._confusion_matrix, np.array(page[1]["confusion_matrix"]), "light", "svg")
    assert (page[0].parent / "confusion_matrix.svg").read_bytes() == again


def test_page_is_self_contained_and_says_the_headline(page, html):
    m = page[1]
    assert not re.findall(r'(?:src|href|srcset)="(?!data:)', html)
    assert "url(" not in html
    assert f"{100 * m['accuracy']:.1f}" in html
    low, high = m["interval95"]
    assert f"{100 * low:.1f}–{100 * high:.1f}" in html
    assert "PrivateTest" in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_every_image_has_an_alternative_text(html):
    images = re.findall(r"<img[^>]*>", html)
    assert len(images) == 3 + report_page.MISTAKES  # matrix, reliability, curves, faces
    assert all(re.search(r'alt="[^"]{10,}"', image) for image in images)


def test_gallery_shows_the_surest_mistakes_with_their_origin(page, html):
    _, _, p, faces, _ = page
    wrong = np.flatnonzero(p.argmax(1) != faces.labels)
    order = wrong[np.argsort(-p[wrong].max(1))]
    shown = re.findall(r"taken for (\w+) · (row \d+)", html)
    expected = [(EXPRESSIONS[p[i].argmax()], f"row {100 + i}") for i in order[: report_page.MISTAKES]]
    assert shown == expected


def test_page_escapes_what_users_named(html):
    assert "<script>" not in html
    assert "&lt;b&gt;&amp;x" in html


@pytest.mark.parametrize(
    ("data", "split", "title"),
    [
        ("fer2013", "test", "PrivateTest"),
        ("fer2013+aux", "val", "PublicTest"),
        ("fer2013, fer2013+aux", "test", "PrivateTest"),
        ("drawn", "test", "test"),
        ("fer2013, drawn", "val", "validation"),
        ("fer2013like", "test", "test"),
    ],
)
def test_only_fer2013_has_a_private_test(data, split, title):
    assert faces.split_title(data, split) == title


def test_curves_leave_out_what_is_no_number():
    rows = [{"epoch": "0", "val/loss": "inf", "train/loss": 1}, {"epoch": "", "val/loss": "1"}, {"val/accuracy": "x"}]
    assert report_page.curves(rows) == {"loss": {"train/loss": [(0.0, 1.0)]}}
    assert report_page.curves([]) == {}
