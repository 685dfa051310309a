"""The pictures of README and the documentation, remade from results/, the shipped models and drawn people."""
