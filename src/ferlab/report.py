"""Probabilities and the faces they are of -> numbers with their uncertainty, and the files that hold them.

This file alone decides how anything is measured; the page that shows it is `report_page`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K

BINS = 15  # of the reliability diagram and of the calibration error, as Guo et al. 2017 (arXiv 1706.04599)
_SMALLEST = 1e-12  # a probability of 0 would make the log-likelihood infinite


def measure(probabilities: np.ndarray, faces: Faces, twins: np.ndarray) -> dict[str, Any]:
    """Everything that is said about a predictor on one split, ready for JSON.

    Args:
        probabilities: [N,7], rows sum to 1.
        faces: the N faces of the split; their hard labels are the truth.
        twins: bool [N], which of them are pixel-identical to a face that was trained on.

    Returns:
        Ratios in 0..1. What cannot be said (the recall of a class without faces) is None, never 0 or NaN; means over
        classes leave it out, as scikit-learn's do.

    Raises:
        FerlabError: no face, or probabilities that are none.
    """
    p = _checked(probabilities, faces)
    labels, predicted = faces.labels, p.argmax(1)
    correct = predicted == labels
    confusion = np.bincount(labels * K + predicted, minlength=K * K).reshape(K, K)  # rows = truth
    hits, support, said = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall, precision = _ratio(hits, support), _ratio(hits, said)
    f1 = _ratio(2 * hits, support + said)
    disgust = recall[EXPRESSIONS.index("disgust")]
    bins = reliability(p.max(1), correct)
    return {
        **accuracy_of(correct),
        "interval_method": "Wilson",
        "without_train_twins": accuracy_of(correct[~np.asarray(twins, bool)]),
        "macro_recall": _mean(recall),
        "macro_f1": _mean(f1),
        "recall": _by_class(recall),
        "precision": _by_class(precision),
        "f1": _by_class(f1),
        "support": _by_class(support.tolist()),
        "disgust_misclassification": None if disgust is None else 1.0 - disgust,
        "confusion_matrix": confusion.tolist(),
        "ece": sum(b["n"] * abs(b["accuracy"] - b["confidence"]) for b in bins if b["n"]) / len(p),
        "nll": float(-np.log(np.maximum(p[np.arange(len(p)), labels], _SMALLEST)).mean()),
        "brier": float(((p - np.eye(K)[labels]) ** 2).sum(1).mean()),
        "reliability": bins,
    }


def accuracy_of(correct: np.ndarray) -> dict[str, Any]:
    """Which faces are right, bool [N] -> n, correct, accuracy and its 95 % interval (Wilson's); None when N = 0."""
    n, k = len(correct), int(correct.sum())
    return {"n": n, "correct": k, "accuracy": k / n if n else None, "interval95": interval95(k, n)}


def interval95(correct: int, n: int) -> list[float] | None:
    """95 % interval of a proportion after Wilson 1927: unlike +-1.96 standard errors it stays inside 0..1."""
    if not n:
        return None
    interval = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def reliability(confidence: np.ndarray, correct: np.ndarray) -> list[dict[str, Any]]:
    """Confidence [N] and correct bool [N] -> upper edge, n, mean confidence and accuracy of each of `BINS` equal bins.

    A bin holds its upper edge, not its lower one; an empty bin's means are None.
    """
    edges = np.linspace(0.0, 1.0, BINS + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    bins = []
    for b in range(BINS):
        here = place == b
        n = int(here.sum())
        bins.append(
            {
                "up_to": float(edges[b + 1]),
                "n": n,
                "confidence": float(confidence[here].mean()) if n else None,
                "accuracy": float(correct[here].mean()) if n else None,
            }
        )
    return bins


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[int, int, float]:
    """McNemar's paired test on the same N faces: (only A right, only B right, two-sided p).

    Exact: under the null each face on which they differ is a fair coin. With no such face p is 1.

    Raises:
        ValueError: the two are not over the same number of faces.
    """
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape:
        raise ValueError(f"expected two results on the same faces, got {a.shape} and {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return only_a, only_b, p


def split_title(data: str, split: str) -> str:
    """What readers call a split of `data` (names joined by ", "): FER2013's own names only where all are FER2013."""
    names = {"train": "training", "val": "validation", "test": "test"}
    if all(name.split("+")[0] == "fer2013" for name in data.split(", ")):
        names = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
    return names[split]


def write_report(
    folder: str | Path,
    measured: Mapping[str, Any],
    provenance: Mapping[str, Any],
    probabilities: np.ndarray,
    faces: Faces,
    metrics_rows: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write a report's files into `folder`; returns the path of its page.

    Args:
        folder: made when it is not there; the files of an earlier report are replaced.
        measured: what `measure` gave.
        provenance: what else report.json must hold: `name`, `model`, `members` (run names), `tta`, `split`, `data`
            (names joined by ", "), `seed`, `commit`; and whatever else is known: config, checksums, environment.
        probabilities: [N,7].
        faces: the N faces.
        metrics_rows: rows of the run's metrics.csv; without them the page has no training curves.

    Raises:
        FerlabError: `provenance` lacks a key.
    """
    from ferlab import report_page  # matplotlib and Jinja2 cost 0.5 s, which reading reports should not

    missing = {"name", "model", "members", "tta", "split", "data", "seed", "commit"} - set(provenance)
    if missing:
        raise FerlabError(f"a report needs {', '.join(sorted(missing))} in its provenance")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Out of the way first: report.json is written last and so stands for a complete report.
    (folder / "report.json").unlink(missing_ok=True)
    predicted = probabilities.argmax(1)
    np.save(folder / "probabilities.npy", probabilities.astype(np.float16))
    np.save(folder / "predicted.npy", predicted.astype(np.uint8))
    np.save(folder / "correct.npy", predicted == faces.labels)  # for McNemar's test, without the data
    report = {**provenance, **measured}
    title = split_title(report["data"], report["split"])
    page = report_page.write(folder, report, title, probabilities, faces, metrics_rows)
    temporary = folder / "report.json.part"
    temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "report.json")
    return page


def _checked(probabilities: np.ndarray, faces: Faces) -> np.ndarray:
    p = np.asarray(probabilities, np.float64)
    if not len(faces):
        raise FerlabError("the split has no faces, so there is nothing to measure; look at data/ or choose split=val")
    if p.shape != (len(faces), K):
        raise FerlabError(f"expected probabilities {(len(faces), K)} for these faces, found {p.shape}")
    if not np.isfinite(p).all():
        bad = int((~np.isfinite(p)).any(1).sum())
        raise FerlabError(
            f"expected probabilities, found NaN or infinity for {bad} of {len(p)} faces: "
            "the weights are not finite; train the run again"
        )
    if p.min() < 0 or np.abs(p.sum(1) - 1).max() > 1e-2:
        raise FerlabError(
            f"expected rows >= 0 that sum to 1, found a smallest value of {p.min():.3g} and sums of "
            f"{p.sum(1).min():.3g} to {p.sum(1).max():.3g}; a predictor gives probabilities, not logits"
        )
    return p


def _ratio(part: np.ndarray, whole: np.ndarray) -> list[float | None]:
    return [float(a / b) if b else None for a, b in zip(part, whole, strict=True)]


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _by_class(values: list[Any]) -> dict[str, Any]:
    return dict(zip(EXPRESSIONS, values, strict=True))
