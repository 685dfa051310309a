"""Runs and a split in, a report out: the only door to the test split."""
