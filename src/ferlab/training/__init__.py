"""Data and a net in, a run directory out."""
