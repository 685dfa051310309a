"""The picture of the field: its points and lines are the numbers of the list, and its bytes repeat."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ferlab.pages import figures
from ferlab.reporting import field_figure
from ferlab.reporting.field import System
from ferlab.reporting.field_figure import Content, Speed

LIGHT = figures.THEMES["light"]


def system(name, accuracy, group, trust="full", parameters=None):
    interval = (accuracy - 0.02, accuracy + 0.01)
    return System(name, 2020, accuracy, interval, None, 1, parameters, None, "p", trust, "s", group)


SYSTEMS = [
    system("other", 0.8, "field", "low"),
    system("poster, all", 0.75, "poster", "low"),
    system("mine", 0.7, "ours", parameters=2_400_000),
    system("poster, one", 0.6, "poster", parameters=37_800_000),
]
SPEEDS = [Speed("small", 0.7, 0.25), Speed("large", 0.73, 4.0)]


def panels(systems=SYSTEMS, speeds=SPEEDS, narrow=False):
    figure = Figure()
    field_figure.draw(figure, Content(systems, speeds, narrow), LIGHT)
    return {axes.get_label(): axes for axes in figure.axes}


def points(axes):
    """(x, y, ink, hollow) by the first words of a dot's id."""
    found = {}
    for line in axes.get_lines():
        if line.get_gid():
            name = line.get_gid().split("-", 1)[1].rsplit("-", 2)[0]
            place = line.get_xdata()[0], line.get_ydata()[0]
            found[name] = (*place, to_hex(line.get_color()), line.get_markerfacecolor() == "none")
    return found


def test_rows_stand_from_the_top_with_their_intervals():
    axes = panels()["rows"]
    assert [text.get_text() for text in axes.get_yticklabels()] == [one.name for one in SYSTEMS]
    assert list(axes.get_yticks()) == [3, 2, 1, 0]
    ends = [tuple(line.get_xdata()) for line in axes.get_lines() if line.get_linestyle() == "-" and not line.get_gid()]
    assert ends == [pytest.approx([100 * end for end in one.interval]) for one in SYSTEMS]
    found = points(axes)
    assert found["other"] == (80.0, 3, LIGHT["lines"][5], True)
    assert found["poster-all"] == (75.0, 2, LIGHT["second"], True)
    assert found["mine"] == (70.0, 1, LIGHT["first"], False)


def test_the_posters_best_is_a_line():
    (line,) = [line for line in panels()["rows"].get_lines() if line.get_linestyle() == "--"]
    assert list(line.get_xdata()) == [75.0, 75.0]
    assert not [line for line in panels(SYSTEMS[:1])["rows"].get_lines() if line.get_linestyle() == "--"]


def test_parameters_and_times_stand_where_they_are_known():
    found = panels()
    assert {name: point[:2] for name, point in points(found["size"]).items()} == {
        "mine": (2.4, 70.0),
        "poster-one": (37.8, 60.0),
    }
    assert [text.get_text() for text in found["size"].texts] == ["one"]
    assert {name: point[:2] for name, point in points(found["time"]).items()} == {
        "small": (0.25, 70.0),
        "large": (4.0, 73.0),
    }
    assert {found[name].get_xscale() for name in ("size", "time")} == {"log"}
    assert "time" not in panels(speeds=[])


def test_a_narrow_picture_shows_the_same_points_in_panels_below_the_rows():
    wide, narrow = panels(), panels(narrow=True)
    assert {name: points(axes) for name, axes in narrow.items()} == {n: points(axes) for n, axes in wide.items()}
    assert wide["size"].figure.get_figwidth() > 1.5 * narrow["size"].get_figure(root=True).get_figwidth()
    bottoms = {name: axes.get_window_extent().y0 for name, axes in narrow.items()}
    assert max(bottoms["size"], bottoms["time"]) < bottoms["rows"]
    assert set(panels(speeds=[], narrow=True)) == {"rows", "size"}


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("theme", figures.THEMES)
def test_the_same_content_gives_the_same_bytes(theme, narrow):
    content = Content(SYSTEMS, SPEEDS, narrow)
    one, again = (figures.drawn(field_figure.draw, content, theme, "svg") for _ in range(2))
    assert one == again
    assert b"<dc:date>" not in one
    assert b"poster, all</text>" in one
