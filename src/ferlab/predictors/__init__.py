"""A run as a function from faces to probabilities, over sets of views, with answers kept."""
