"""Metrics of a validation against scikit-learn's, through Lightning's own loop."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn import metrics

from ferlab.expressions import EXPRESSIONS, K
from ferlab.training.classifier import ExpressionClassifier
from tests.training.conftest import classifier
from tests.training.test_classifier import made


@pytest.mark.filterwarnings("ignore")  # Lightning on loaders of two batches
def validated(logits: np.ndarray, targets: np.ndarray) -> tuple[dict[str, float], ExpressionClassifier]:
    """What a validation logs for these logits, given in two batches."""
    module = classifier()
    halves = np.array_split(np.arange(len(logits)), 2)
    batches = [(torch.tensor(logits[h]).float().view(-1, 1, 1, K), torch.tensor(targets[h]).float()) for h in halves]
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False)
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    [values] = trainer.validate(module, loader, verbose=False)
    return values, module


def labelled(labels: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits = np.random.default_rng(0).uniform(0, 1, (len(labels), K))
    logits[np.arange(len(labels)), predicted] += 2
    return logits, np.eye(K)[labels]


@pytest.mark.parametrize("absent", [(), (1,), (1, 6)])
@pytest.mark.parametrize("predicted_too", [True, False])
def test_val_metrics_are_scikit_learns(absent, predicted_too):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, K, 211)
    labels = labels[~np.isin(labels, absent)]
    predicted = np.where(rng.random(len(labels)) < 0.6, labels, rng.integers(0, K, len(labels)))
    if predicted_too:
        predicted[: len(absent)] = absent  # a class without val faces is predicted for some
    else:
        predicted = np.where(np.isin(predicted, absent), labels, predicted)
    logits, targets = labelled(labels, predicted)
    values, module = validated(logits, targets)
    assert values["val/accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *a, **k: None)
        recall = metrics.balanced_accuracy_score(labels, predicted)  # over the classes that val has
    assert values["val/macro_recall"] == pytest.approx(recall, rel=1e-5)
    by_class = metrics.recall_score(labels, predicted, labels=range(K), average=None, zero_division=0)
    expected = {f"val/recall/{name}": by_class[k] for k, name in enumerate(EXPRESSIONS) if k not in absent}
    assert {name: value for name, value in values.items() if "recall/" in name} == pytest.approx(expected, rel=1e-5)
    assert values["val/macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"), rel=1e-5)
    expected = metrics.confusion_matrix(labels, predicted, labels=range(K))  # rows are the true classes
    np.testing.assert_array_equal(module.validation.confusion.numpy(), expected)
    np.testing.assert_array_equal(module.validation.labels.numpy(), labels)
    np.testing.assert_array_equal(module.validation.probabilities.argmax(1).numpy(), predicted)
    log_p = torch.tensor(logits).log_softmax(1).numpy()
    assert values["val/loss"] == pytest.approx(metrics.log_loss(labels, np.exp(log_p), labels=range(K)), rel=1e-5)


def test_val_loss_of_votes_is_their_cross_entropy():
    logits, targets = made()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    values, _ = validated(logits, targets)
    assert values["val/loss"] == pytest.approx(-(targets * log_p).sum(1).mean(), rel=1e-5)
    assert values["val/accuracy"] == pytest.approx((logits.argmax(1) == targets.argmax(1)).mean())


def test_a_second_validation_starts_at_nothing():
    module = classifier()
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False)
    for right in (False, True):
        logits, targets = labelled(np.arange(K), np.arange(K) if right else (np.arange(K) + 1) % K)
        batch = (torch.tensor(logits).float().view(-1, 1, 1, K), torch.tensor(targets).float())
        [values] = trainer.validate(module, torch.utils.data.DataLoader([batch], batch_size=None), verbose=False)
        assert values["val/accuracy"] == values["val/macro_recall"] == float(right)
        assert module.validation.confusion.sum() == K
