"""Loss, weights, schedules, mixing, metrics and the weight average, each against a second way to compute it."""

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn import metrics
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.runs import checkpoints, directory
from ferlab.training import compose, setup
from ferlab.training import fit as training
from ferlab.training.classifier import ExpressionClassifier, class_weights, seed_for
from ferlab.training.freeze import Learning
from tests.conftest import made_faces

FER2013 = [3995, 436, 4097, 7215, 4830, 3171, 4965]  # training faces of each expression


def classifier(net: nn.Module | None = None, **changes) -> ExpressionClassifier:
    settings = {
        "weights": torch.ones(K),
        "mix": None,
        "label_smoothing": 0.0,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-2,
        "schedule": "constant",
        "steps_per_epoch": 5,
        "warmup_epochs": 0,
        "plateau_patience": 0,
        "sam_rho": 0.0,
        "compile_step": False,
        "seed": 0,
    }
    return ExpressionClassifier(nn.Identity(), net or nn.Flatten(), **{**settings, **changes})


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
    module = classifier(weights=torch.tensor(weights, dtype=torch.float32), label_smoothing=smoothing)
    faces = torch.tensor(logits, dtype=torch.float32).view(-1, 1, 1, K)  # the net only flattens
    loss, sums = module.loss(faces, torch.tensor(targets, dtype=torch.float32))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    correct = (logits.argmax(1) == targets.argmax(1)).sum()
    assert sums.tolist() == pytest.approx([9 * expected, correct, 9], rel=1e-5)


def test_balanced_weights_are_scikit_learns():
    labels = np.repeat(np.arange(K), FER2013)
    expected = compute_class_weight("balanced", classes=np.arange(K), y=labels)
    np.testing.assert_allclose(class_weights("balanced", FER2013).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.9999])
def test_effective_weights_are_cuis_formula(beta):
    raw = [(1 - beta) / (1 - beta**n) for n in FER2013]
    expected = np.array(raw) * sum(FER2013) / sum(w * n for w, n in zip(raw, FER2013, strict=True))
    found = class_weights("effective", FER2013, beta).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.average(found, weights=FER2013) == pytest.approx(1, rel=1e-6)


def test_weights_of_soft_counts_and_without_weighting():
    assert class_weights("none", [0, 1, 2]).tolist() == [1, 1, 1]
    assert class_weights("balanced", [0.5, 1.5]).tolist() == pytest.approx([2, 2 / 3])
    for kind in ("balanced", "effective"):
        with pytest.raises(FerlabError, match=r"none of class \[1\]; use none"):
            class_weights(kind, [3, 0, 2])
    for beta in (-0.1, 1.0):
        with pytest.raises(FerlabError, match=rf"class_weights_beta is {beta}; expected"):
            class_weights("effective", [3, 2], beta)


def test_the_place_alone_decides_the_seed():
    places = [(s, e, b, r) for s in range(3) for e in range(3) for b in range(3) for r in range(2)]
    seeds = [seed_for(*place) for place in places]
    assert seeds == [seed_for(*place) for place in places]
    assert len(set(seeds)) == len(places)
    assert all(0 <= s < 2**63 for s in seeds)


