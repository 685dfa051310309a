"""A published analysis: its groups cover the split, and its errors are theirs."""

from ferlab.studies.second_opinion import GROUPS
from tests.studies.conftest import published


def test_groups_cover_the_split():
    record = published("analysis")
    n = record.ambiguous.n + record.clear.n
    assert tuple(record.ferplus) == GROUPS
    assert sum(of.n for of in record.ferplus.values()) == n == 3589
    assert record.errors == n - sum(of.correct for of in record.ferplus.values())
    assert record.disputed_errors == record.ferplus["disputes"].n - record.ferplus["disputes"].correct
    assert record.errors == n - record.ambiguous.correct - record.clear.correct
    confidence = [issue.confidence for issue in record.label_issues]
    assert confidence == sorted(confidence, reverse=True)
    assert all(issue.label != issue.ferplus_and_net for issue in record.label_issues)
