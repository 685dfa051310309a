"""Published weights in, tensors under a timm backbone's names out."""
