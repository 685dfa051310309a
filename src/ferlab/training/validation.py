"""Logits and targets of a validation in, its metrics out."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from ferlab.expressions import EXPRESSIONS


@dataclass(frozen=True)
class Validation:
    """The net's predictions for the faces of val, on the CPU.

    Attributes:
        probabilities: float32 [N,7].
        labels: int64 [N].
        confusion: counts int64 [7,7], rows are the true classes.
    """

    probabilities: Tensor
    labels: Tensor
    confusion: Tensor


def validate(logits: Tensor, targets: Tensor) -> tuple[dict[str, Tensor], Validation]:
    """Metrics by their logged names, and the predictions, of logits and targets float32 [N,7]."""
    labels, k = targets.argmax(1), logits.shape[1]
    confusion = multiclass_confusion_matrix(logits, labels, k).cpu()
    support = confusion.sum(1)
    # Not torchmetrics' macro recall: a class without val faces that is predicted would count there as recall 0.
    recall = confusion.diagonal()[support > 0] / support[support > 0]
    by_class = {f"val/recall/{EXPRESSIONS[k]}": value for k, value in zip(support.nonzero()[:, 0], recall, strict=True)}
    metrics = {
        "val/loss": F.cross_entropy(logits, targets),
        "val/accuracy": multiclass_accuracy(logits, labels, k, average="micro"),
        "val/macro_f1": multiclass_f1_score(logits, labels, k, average="macro"),
        "val/macro_recall": recall.mean(),
        **by_class,
    }
    metrics = {name: value.to(logits.device) for name, value in metrics.items()}
    return metrics, Validation(logits.softmax(1).cpu(), labels.cpu(), confusion)