def rates(module: ExpressionClassifier, epochs: int) -> list[float]:
    """Learning rate of each step, of a schedule that is stepped after each."""
    module.trainer = pl.Trainer(max_epochs=epochs, logger=False, enable_checkpointing=False, accelerator="cpu")
    [optimizer], [schedule] = module.configure_optimizers()
    found = []
    for _ in range(epochs * module.steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    assert schedule["interval"] == "step"
    return [*found, optimizer.param_groups[0]["lr"]]


def test_cosine_with_warm_up():
    module = classifier(nn.Linear(3, K), schedule="cosine", warmup_epochs=2, steps_per_epoch=5, lr=0.4)
    found = rates(module, 10)
    warmup = [0.4 * (t + 1) / 11 for t in range(10)]
    cosine = [0.2 * (1 + math.cos(math.pi * t / 40)) for t in range(41)]
    assert found == pytest.approx(warmup + cosine)
    assert found[10] == pytest.approx(0.4)  # the peak is lr itself
    assert found[30] == pytest.approx(0.2)
    assert found[-1] == pytest.approx(0)


def test_constant_with_and_without_warm_up():
    module = classifier(nn.Linear(3, K), schedule="constant", steps_per_epoch=2, warmup_epochs=1)
    assert rates(module, 3) == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert rates(classifier(nn.Linear(3, K)), 1) == pytest.approx([0.1] * 6)


def test_warm_up_longer_than_the_run():
    module = classifier(nn.Linear(3, K), schedule="cosine", steps_per_epoch=2, warmup_epochs=5)
    assert rates(module, 1) == pytest.approx([0.1 / 11, 0.2 / 11, 0.3 / 11])


@pytest.mark.parametrize(("optimizer", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_weight_decay_spares_biases_and_norms(optimizer, kind):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, K))
    module = classifier(net, optimizer=optimizer, momentum=0.8, learning=Learning(frozenset({"0.bias"})))
    module.trainer = pl.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu")
    [found], _ = module.configure_optimizers()
    assert type(found) is kind
    decayed, spared = found.param_groups
    assert {id(p) for p in decayed["params"]} == {id(net[0].weight), id(net[3].weight)}
    assert {id(p) for p in spared["params"]} == {id(net[1].weight), id(net[1].bias), id(net[3].bias)}
    assert (decayed["weight_decay"], spared["weight_decay"]) == (1e-2, 0)
    assert decayed["lr"] == spared["lr"]
    assert (decayed["momentum"] if optimizer == "sgd" else decayed["betas"][0]) == 0.8


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_mixing_gives_convex_mixtures_of_two_faces(mixup, cutmix):
    mix = compose._mix(mixup, cutmix)
    faces = torch.arange(14.0).view(-1, 1, 1, 1).expand(14, 1, 48, 48).contiguous()
    targets = torch.eye(K).repeat(2, 1)
    before = (faces.clone(), targets.clone())
    mixed_somewhere = False
    for seed in range(8):
        torch.manual_seed(seed)
        x, t = mix(faces, targets)
        assert x.shape == faces.shape
        assert t.dtype == torch.float32
        torch.testing.assert_close(t.sum(1), torch.ones(14))
        assert t.min() >= 0
        # Face i holds the previous face's grey level (i - 1) with the share its target says.
        share = t.gather(1, (torch.arange(14) % K).view(-1, 1))[1:, 0]
        torch.testing.assert_close(x[1:].mean((1, 2, 3)), torch.arange(1.0, 14) - (1 - share), rtol=1e-4, atol=1e-3)
        mixed_somewhere |= bool((share < 0.99).any())
    assert mixed_somewhere
    torch.testing.assert_close((faces, targets), before, rtol=0, atol=0)  # a cached batch must not change


def test_without_mixing():
    assert compose._mix(0.0, 0.0) is None


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
    assert values["val/macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"), rel=1e-5)
    expected = metrics.confusion_matrix(labels, predicted, labels=range(K))  # rows are the true classes
    np.testing.assert_array_equal(module.confusion.numpy(), expected)
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
        assert module.confusion.sum() == K


@pytest.fixture
def small_data(monkeypatch, faces):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)


class Record(pl.Callback):
    """The module's weights at the start and after each step."""

    def __init__(self):
        self.states: list[dict[str, torch.Tensor]] = []

    def on_train_start(self, trainer, pl_module):
        self.keep(pl_module)

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.keep(pl_module)

    def keep(self, module):
        self.states.append({k: v.clone() for k, v in module.state_dict().items()})


def test_the_weight_average_is_numpys(config, monkeypatch, small_data):
    decay = 0.5  # the warm-up ends at step 8 of the 10
    record, callbacks = Record(), setup.callbacks_of
    monkeypatch.setattr(setup, "callbacks_of", lambda c: [*callbacks(c), record])
    run = training.train(config(f"ema_decay={decay}", "trainer.max_epochs=2", "trainer.precision=32-true"))
    assert len(record.states) == 1 + 2 * 5
    average = {k: v.numpy().astype(np.float64) for k, v in record.states[0].items()}
    for t, state in enumerate(record.states[1:], start=1):
        d = min(decay, (1 + t) / (10 + t))
        for name, value in state.items():
            value = value.numpy()
            counter = value.dtype.kind == "i"
            average[name] = value if counter else d * average[name] + (1 - d) * value
    last = checkpoints.load(run.path / directory.CHECKPOINTS / checkpoints.LAST)
    assert len(average) == len(last["state_dict"])
    for name, value in average.items():
        np.testing.assert_allclose(last["state_dict"][name].numpy(), value, rtol=1e-4, atol=1e-6, err_msg=name)
        # Training itself goes on from the weights, not from their average.
        live = last["current_model_state"][name].numpy()
        np.testing.assert_array_equal(live, record.states[-1][name].numpy())


