"""Curves of the best runs, and no more."""

from matplotlib.figure import Figure

from ferlab.pages.figures import THEMES
from ferlab.reporting import training_curves

LINES = {
    f"r{i}": {"val/accuracy": [(0.0, 0.1), (1.0, i / 20), (2.0, 0.0)], "train/loss": [(0.0, 1.0)]} for i in range(12)
}


def test_the_best_eight_by_their_best_epoch_are_drawn():
    best = training_curves.best(LINES | {"no val": {"train/loss": [(0.0, 1.0)]}})
    assert list(best) == [f"r{i}" for i in range(11, 3, -1)]
    drawing = Figure()
    training_curves.draw(drawing, best, THEMES["light"])
    accuracy, loss = drawing.axes
    assert len(accuracy.lines) == len(loss.lines) == 8
    assert accuracy.lines[0].get_ydata().tolist() == [0.1, 11 / 20, 0.0]
    assert [text.get_text() for text in drawing.legends[0].get_texts()] == list(best)
    looks = {(line.get_color(), line.get_linestyle()) for line in accuracy.lines}
    assert len(looks) == 8  # no two alike
