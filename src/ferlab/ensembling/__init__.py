"""Several runs as one, chosen on val and frozen."""
