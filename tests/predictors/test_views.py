"""Sets of views: which they are, and what they are called."""

import pytest

from ferlab.errors import FerlabError
from ferlab.predictors.views import VIEWS, View, title, view_set


def test_sets_of_views_nest():
    assert VIEWS["none"] == (View(),)
    assert [len(VIEWS[name]) for name in ("flip", "views8", "views12", "views24")] == [2, 8, 12, 24]
    for small, large in (("none", "flip"), ("flip", "views8"), ("views8", "views12"), ("views12", "views24")):
        assert set(VIEWS[small]) < set(VIEWS[large])


@pytest.mark.parametrize("name", VIEWS)
def test_views_stay_inside_the_posters_augmentation(name):
    assert len(set(VIEWS[name])) == len(VIEWS[name])
    for view in VIEWS[name]:
        assert abs(view.rotate_deg) <= 10
        assert 0.9 <= view.zoom <= 1.1
        assert max(map(abs, view.shift_px)) <= 4  # 10 % of 48, in whole pixels
        assert [int(s) for s in view.shift_px] == list(view.shift_px)


def test_the_posters_eight_are_the_mirrored_face_and_seven_draws_that_never_change():
    first, *drawn = VIEWS["poster8"]
    assert first == View(mirror=True)
    assert len(drawn) == 7
    assert drawn[0] == View(False, (2.0, -2.0), 1.035, -8.91)  # another draw is another set of views: name it anew
    assert drawn[-1] == View(True, (-2.0, 1.0), 1.048, 9.78)


def test_spaces_are_named_in_reports_where_they_differ():
    assert title("flip", "probability") == "flip"
    assert title("flip", "logit") == view_set("flip", "logit").title == "flip-logit"
    assert view_set("none", "logit").title == "none"  # of one view there is no mean


@pytest.mark.parametrize(
    ("name", "space", "message"),
    [
        ("views9", "probability", "tta is 'views9'; choose none, flip"),
        ("flip", "log", "tta_space is 'log'; choose probability or logit"),
    ],
)
def test_an_unknown_set_or_space_is_one_line_with_the_choices(name, space, message):
    with pytest.raises(FerlabError, match=message):
        view_set(name, space)
