"""A training step of the five-layer net on the CPU: as ferlab runs it, against a plain fp32 loop. CPU time a face.

    python -m benchmarks.train_step

The plain loop is the textbook's: NCHW tensors, convolution - batch norm - ReLU - pooling, torch's default SGD, glibc's
allocator as it is. Between it and ferlab's own step stand variants with one ingredient each, and ferlab's step without
each. How glibc allocates holds for a whole process, so every variant lives in a child of its own; the children step
in turn. No weight average on either side.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import timing
from ferlab.nets.five_layer import FiveLayer
from ferlab.nets.preprocess import Preprocess
from ferlab.predictors import heap
from ferlab.training.classifier import ExpressionClassifier
from ferlab.training.freeze import Learning
from ferlab.training.optimisation import Optimisation
from ferlab.training.targets import Targets
from ferlab.training.trainer import precision_of

TARGET = 3.5  # times the plain loop, where the CPU computes in bf16


@dataclass(frozen=True)
class Variant:
    """What a step is made with; the defaults are the plain loop."""

    channels_last: bool = False
    keep_pages: bool = False
    pool_first: bool = False
    fused: bool = False
    precision: str = "32-true"
    compiled: bool = False


def five_layer(pool_first: bool) -> nn.Sequential:
    """ferlab's net, or the same with ReLU before the pooling."""
    net = FiveLayer(channels=1, classes=7, dropout=0.3)
    if pool_first:
        return net
    layers = list(net)
    for i, layer in enumerate(net):
        if isinstance(layer, nn.MaxPool2d):
            layers[i], layers[i + 1] = layers[i + 1], layer
    return nn.Sequential(*layers)


def stepper(variant: Variant, batch: int) -> Callable[[], None]:
    """A function that takes one optimiser step on uint8 faces [batch,1,48,48]."""
    torch.manual_seed(0)
    net, preprocess = five_layer(variant.pool_first), Preprocess(48, 1, [0.508], [0.255])
    faces = torch.randint(0, 256, (batch, 1, 48, 48), dtype=torch.uint8)
    labels = torch.randint(0, 7, (batch,))
    optimizer = torch.optim.SGD(
        net.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=variant.fused or None
    )
    loss_of = _ferlabs_loss(preprocess, net) if variant.channels_last else _plain_loss(preprocess, net)
    if variant.compiled:
        loss_of = torch.compile(loss_of)
    targets = F.one_hot(labels, 7).float() if variant.channels_last else labels
    bf16 = variant.precision == "bf16-mixed"

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = loss_of(faces, targets)
        loss.backward()
        optimizer.step()

    return step


def _plain_loss(preprocess: nn.Module, net: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda faces, labels: F.cross_entropy(net(preprocess(faces)), labels)


def _ferlabs_loss(preprocess: nn.Module, net: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """ExpressionClassifier's own: channels_last, soft targets, the epoch's sums."""
    classifier = ExpressionClassifier(
        preprocess,
        net,
        Optimisation("sgd", 0.05, 0.9, 1e-4, "constant", 1, warmup_epochs=0, plateau_patience=1, sam_rho=0.0),
        Targets(torch.ones(7), label_smoothing=0.0, mix=None, teacher=None, teacher_share=0.0),
        Learning(),
        compile_step=False,
        seed=0,
    )

    def loss_of(faces: Tensor, targets: Tensor) -> Tensor:
        loss, sums = classifier.loss(faces, targets)
        classifier.train_sums += sums
        return loss

    return loss_of


def child(variant: Variant, batch: int, pipe: Connection) -> None:
    """Answers each number of steps asked for with the CPU seconds they took; 0 ends it."""
    torch.set_num_threads(1)
    if variant.keep_pages:
        heap.keep_pages()
    step = stepper(variant, batch)
    step()
    step()
    while steps := pipe.recv():
        start = time.process_time()
        for _ in range(steps):
            step()
        pipe.send(time.process_time() - start)


def measure(variants: dict[str, Variant], batch: int, steps: int, repeats: int) -> dict[str, list[float]]:
    """CPU seconds a face of each variant, one value a turn."""
    context = multiprocessing.get_context("spawn")
    times: dict[str, list[float]] = {name: [] for name in variants}
    children = {}
    for name, variant in variants.items():
        ours, theirs = context.Pipe()
        process = context.Process(target=child, args=(variant, batch, theirs), daemon=True)
        process.start()
        theirs.close()  # else a child that dies would leave us waiting
        children[name] = process, ours
    for turn in range(repeats + 1):
        for name, (_, pipe) in children.items():
            pipe.send(steps if turn else 1)
            seconds = pipe.recv()
            if turn:
                times[name].append(seconds / (steps * batch))
    for process, pipe in children.values():
        pipe.send(0)
        process.join()
    return times


def bf16_here() -> str:
    """What torch and /proc/cpuinfo say of this CPU's bf16 instructions."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.is_file() else []
    found = sorted({flag for flag in flags if "bf16" in flag})
    torch_says = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return f"torch says bf16 {'works' if torch_says else 'does not work'} here; CPU flags: {', '.join(found) or 'none'}"


def variants(forced: bool, compiled: bool) -> dict[str, Variant]:
    precision = precision_of("auto", cuda=False)
    ours = Variant(channels_last=True, keep_pages=True, pool_first=True, fused=True, precision=precision)
    found = {
        "plain fp32 loop": Variant(),
        "plain + pooling before ReLU": Variant(pool_first=True),
        "plain + fused SGD": Variant(fused=True),
        "plain + heap pages kept": Variant(keep_pages=True),
        "plain + channels_last": Variant(channels_last=True),
        "ferlab": ours,
        "ferlab - pooling before ReLU": replace(ours, pool_first=False),
        "ferlab - fused SGD": replace(ours, fused=False),
        "ferlab - heap pages kept": replace(ours, keep_pages=False),
        "ferlab - channels_last": replace(ours, channels_last=False),
    }
    other = "32-true" if precision == "bf16-mixed" else "bf16-mixed"
    if other == "32-true" or forced:
        found[f"ferlab, precision {other}"] = replace(ours, precision=other)
    if compiled:
        found["ferlab, compiled"] = replace(ours, compiled=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3, help="of one turn")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--force-bf16", action="store_true", help="also bf16 on a CPU without it (seconds a step)")
    parser.add_argument("--compile", action="store_true", help="also through torch.compile (needs a C++ compiler)")
    args = parser.parse_args()
    print(f"train_step: five_layer, batch {args.batch}, one thread, on {timing.processor()}; {bf16_here()}")
    times = measure(variants(args.force_bf16, args.compile), args.batch, args.steps, args.repeats)
    plain = times["plain fp32 loop"]
    for name, seconds in times.items():
        ratios = sorted(a / b for a, b in zip(plain, seconds, strict=True))
        middle = statistics.median(ratios)
        print(
            f"  {name:32s} {statistics.median(seconds) * 1e6:8.0f} us CPU a face, "
            f"{middle:5.2f} times the plain loop's speed ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
    reached = statistics.median(a / b for a, b in zip(plain, times["ferlab"], strict=True))
    if precision_of("auto", cuda=False) == "bf16-mixed":
        print(f"  target {TARGET:g}: {'met' if reached >= TARGET else 'MISSED'}")
    else:
        print(f"  the target {TARGET:g} supposes bf16 instructions; here auto chose fp32 and reached {reached:.2f}")


if __name__ == "__main__":
    main()
