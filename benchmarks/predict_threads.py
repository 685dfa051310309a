"""What threads and their spinning cost in prediction: CPU and wall time a picture, alone and beside other work.

    python -m benchmarks.predict_threads --out results/explorations/faces_in_scenes.json

Each way predicts the same drawn faces in pictures of 640x480, one picture at a time, as pictures (`everyone`) and as
frames of a video. `processes_beside` compute all the time. A thread of onnxruntime that waits for work spins by
default, which is CPU time too. Writes `threads` into the record and leaves the rest of it as it is.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks import timing
from benchmarks.find_faces import frames
from ferlab.data.drawn import draw
from ferlab.inference import models, onnx_model
from ferlab.inference.predictor import Predictor

WAYS = {"all cores, spinning": (0, "1"), "all cores": (0, "0"), "one thread": (1, "0")}


def predictor(model: str, threads: int, spinning: str) -> Predictor:
    with mock.patch.object(onnx_model, "SPINNING", spinning):
        made = Predictor(model, threads=threads)
        assert made.detector
        made.detector([np.zeros((9, 9, 3), np.uint8)], everyone=True)  # opens both ranges
    return made


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Other processes that compute meanwhile."""
    others = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    time.sleep(1 if others else 0)  # until they have started
    try:
        yield
    finally:
        for other in others:
            other.kill()


def measured(calls: dict[str, Callable[[], object]], repeats: int, per: int) -> dict[str, dict[str, float]]:
    """CPU and wall ms, medians of calls in turn, for one of the `per` pictures of a call."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            cpu, wall = timing.cpu_seconds(), time.perf_counter()
            call()
            if turn:
                times[name].append((timing.cpu_seconds() - cpu, time.perf_counter() - wall))
    medians = {name: 1000 * np.median(rows, 0) / per for name, rows in times.items()}
    return {name: {"cpu_ms": round(cpu, 2), "wall_ms": round(wall, 2)} for name, (cpu, wall) in medians.items()}


def one_by_one(way: Predictor, pictures: np.ndarray, everyone: bool) -> None:
    for picture in pictures:
        way.batch([picture], everyone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON, which may hold other measurements")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    pictures = frames(draw(args.pictures, 7, 7, 1).pixels[: args.pictures], 240)[0]
    cores = len(os.sched_getaffinity(0))
    rows = []
    for model in models.names():
        ways = {name: predictor(model, *way) for name, way in WAYS.items()}
        for everyone in (True, False):
            calls = {name: partial(one_by_one, way, pictures, everyone) for name, way in ways.items()}
            for others in (0, cores - 1, cores):
                with busy(others):
                    found = measured(calls, args.repeats, len(pictures))
                rows.append({"model": model, "everyone": everyone, "processes_beside": others, "ways": found})
                print(json.dumps(rows[-1]), flush=True)
    load = round(os.getloadavg()[2], 1)  # of 15 minutes, with what the machine does besides
    timing.keep(args.out, "threads", {"cores": cores, "load_of_the_machine": load, "rows": rows})


if __name__ == "__main__":
    main()
