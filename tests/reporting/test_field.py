"""The field: rows of others as data, ours from results/, one list of both."""

import re
from pathlib import Path

import pytest
import yaml
from statsmodels.stats.proportion import proportion_confint

from ferlab.errors import FerlabError
from ferlab.reporting import field, recipes, reports
from tests.composing import composed
from tests.reporting.test_published import RESULTS
from tests.reporting.test_recipes import RULES, put
from tests.reporting.written import rows

FILE = RESULTS.parent / "docs" / "field.yaml"
ROW = {
    "system": "poster, a net",
    "year": 2020,
    "accuracy": 70.0,
    "images": 3456,
    "nets": 1,
    "parameters": 2_400_000,
    "extra_data": None,
    "protocol": "Single view.",
    "trust": "low",
    "source": "arXiv:1",
    "group": "poster",
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(*rows):
        Path("field.yaml").write_text(yaml.safe_dump(list(rows)))
        return Path("field.yaml")

    return write


def test_intervals_of_others_are_wilsons_on_their_images(written):
    few, unknown = field.of_others(written(ROW, ROW | {"images": None, "accuracy": 75.8}))
    for one, (right, n) in ((few, (round(0.7 * 3456), 3456)), (unknown, (round(0.758 * 3589), 3589))):
        assert one.interval == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-9)
    assert (few.accuracy, few.parameters, few.images) == (pytest.approx(0.7), 2_400_000, 3456)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trust": "high"}, r"another type of rows\.0\.trust"),
        ({"accuracy": 0.75}, r"rows\.0\.accuracy"),
        ({"parameters": "12.0e6"}, r"rows\.0\.parameters"),
        ({"extra": 1, "system": None}, r"rows\.0\.system"),
    ],
)
def test_a_row_of_another_type_is_named(written, change, said):
    with pytest.raises(FerlabError, match=said):
        field.of_others(written(ROW | change))


def test_a_missing_field_and_a_damaged_file_are_named(written):
    without = {key: value for key, value in ROW.items() if key not in ("protocol", "images")}
    with pytest.raises(FerlabError, match=r"field\.yaml lacks rows\.0\.images, rows\.0\.protocol; its first lines say"):
        field.of_others(written(without))
    Path("field.yaml").write_text("- [")
    with pytest.raises(FerlabError, match=r"field\.yaml cannot be read"):
        field.of_others(Path("field.yaml"))


def test_every_field_is_explained_in_the_file():
    head = FILE.read_text().partition("\n\n")[0]
    wanted = {*field._Row.__annotations__}
    assert {name for name in wanted if re.search(rf"\b{name}:", head)} == wanted
    assert {name for name in ("full", "plausible", "low") if re.search(rf"#.* {name} ", FILE.read_text())} == {
        *("full", "plausible", "low")
    }


def config(**changes):
    return {"data": {"name": "fer2013", "auxiliary": []}, "weights": "none", "teacher": None} | changes


def told(**changes):
    return {"config": config(**changes), "evaluated_at": "2026-11-27T00:00:00+00:00", "parameters": 1_000_000}


@pytest.fixture
def ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for s in range(3):
        put(f"net-s{s}", seed=s, **told())
    both = {
        "a": config(weights="data/lite.pth"),
        "b": config(data={"name": "fer2013+aux", "auxiliary": [{}]}, teacher="x"),
    }
    put("many", "ensemble", views=("views12-logit",), chosen_on={}, **told() | {"config": both})
    put("single", "ensemble", views=("none",), **told() | {"config": both | {"a": config(weights="o/x/best.ckpt")}})
    return recipes.listed(reports.read("*"), RULES)


