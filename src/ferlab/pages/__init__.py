"""How a page, a figure and a number look."""
