"""The poster's figures beside ours: which of our rows stands for each, the table, and the points of the picture."""

import pandas as pd
import pytest
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint

from ferlab.errors import FerlabError
from ferlab.pages import figures
from ferlab.reporting import field, poster, recipes, reports
from tests.reporting.test_field import FILE, ROW, ours, told, written  # noqa: F401
from tests.reporting.test_published import RESULTS
from tests.reporting.test_recipes import put
from tests.reporting.written import rows


def pairs(written, ours, *changes):
    return poster.pairs(field.of_others(written(*(ROW | change for change in changes))), ours, "views12")


def test_each_row_that_names_ours_stands_beside_it(written, ours):
    net, many = pairs(written, ours, {"ours": "net"}, {}, {"system": "all", "ours": "many"})
    own, ensemble = (next(row for row in ours if row.name == name) for name in ("net", "many"))
    for found, views in ((net.single, "none"), (net.several, "views12")):
        several = own.of("test", views)
        assert found.accuracy == pytest.approx(sum(r["correct"] for r in several) / sum(r["n"] for r in several))
        ends = [proportion_confint(r["correct"], r["n"], method="wilson") for r in several]
        assert (found.low, found.high) == pytest.approx([sum(e) / 3 for e in zip(*ends, strict=True)], abs=1e-9)
    (one,) = ensemble.of("test", "views12-logit")
    assert many.single is None
    assert many.best_known == poster.Measured("views12-logit", one["accuracy"], *one["interval95"])


def test_of_a_glob_the_row_stands_that_is_best_on_val_and_not_on_test(written, ours):
    for name, on_val, on_test in (("one", 0.9, 0.5), ("two", 0.4, 0.9)):
        for s in range(3):
            put(f"x_{name}-s{s}", seed=s, splits=("val",), right=on_val, **told())
            put(f"x_{name}-s{s}", seed=s, splits=("test",), right=on_test, **told())
    found = recipes.rows_of(reports.read("*"))
    (pair,) = pairs(written, found, {"ours": "x_*"})
    assert pair.ours.name == "x_one"


def test_a_name_that_no_row_has_is_refused(written, ours):
    with pytest.raises(FerlabError, match="ours is 'gone' for poster, a net; choose one of many, net, single"):
        pairs(written, ours, {"ours": "gone"})


def test_the_higher_figure_of_a_row_is_bold(written, ours):
    low, high = pairs(written, ours, {"ours": "net", "accuracy": 1.5}, {"system": "b", "ours": "net", "accuracy": 99.5})
    _, body = rows(poster.table([low, high]))
    mean, ends = 100 * low.single.accuracy, f"({100 * low.single.low:.1f}–{100 * low.single.high:.1f})"
    assert body == {"a net": ["1.5", f"**{mean:.1f}** {ends}"], "b": ["**99.5**", f"{mean:.1f} {ends}"]}


def test_the_picture_has_a_point_and_an_interval_for_each_figure(written, ours):
    found = pairs(written, ours, {"ours": "net"}, {"system": "all", "ours": "many"})
    figure = Figure()
    poster.draw(figure, found, figures.THEMES["light"])
    (axes,) = figure.axes
    points = {line.get_gid(): line.get_xdata()[0] for line in axes.get_lines() if line.get_gid()}
    one, all_nets = found
    assert points == {
        "poster-a-net-0.7000": pytest.approx(70),
        f"single-a-net-{one.single.accuracy:.4f}": pytest.approx(100 * one.single.accuracy),
        f"several-a-net-{one.several.accuracy:.4f}": pytest.approx(100 * one.several.accuracy),
        "poster-all-0.7000": pytest.approx(70),
        f"several-all-{all_nets.several.accuracy:.4f}": pytest.approx(100 * all_nets.several.accuracy),
    }
    ends = [tuple(line.get_xdata()) for line in axes.get_lines() if not line.get_gid()]
    assert ends[1] == pytest.approx((100 * one.single.low, 100 * one.single.high))
    assert len(ends) == len(points)


def test_the_published_rows_are_those_of_measurements():
    """Each of ours computed from measurements.csv; of Table 2's cells the one that is best on PublicTest."""
    measured = pd.read_csv(RESULTS / "measurements.csv")
    found = poster.pairs(field.of_others(FILE), recipes.rows_of(reports.read(str(RESULTS))), "views12")
    assert [pair.poster.part for pair in found] == [
        "baseline", "five layers", "VGG16", "SENet50", "ResNet50", "seven nets"
    ]  # fmt: skip
    for pair in found:
        if "*" in pair.poster.ours:
            val = measured[measured.name.str.startswith(pair.poster.ours[:-1])].query(
                "split == 'val' & views == 'none'"
            )
            assert pair.ours.name == val.loc[val.accuracy.idxmax()]["name"]
        here = measured[measured.name.str.fullmatch(rf"{pair.ours.name.replace('+', '[+]')}(-s\d)?")]
        here = here[(here.split == "test") & (here.views == pair.best_known.views)]
        assert pair.best_known.accuracy == pytest.approx((here.correct / here.n).mean())