def test_ours_say_what_they_learned_from_and_how_they_were_measured(ours):
    many, net, single = sorted(field.of_ours(ours, "views12"), key=lambda one: one.name)
    assert (net.extra_data, net.protocol) == ("none", "Mean of 3 seeds, views12.")
    assert many.extra_data == "faces of fer2013+aux; weights lite; its teacher's"
    assert many.protocol == "Views12-logit, distilled, members chosen on PublicTest."
    assert single.extra_data == "faces of fer2013+aux; its teacher's"
    assert single.protocol == "Single view, distilled."
    assert {(one.group, one.trust, one.year, one.images) for one in (net, single, many)} == {
        ("ours", "full", 2026, 500)
    }


def test_the_list_falls_and_ours_are_bold(ours, written):
    listed = field.listed(written(ROW, ROW | {"system": "top", "accuracy": 99.0}), ours, [], "views12")
    assert [one.accuracy for one in listed] == sorted((one.accuracy for one in listed), reverse=True)
    head, body = rows(field.table(listed))
    assert next(iter(body)) == "top"
    assert {name for name in body if name.startswith("**")} == {f"**{one.title}**" for one in ours}
    given = dict(zip(head[1:], body["poster, a net"], strict=True))
    assert given["images"] == "3,456"
    assert given["parameters"] == "2.4 M"
    assert given["extra data"] == "–"
    low, high = proportion_confint(round(0.7 * 3456), 3456, method="wilson")
    assert given["PrivateTest"] == f"70.0 ({100 * low:.1f}–{100 * high:.1f})"


def test_a_measured_file_takes_the_place_of_what_was_reported(ours, written):
    (one,) = put("net9", views=("none",), splits=("test",), export={"sha256": "x"}, commit=None, **told()).values()
    found = reports.read("*")
    assert [row.name for row in recipes.listed(found, RULES)] == [row.name for row in ours]
    foreign = [row for row in recipes.rows_of(found) if row.kind == recipes.FOREIGN]
    (entered,) = field.listed(written(ROW | {"measured": "net9"}), [], foreign, "views12")
    assert (entered.name, entered.trust, entered.images) == (ROW["system"], "full", 500)
    assert entered.accuracy == one["accuracy"]
    assert entered.interval == pytest.approx(proportion_confint(one["correct"], 500, method="wilson"), abs=1e-9)
    with pytest.raises(FerlabError, match=r"measured is 'gone' for poster, a net, and no foreign file"):
        field.listed(written(ROW | {"measured": "gone"}), [], foreign, "views12")


def test_the_posters_rows_are_its_own_figures():
    poster = {one.part: 100 * one.accuracy for one in field.of_others(FILE) if one.group == field.POSTER}
    figures = {
        "baseline": 64.0,
        "five layers": 66.3,
        "VGG16": 70.2,
        "SENet50": 72.5,
        "ResNet50": 73.2,
        "seven nets": 75.8,
    }
    assert poster == pytest.approx(figures)


def test_ours_are_what_results_holds():
    """Accuracy, interval and parameters of each, computed from the rows of measurements.csv and runs.csv."""
    import pandas as pd

    measured, runs = (pd.read_csv(RESULTS / name) for name in ("measurements.csv", "runs.csv"))
    systems = field.of_ours(
        recipes.listed(reports.read(str(RESULTS)), composed(command="publish")["recipes"]), "views12"
    )
    assert len(systems) > 5
    for one in systems:
        name = re.escape(one.source.removeprefix("results/, "))
        here = measured[measured.name.str.fullmatch(rf"{name}(-s\d)?") & (measured.split == "test")]
        several = sorted({*here.views} - {"none"}, key=lambda views: views != "views12")
        here = here[here.views == (several[0] if several else "none")]
        ends = [proportion_confint(r.correct, r.n, method="wilson") for r in here.itertuples()]
        assert one.accuracy == pytest.approx((here.correct / here.n).mean())
        assert one.interval == pytest.approx([sum(e) / len(ends) for e in zip(*ends, strict=True)], abs=1e-9)
        assert {one.parameters} - {None} == set(runs[runs.name.isin(here.name)].parameters.dropna())
