"""Regions, claims and verdicts that are known beforehand; the bootstrap against its definition."""

import numpy as np
import pytest

from ferlab.expressions import EXPRESSIONS
from ferlab.studies import face_regions
from ferlab.studies.explanation_record import Claim


def test_regions_are_apart_cover_the_face_and_lie_where_a_face_has_them():
    masks = face_regions.masks()
    assert (np.sum(list(masks.values()), axis=0) == 1).all()
    rows = {name: np.flatnonzero(mask.any(1)).mean() for name, mask in masks.items()}
    assert rows["brows"] < rows["eyes"] < rows["nose"] < rows["mouth"]
    for name in face_regions.BOXES:
        share_of_mirror = (masks[name] & masks[name][:, ::-1]).sum() / masks[name].sum()
        assert share_of_mirror > 0.9


def test_density_is_share_of_attribution_over_share_of_area():
    masks = face_regions.masks()
    maps = np.stack([np.ones((48, 48)), masks["mouth"] * 3.0, masks["eyes"] * 1.0 - masks["nose"], -np.ones((48, 48))])
    found = face_regions.density(maps)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(dict.fromkeys(masks, 1.0))
    assert found["mouth"][1] == pytest.approx(48 * 48 / (13 * 22))
    assert (found["eyes"][2] > 1, found["nose"][2]) == (True, 0)
    assert np.isnan([values[3] for values in found.values()]).all()


def maps_on(*regions, n=30, strength=3.0):
    rng = np.random.default_rng(0)
    held = sum(face_regions.masks()[r] for r in regions)
    return rng.random((n, 48, 48)) + strength * held


@pytest.mark.parametrize(
    ("looks_at", "verdict"),
    [(("mouth", "nose"), "supported"), (("eyes", "brows"), "contradicted"), ((), "undecided"), (("mouth",), "partly")],
)
def test_verdicts_follow_from_the_numbers(looks_at, verdict):
    found = face_regions.verdict(face_regions.density(maps_on(*looks_at)), ("mouth", "nose"), seed=0)
    assert found.verdict == verdict
    assert found.n == 30
    assert found.difference.low <= found.difference.mean <= found.difference.high


def test_no_face_and_one_face_decide_nothing():
    one = face_regions.density(maps_on("mouth", n=1))
    none = {name: values[:0] for name, values in one.items()}
    assert face_regions.verdict(one, ("mouth",), 0).verdict == "undecided"
    expected = Claim(["mouth"], ["brows", "eyes", "nose"], 0, None, "undecided")
    assert face_regions.verdict(none, ("mouth",), 0) == expected
    assert face_regions.densities(none, 0) is None


def test_every_claim_names_known_expressions_and_regions():
    assert set(face_regions.CLAIMS) <= set(EXPRESSIONS)
    assert {region for named in face_regions.CLAIMS.values() for region in named} <= set(face_regions.BOXES)


def test_intervals_are_percentiles_of_resampled_means():
    values = np.random.default_rng(1).gamma(2, size=40)
    picks = np.random.default_rng(3).integers(40, size=(2000, 40))
    low, high = np.percentile(values[picks].mean(1), (2.5, 97.5))
    found = face_regions.interval(values, seed=3)
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), low, high), abs=1e-12)
    one = face_regions.interval(values[:1], seed=3)
    assert one.mean == one.low == one.high == values[0]
