"""Architectures and preprocessing: pixels in, logits out."""
