"""Training faces a second on a GPU, on a training set of FER2013's size, through ferlab.train.

    python -m benchmarks.gpu_throughput                                    experiment=five_layer
    python -m benchmarks.gpu_throughput experiment=resnet18 --batch 512    any overrides of ferlab.train

28,709 training faces drawn as noise; everything else is a real run: augmentation on the device, weight average,
metrics, CSV log and checkpoints. Each batch size is run in three ways, one after the other: cuda_graph=pass and step,
compiled, and step without compilation. Seconds are those of the whole run; the first epoch holds the compilation and
is left out of the speed. `--rehearse` runs a few steps on the CPU, to see that the script works.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from hydra import compose, initialize_config_dir

from benchmarks import timing
from ferlab.config import CONF, plain
from ferlab.data.faces import Faces, hard_targets
from ferlab.training import fit as training

N_TRAIN, N_VAL, N_TEST = 28_709, 3_589, 3_589  # FER2013's
WAYS = {
    "pass, compiled": ["cuda_graph=pass"],
    "step, compiled": ["cuda_graph=step"],
    "step": ["cuda_graph=step", "compile=false"],
}


def noise() -> Faces:
    """Faces of FER2013's number and shape; what they show does not change the speed."""
    rng = np.random.default_rng(0)
    n = N_TRAIN + N_VAL + N_TEST
    split = np.repeat(np.arange(3, dtype=np.uint8), (N_TRAIN, N_VAL, N_TEST))
    return Faces(
        rng.integers(0, 256, (n, 48, 48), dtype=np.uint8),
        hard_targets(np.arange(n) % 7),
        split,
        np.full(n, -1, np.int32),
        np.arange(n, dtype=np.int32),
    )


def config_of(folder: Path, words: list[str], rehearse: bool) -> dict[str, Any]:
    overrides = [
        *words,
        f"trainer.accelerator={'cpu' if rehearse else 'gpu'}",
        "trainer.enable_progress_bar=false",
        "wandb=off",
        f"outputs={folder}",
        "name=throughput",
    ]
    if rehearse:
        overrides += ["trainer.limit_train_batches=3", "trainer.limit_val_batches=1"]
    with initialize_config_dir(CONF, version_base="1.3"):
        return plain(compose("train", overrides=overrides))


def speeds(config: dict[str, Any], faces: Faces) -> list[float]:
    """train/faces_per_second of each epoch after the first, from the run's own CSV log."""
    with mock.patch.object(training, "open_config", return_value=faces):
        run = training.train(config)
    rows = [row for row in run.metrics_rows() if row.get("train/faces_per_second")]
    return [float(row["train/faces_per_second"]) for row in rows][1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", default=["experiment=five_layer"])
    parser.add_argument("--batch", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rehearse", action="store_true", help="a few steps on the CPU")
    args = parser.parse_args()
    if not args.rehearse and not torch.cuda.is_available():
        sys.exit("gpu_throughput: torch sees no CUDA GPU here; --rehearse runs a few steps on the CPU")
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    device = timing.processor() if args.rehearse else torch.cuda.get_device_name()
    print(f"gpu_throughput: {' '.join(args.overrides)}, {N_TRAIN} faces, on {device}, torch {torch.__version__}")
    faces = noise()
    epochs = 3 if args.rehearse else args.epochs
    ways = {"on the CPU": []} if args.rehearse else WAYS
    for batch in args.batch:
        for way, more in ways.items():
            words = [*args.overrides, f"batch_size={batch}", f"trainer.max_epochs={epochs}", *more]
            with tempfile.TemporaryDirectory() as folder:
                begun = time.monotonic()
                found = speeds(config_of(Path(folder), words, args.rehearse), faces)
            lowest, highest = min(found), max(found)
            print(
                f"  batch {batch}, {way}: median {statistics.median(found):,.0f} faces/s ({lowest:,.0f} to "
                f"{highest:,.0f}), {time.monotonic() - begun:.1f} s in all"
            )
    if args.rehearse:
        print("  a rehearsal on the CPU: the numbers say nothing")


if __name__ == "__main__":
    main()
