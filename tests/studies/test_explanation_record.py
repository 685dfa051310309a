"""A published explanation: its regions are those of the boxes, and sound methods pass both checks."""

from dataclasses import fields

import pytest

from ferlab.studies import face_regions
from ferlab.studies.explanation_record import Densities
from tests.studies.conftest import published


def test_regions_are_those_of_the_boxes():
    assert [field.name for field in fields(Densities)] == ["n", *face_regions.masks()]


def test_sound_methods_pass_both_checks():
    record = published("explain", "val")
    assert sum(record.areas.values()) == pytest.approx(1)
    better = {name for name, check in record.checks.items() if check.better_than_random}
    changed = {name for name, sanity in record.sanity.items() if sanity.passes}
    assert 0 < len(record.sound) < len(record.regions)
    assert set(record.sound) == better & changed
    limit = record.settings["sanity_limit"]
    assert changed == {name for name, sanity in record.sanity.items() if abs(sanity.correlation[-1]) < limit}
