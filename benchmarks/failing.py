"""A training in which one rank fails: code that Python runs at its start, as sitecustomize.py."""

CODE = """
import os, sys, threading, time
def plant():
    while not hasattr(there := sys.modules.get("ferlab.training.classifier"), "ExpressionClassifier"):
        time.sleep(0.01)
    step = there.ExpressionClassifier.training_step
    def training_step(self, batch, batch_idx):
        if WHEN:
            raise KeyError("planted")
        return step(self, batch, batch_idx)
    there.ExpressionClassifier.training_step = training_step
if "ferlab.train" in sys.orig_argv and os.environ.get("LOCAL_RANK", "0") == "NUMBER":
    threading.Thread(target=plant, daemon=True).start()
"""


def failing(rank: int, when: str) -> str:
    """Code with which the step of one rank raises KeyError.

    Args:
        rank: as LOCAL_RANK counts.
        when: an expression of `self`, the classifier, and `batch_idx`.
    """
    return CODE.replace("WHEN", when).replace("NUMBER", str(rank))
