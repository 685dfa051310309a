"""Making training batches: ferlab's batched augmentation against albumentations image by image. CPU time a face.

    python -m benchmarks.input_pipeline

Both gather 128 faces, flip, turn, zoom and shift them as conf/augment/poster.yaml says and give a normalised float32
tensor [128,1,48,48] with its labels, in this process, on one thread.
"""

import argparse
from pathlib import Path

import albumentations
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from omegaconf import OmegaConf
from torch.utils.data import DataLoader, Dataset

from benchmarks import timing
from ferlab.config import build
from ferlab.data import sources
from ferlab.data.augment import Augment

BATCH, MEAN, STD = 128, 0.5077, 0.255


def policy() -> list[albumentations.BasicTransform]:
    file = Path(__file__).parents[1] / "conf" / "augment" / "poster.yaml"
    return [build(node) for node in OmegaConf.load(file).policy]


class OneByOne(Dataset):
    """As albumentations' documentation has it: one Compose in __getitem__."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray):
        self.pixels, self.labels = pixels, labels
        normalise = albumentations.Normalize(mean=(MEAN,), std=(STD,))
        self.compose = albumentations.Compose([*policy(), normalise, ToTensorV2()])

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.compose(image=self.pixels[i][:, :, None])["image"], self.labels[i]


def batched(augment: Augment, pixels: np.ndarray, labels: np.ndarray):
    """Yields (float32 [128,1,48,48], int64 [128])."""
    order = np.random.default_rng(0).permutation(len(pixels))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        index = order[start : start + BATCH]
        faces = torch.from_numpy(augment.on_host(pixels[index], index, 0))[:, None]
        yield faces.float().sub_(255 * MEAN).div_(255 * STD), torch.from_numpy(labels[index])


def consume(batches) -> None:
    for faces, labels in batches:
        if faces.shape != (BATCH, 1, 48, 48) or len(labels) != BATCH:
            raise RuntimeError(f"a batch is {tuple(faces.shape)}, should be {(BATCH, 1, 48, 48)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, help="fer2013.csv; without it faces of noise are made")
    parser.add_argument("--faces", type=int, default=2560)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    n = args.faces // BATCH * BATCH
    rng = np.random.default_rng(0)
    if args.csv:
        faces = sources.read("fer2013_csv", args.csv)
        pixels, labels = faces.pixels[:n], faces.labels[:n]
    else:
        pixels, labels = rng.integers(0, 256, (n, 48, 48), dtype=np.uint8), rng.integers(0, 7, n)
    loader = DataLoader(OneByOne(pixels, labels), batch_size=BATCH, shuffle=True, num_workers=0)
    augment = Augment(policy(), seed=0)
    print(f"input_pipeline: batches of {BATCH} made from {n} faces, on {timing.processor()}")
    contenders = {
        "albumentations image by image, DataLoader": lambda: consume(loader),
        "ferlab, batched": lambda: consume(batched(augment, pixels, labels)),
    }
    timing.show(timing.in_turn(contenders, args.repeats), "ferlab, batched", per=n, unit="us", target=10)


if __name__ == "__main__":
    main()
