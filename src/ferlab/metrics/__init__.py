"""Arrays in, numbers out, with numpy and scipy alone."""