def test_without_average_the_weights_themselves_are_saved(config, small_data, monkeypatch):
    record, callbacks = Record(), setup.callbacks_of
    monkeypatch.setattr(setup, "callbacks_of", lambda c: [*callbacks(c), record])
    run = training.train(config("ema_decay=0", "trainer.max_epochs=1"))
    for name in (checkpoints.LAST, checkpoints.BEST):
        state = checkpoints.load(run.path / directory.CHECKPOINTS / name)["state_dict"]
        for key, value in record.states[-1].items():
            torch.testing.assert_close(state[key], value, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("patience", "expected"), [(0, [1, 0.5, 0.25, 0.125, 0.0625]), (1, [1, 1, 0.5, 0.5, 0.25])])
def test_plateau_halves_the_rate_when_accuracy_stands_still(patience, expected):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, K))
    module = classifier(net, schedule="plateau", lr=1e-5, plateau_patience=patience)
    found = []

    class Rates(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            found.append(trainer.optimizers[0].param_groups[0]["lr"] / 1e-5)

    batches = torch.utils.data.DataLoader(
        [(torch.randn(8, 1, 2, 2), torch.eye(K)[torch.arange(8) % K])], batch_size=None
    )
    trainer = pl.Trainer(
        max_epochs=5,
        logger=False,
        enable_checkpointing=False,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[Rates()],
    )
    trainer.fit(module, batches, batches)
    assert found == pytest.approx(expected)


def test_class_weights_reach_the_loss_and_training_with_everything_on_learns(config, small_data, monkeypatch):
    faces = made_faces(200)
    few = faces.take(~((faces.labels == 1) & (np.arange(len(faces)) % 3 > 0)))
    monkeypatch.setattr(training, "open_config", lambda *a, **k: few)
    for kind in ("balanced", "effective"):
        _, module = compose.compose(config(f"class_weights={kind}"), few, cuda=False)
        counts = few.of_split("train").targets.sum(0)
        torch.testing.assert_close(module.class_weights, class_weights(kind, counts))
        assert module.class_weights.argmax() == 1
    everything = ["class_weights=balanced", "label_smoothing=0.1", "mixup=0.2", "cutmix=0.2", "ema_decay=0.9"]
    run = training.train(config(*everything, "optimizer=adamw", "lr=0.003", "trainer.max_epochs=5"))
    assert run.info["val_accuracy"] > 0.3  # chance is 1/7


@pytest.mark.parametrize(
    ("asked", "cuda", "bf16", "expected"),
    [
        ("auto", True, True, "bf16-mixed"),
        ("auto", True, False, "32-true"),
        ("auto", False, True, "bf16-mixed"),
        ("auto", False, False, "32-true"),
        ("16-mixed", True, True, "16-mixed"),
        ("32-true", False, True, "32-true"),
    ],
)
def test_precision_is_what_the_device_computes_in(monkeypatch, asked, cuda, bf16, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *a, **k: bf16 if cuda else not bf16)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: not bf16 if cuda else bf16)
    assert setup.precision_of(asked, cuda) == expected


@pytest.mark.parametrize("asked", ["fp8", "64-true", "bf16-true", 16])
def test_a_precision_that_is_not_validated_in_float32_is_refused(asked):
    with pytest.raises(FerlabError, match=r"trainer\.precision is .*; choose auto, 32-true, bf16-mixed, 16-mixed"):
        setup.precision_of(asked, cuda=False)


@pytest.mark.parametrize(
    ("asked", "there", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "auto"),
        ("gpu", True, "cuda"),
        ("cuda", True, "cuda"),
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
    ],
)
def test_accelerator(monkeypatch, asked, there, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert setup.accelerator_of({"trainer": {"accelerator": asked}}) == expected


@pytest.mark.parametrize("asked", ["gpu", "cuda"])
def test_a_missing_gpu_is_said(monkeypatch, asked):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(FerlabError, match=r"no GPU is there; use trainer\.accelerator=cpu"):
        setup.accelerator_of({"trainer": {"accelerator": asked}})
