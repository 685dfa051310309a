"""A whole training step as one CUDA graph: faces and targets enter, the passes and the optimiser are one launch.

A step of a small net takes the GPU less time than the host needs to launch its kernels one by one. CUDA graphs
(https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs, 2021) record them once and launch them together.
Unlike torch.compile's, which hold a pass each, this graph holds the optimiser too and needs no compilation.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ferlab.config import Config
from ferlab.errors import FerlabError
from ferlab.training.classifier import ExpressionClassifier

CUDA_GRAPHS = ("pass", "step")
_ORDINARY = 3  # steps before the recording: the optimiser makes its state, and cuDNN chooses its algorithms
# What a recorded step would leave out, with the value that it needs.
_NEEDED = {
    "optimizer": ("sgd",),
    "teacher_tta": ("none", "flip", "poster8", "views8", "views12", "views24", "frozen"),
    "mixup": (0,),
    "cutmix": (0,),
    "sam_rho": (0,),
    "unfreeze_every": (0,),
    "trainer.devices": (1,),
    "trainer.num_nodes": (1,),
    "trainer.accumulate_grad_batches": (1,),
    "trainer.gradient_clip_val": (None, 0),
    "trainer.precision": ("auto", "bf16-mixed", "32-true"),
}


def refuse(config: Config, cuda: bool) -> None:
    """Refuse what a recorded step would silently leave out.

    Raises:
        FerlabError: with the key that stands against it.
    """
    if not cuda:
        raise FerlabError("cuda_graph=step needs a GPU; leave it out")
    for key, needed in _NEEDED.items():
        part = config["trainer"] if key.startswith("trainer.") else config
        found = part.get(key.removeprefix("trainer."))
        if found not in needed and found is not None:
            raise FerlabError(f"cuda_graph=step needs {key}={needed[0]}, found {found!r}; type cuda_graph=pass")


class GraphedClassifier(ExpressionClassifier):
    """`ExpressionClassifier` on one GPU, whose steps are launches of one graph after the first few."""

    _COMPILED = "default"  # torch.compile's own graphs cannot be part of another one

    def on_train_start(self) -> None:
        # A number would be recorded as it is; the schedule writes into a tensor.
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32).to(self.device)
        self._launch: Callable[[], None] | None = None
        self._steps = 0
        self._batch: list[Tensor] = []

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Loss of a batch as `ExpressionClassifier.training_step` has it; the weights have taken their step."""
        if not self._batch:
            self._batch = [part.clone() for part in batch]
        for mine, part in zip(self._batch, batch, strict=True):
            mine.copy_(part)
        if self._launch:
            self._launch()
        elif self._steps < _ORDINARY:
            self._ordinary()
        else:
            self._record()
        self._steps += 1
        return self._last

    def _ordinary(self) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step()
        torch.cuda.current_stream().wait_stream(stream)

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        graph.replay()  # recording computes nothing
        self._launch = graph.replay

    def _step(self) -> None:
        """Both passes and the optimiser, from `_batch` into `_last`, the loss."""
        optimizer = self.trainer.optimizers[0]
        optimizer.zero_grad(set_to_none=True)
        # The casts of the weights belong to the step: kept from one to the next they would be those of old weights.
        with torch.autocast("cuda", enabled=torch.is_autocast_enabled("cuda"), cache_enabled=False):
            loss, sums = self._loss(*self._batch)
        with torch.autocast("cuda", enabled=False):
            self.train_sums += sums
            loss.backward()
            optimizer.step()
        self._last = loss.detach()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Nothing: the step has done it."""

    def optimizer_zero_grad(self, *args: Any) -> None:
        """Nothing: the gradients are the graph's."""

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        if optimizer_closure is not None:
            optimizer_closure()
