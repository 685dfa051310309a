"""Features in, features that a linear layer can learn from out: the norm before a residual net's classifier."""

from torch import nn

# Aligned faces hardly differ in features averaged over places, so before a net has learned anything its D normalised
# features rise and fall together. The classifier's loss then has a curvature of roughly D times the variance that the
# norm leaves: at a weight of 1 some 60 for 512 features and 250 for 2048, where SGD with Nesterov momentum 0.9 at a
# rate of 0.1 diverges above 14. It stood at chance until the features had come apart (docs/experiments.md).
START = 0.1


def feature_norm(features: int) -> nn.BatchNorm1d:
    """Batch norm of averaged features [B,D] that starts at a weight of 0.1: the head's curvature is that of D / 100."""
    norm = nn.BatchNorm1d(features)
    nn.init.constant_(norm.weight, START)
    return norm
