"""Which device and precision a training gets, and what Lightning refuses."""

import random

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.demos.boring_classes import BoringModel

from ferlab.errors import FerlabError
from ferlab.training import trainer


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
    assert trainer.precision_of(asked, cuda) == expected


def test_a_torch_without_onednn_trains_in_float32(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert trainer.precision_of("auto", cuda=False) == "32-true"


@pytest.mark.parametrize("asked", ["fp8", "64-true", "bf16-true", 16])
def test_a_precision_that_is_not_validated_in_float32_is_refused(asked):
    with pytest.raises(FerlabError, match=r"trainer\.precision is .*; choose auto, 32-true, bf16-mixed, 16-mixed"):
        trainer.precision_of(asked, cuda=False)


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
    assert trainer.accelerator_of({"trainer": {"accelerator": asked}}) == expected


@pytest.mark.parametrize("asked", ["gpu", "cuda"])
def test_a_missing_gpu_is_reported(monkeypatch, asked):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(FerlabError, match=r"no GPU is there; use trainer\.accelerator=cpu"):
        trainer.accelerator_of({"trainer": {"accelerator": asked}})


def test_asking_lightning_draws_no_number_and_makes_nothing(config, tmp_path):
    def drawn():
        return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002

    before = drawn()
    trainer.refuse_arguments(config("ema_decay=0.9", "early_stopping=3"), "32-true")
    assert drawn() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("+trainer.max_epoch=3", "nothing reads trainer.max_epoch; did you mean trainer.max_epochs?"),
        ("+trainer.quux=3", "nothing reads trainer.quux; leave it out"),
        ("+trainer.default_root_dir=x", "trainer: .*multiple values for keyword argument 'default_root_dir'"),
        ("trainer.accelerator=cpuu", "trainer: .*cpuu"),
        ("trainer.gradient_clip_val=abc", "trainer: .*gradient_clip_val"),
    ],
)
def test_what_lightning_does_not_take_is_one_line(config, tmp_path, word, message):
    with pytest.raises(FerlabError, match=message) as caught:
        trainer.refuse_arguments(config(word), "32-true")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_lightning_refuses_while_it_trains_is_one_line_and_other_errors_stay():
    model, batches = BoringModel(), torch.utils.data.DataLoader(torch.zeros(2, 32))
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    made = pl.Trainer(max_epochs=1, val_check_interval=9, accelerator="cpu", num_sanity_val_steps=0, **quiet)
    refused = r"trainer: `val_check_interval` \(9\) must be less than or equal to"
    with pytest.raises(FerlabError, match=refused), trainer.hinting(1):
        made.fit(model, batches, batches)
    with pytest.raises(ValueError, match="ours"), trainer.hinting(1):
        raise ValueError("ours")
