"""ferlab: facial-expression experiments whose numbers can be reproduced."""

__version__ = "0.1.0"
