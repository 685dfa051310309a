"""The loss against numpy, the seeds of steps, and a training with everything on."""

import numpy as np
import pytest
import torch

from ferlab.expressions import K
from ferlab.training import compose
from ferlab.training import fit as training
from ferlab.training.classifier import seed_for
from ferlab.training.targets import class_weights
from tests.conftest import made_faces
from tests.training.conftest import classifier


def made(b: int = 9, hard: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Logits and targets float64 [b,7]."""
    rng = np.random.default_rng(2)
    targets = rng.dirichlet(np.full(K, 0.3), b)
    if hard:
        targets = np.eye(K)[targets.argmax(1)]
    return 3 * rng.standard_normal((b, K)), targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("hard", [False, True])
def test_loss_is_numpys(smoothing, weighted, hard):
    logits, targets = made(hard=hard)
    weights = np.linspace(0.5, 2, K) if weighted else np.ones(K)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    smoothed = (1 - smoothing) * targets + smoothing / K
    expected = -(weights * smoothed * log_p).sum(1).mean()
    module = classifier(class_weights=torch.tensor(weights, dtype=torch.float32), label_smoothing=smoothing)
    faces = torch.tensor(logits, dtype=torch.float32).view(-1, 1, 1, K)  # the net only flattens
    loss, sums = module.loss(faces, torch.tensor(targets, dtype=torch.float32))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    correct = (logits.argmax(1) == targets.argmax(1)).sum()
    assert sums.tolist() == pytest.approx([9 * expected, correct, 9], rel=1e-5)


def test_the_place_alone_decides_the_seed():
    places = [(s, e, b, r) for s in range(3) for e in range(3) for b in range(3) for r in range(2)]
    seeds = [seed_for(*place) for place in places]
    assert seeds == [seed_for(*place) for place in places]
    assert len(set(seeds)) == len(places)
    assert all(0 <= s < 2**63 for s in seeds)


@pytest.fixture
def small_data(monkeypatch, faces):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)


def test_class_weights_reach_the_loss_and_training_with_everything_on_learns(config, small_data, monkeypatch):
    faces = made_faces(200)
    few = faces.take(~((faces.labels == 1) & (np.arange(len(faces)) % 3 > 0)))
    monkeypatch.setattr(training, "open_config", lambda *a, **k: few)
    for kind in ("balanced", "effective"):
        module = compose.compose(config(f"class_weights={kind}"), few, cuda=False).classifier
        counts = few.of_split("train").targets.sum(0)
        torch.testing.assert_close(module.class_weights, class_weights(kind, counts))
        assert module.class_weights.argmax() == 1
    everything = ["class_weights=balanced", "label_smoothing=0.1", "mixup=0.2", "cutmix=0.2", "ema_decay=0.9"]
    run = training.train(config(*everything, "optimizer=adamw", "lr=0.003", "trainer.max_epochs=5"))
    assert run.info["val_accuracy"] > 0.3  # chance is 1/7


def test_what_a_target_lacks_to_one_is_the_teachers():
    """Faces with a label, without one (zeros), and one that mixup made of both."""
    answers = np.random.default_rng(0).dirichlet(np.ones(K), 3)

    class Answers(torch.nn.Module):
        def forward(self, faces):
            return torch.tensor(answers)

    targets = np.stack([np.eye(K)[3], np.zeros(K), 0.25 * np.eye(K)[1]])
    module = classifier(teacher=Answers(), teacher_share=0.6)
    found = module.distilled(torch.zeros(3, 1, 48, 48), torch.tensor(targets))
    own = np.array([0.4, 0, 0.4 * 0.25])[:, None]
    labels = np.stack([np.eye(K)[3], np.zeros(K), np.eye(K)[1]])
    np.testing.assert_allclose(found, own * labels + (1 - own) * answers, atol=1e-12)


def test_a_shifted_loss_is_numpys_and_leaves_the_answers_alone():
    logits, targets = made()
    shift = np.log(np.linspace(0.05, 0.5, K))
    shifted = logits + shift
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    module = classifier()
    faces = torch.tensor(logits, dtype=torch.float32).view(-1, 1, 1, K)
    rows = torch.tensor(shift, dtype=torch.float32).expand(len(targets), K)
    loss, sums = module.loss(faces, torch.tensor(targets, dtype=torch.float32), rows)
    assert float(loss) == pytest.approx(-(targets * log_p).sum(1).mean(), rel=1e-5)
    assert sums[1] == (logits.argmax(1) == targets.argmax(1)).sum()
    np.testing.assert_array_equal(module(faces).numpy(), faces.view(-1, K).numpy())
