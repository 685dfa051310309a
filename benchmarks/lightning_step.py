"""What a training step costs more through Lightning than by hand, for a net whose arithmetic hardly counts. CPU time.

    python -m benchmarks.lightning_step

Both sides take the same steps on the same batches: ferlab's loss with its epoch sums, the fused SGD, the cosine
schedule, the weight average. Lightning's side is what ferlab.train builds: classifier, data module, WeightEma, two
ModelCheckpoints and the CSV log. The loop by hand calls the same functions in a `for`. An epoch by hand and one
through Lightning take turns, within one `fit`; each is timed from its first step's end to its last one's: validation,
checkpoints and the log's row come once an epoch and are none of a step's cost.
"""

import argparse
import dataclasses
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor
from torch.optim import lr_scheduler

from benchmarks import timing
from ferlab.config import CONF, plain
from ferlab.data import sources
from ferlab.data.faces import Faces
from ferlab.predictors import heap
from ferlab.training import durable_checkpoints, loggers
from ferlab.training import trainer as trainers
from ferlab.training.compose import compose as composed

TARGET = 0.4  # ms a step


def config_of(folder: Path, batch: int, epochs: int) -> dict[str, Any]:
    overrides = [
        "+model.net.width=0.05",
        f"batch_size={batch}",
        f"trainer.max_epochs={epochs}",
        "trainer.accelerator=cpu",
        "trainer.enable_progress_bar=false",
        "wandb=off",
        f"outputs={folder}",
    ]
    with initialize_config_dir(CONF, version_base="1.3"):
        return plain(compose("train", overrides=overrides))


class Clock(pl.Callback):
    """CPU seconds of the steps after each epoch's first, and before each epoch those of one epoch by hand."""

    def __init__(self, by_hand: Iterator[float]):
        self.by_hand = by_hand
        self.seconds: list[tuple[float, float]] = []  # by hand, through Lightning

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.hand = next(self.by_hand)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0:
            self.start = time.process_time()
        if batch_idx + 1 == trainer.num_training_batches:
            self.seconds.append((self.hand, time.process_time() - self.start))


class Fixed:
    """The same ready batches to both sides: making them is no part of a step."""

    def __init__(self, batches: list[tuple[Tensor, Tensor]]):
        self.batches = batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def both(config: dict[str, Any], faces: Faces, batches: Fixed) -> list[tuple[float, float]]:
    """CPU seconds of the steps of each epoch by hand and, next in time, through ferlab.train's own parts."""
    made = composed(config, faces, cuda=False)
    data, classifier = made.data, made.classifier
    data.train_dataloader = lambda: batches
    folder = Path(tempfile.mkdtemp(dir=config["outputs"]))
    clock = Clock(by_hand(config, faces, batches))
    trainer = pl.Trainer(
        **{**config["trainer"], "precision": "32-true"},
        callbacks=[*trainers.callbacks_of(config), clock, *trainers.checkpointing(folder, config, 0)],
        logger=loggers.loggers_of(folder, config, "off"),
        plugins=[durable_checkpoints.DurableCheckpointIO()],
        default_root_dir=folder,
        profiler=trainers.Unprofiled(),
        num_sanity_val_steps=0,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(classifier, data)
    return clock.seconds


def by_hand(config: dict[str, Any], faces: Faces, batches: Fixed) -> Iterator[float]:
    """CPU seconds of the steps after an epoch's first, an epoch each time it is asked."""
    classifier = composed(config, faces, cuda=False).classifier
    params = [p for p in classifier.net.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in params if p.ndim > 1], "weight_decay": config["weight_decay"]},
        {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, config["lr"], momentum=config["momentum"], nesterov=True, fused=True)
    epochs = config["trainer"]["max_epochs"]
    steps = epochs * len(batches)
    optimisation = dataclasses.replace(classifier.optimisation, steps_per_epoch=len(batches))
    schedule = lr_scheduler.LambdaLR(optimizer, lambda step: optimisation.lr_factor(step, steps))
    weights = [*classifier.parameters(), *(b for b in classifier.buffers() if b.is_floating_point())]
    counters = [b for b in classifier.buffers() if not b.is_floating_point()]
    averages, copies = ([t.detach().clone() for t in tensors] for tensors in (weights, counters))
    weights = [t.detach() for t in weights]
    step = 0
    for _ in range(epochs):
        classifier.train()
        for i, (faces_, targets) in enumerate(batches):
            optimizer.zero_grad()
            loss, sums = classifier.loss(faces_, targets)
            classifier.train_sums += sums
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            with torch.no_grad():
                torch._foreach_lerp_(averages, weights, 1.0 - min(config["ema_decay"], (1 + step) / (10 + step)))
                for copy, counter in zip(copies, counters, strict=True):
                    copy.copy_(counter)
            if i == 0:
                start = time.process_time()
        yield time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=100, help="of an epoch")
    parser.add_argument("--repeats", type=int, default=31, help="epochs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    faces = sources.read("drawn", None, n_train=args.batch * 16, n_val=32, n_test=32, seed=0)
    train = faces.of_split("train")
    pixels, targets = torch.from_numpy(train.pixels).unsqueeze(1), torch.from_numpy(train.targets)
    places = [slice(i * args.batch, (i + 1) * args.batch) for i in range(16)]
    batches = Fixed([(pixels[p], targets[p]) for i in range(args.steps) for p in [places[i % 16]]])
    print(f"lightning_step: five_layer of width 0.05, batch {args.batch}, one thread, on {timing.processor()}")
    heap.keep_pages()
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(Path(folder), args.batch, epochs=args.repeats + 1)
        pairs = both(config, faces, batches)[1:]  # the first epoch warms up
    hand, lightning = ([seconds / (args.steps - 1) * 1e3 for seconds in side] for side in zip(*pairs, strict=True))
    for name, ms in (("by hand", hand), ("through Lightning", lightning)):
        print(f"  {name:20s} {statistics.median(ms):7.3f} ms CPU a step ({min(ms):.3f} to {max(ms):.3f})")
    more = sorted(b - a for a, b in zip(hand, lightning, strict=True))
    middle = statistics.median(more)
    verdict = "met" if middle <= TARGET else "MISSED"
    print(f"  Lightning adds {middle:.3f} ms a step ({more[0]:.3f} to {more[-1]:.3f}); target {TARGET:g}: {verdict}")


if __name__ == "__main__":
    main()
