"""What lies on disk of a run, and where a number comes from."""
