"""A step that is one CUDA graph: what it refuses, and that it trains as the ordinary step does."""

import pytest
import torch

from ferlab.errors import FerlabError
from ferlab.training import compose, fit, graphed


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("optimizer=adamw",), "optimizer=sgd, found 'adamw'"),
        (("mixup=0.2",), "mixup=0, found 0.2"),
        (("sam_rho=0.05",), "sam_rho=0, found 0.05"),
        (("teacher_tta=consistent",), "teacher_tta=none, found 'consistent'"),
        (("trainer.devices=2",), r"trainer\.devices=1, found 2"),
        (("trainer.precision=16-mixed",), r"trainer\.precision=auto, found '16-mixed'"),
        (("+trainer.accumulate_grad_batches=2",), r"trainer\.accumulate_grad_batches=1, found 2"),
        (("+trainer.gradient_clip_val=1.0",), r"trainer\.gradient_clip_val=None, found 1\.0"),
    ],
)
def test_what_a_recorded_step_would_leave_out_is_refused(config, words, key):
    with pytest.raises(FerlabError, match=f"cuda_graph=step needs {key}; type cuda_graph=pass"):
        graphed.refuse(config("cuda_graph=step", *words), cuda=True)


def test_it_needs_a_gpu_and_is_refused_before_anything_is_trained(config, faces):
    graphed.refuse(config("cuda_graph=step"), cuda=True)
    with pytest.raises(FerlabError, match="needs a GPU"):
        compose.compose(config("cuda_graph=step"), faces, cuda=False)


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", ["true", "false"])
def test_it_trains_as_the_ordinary_step_does(config, faces, monkeypatch, compiled):
    monkeypatch.setattr(fit, "open_config", lambda *a, **k: faces)
    losses = {}
    for way in graphed.CUDA_GRAPHS:
        words = ("trainer.accelerator=gpu", "trainer.max_epochs=3", f"compile={compiled}", f"name={way}", "wandb=off")
        rows = fit.train(config(f"cuda_graph={way}", *words)).metrics_rows()
        losses[way] = torch.tensor([float(row["train/loss"]) for row in rows if row.get("train/loss")])
    assert len(losses["step"]) == 3
    torch.testing.assert_close(losses["step"], losses["pass"], rtol=1e-3, atol=0)
