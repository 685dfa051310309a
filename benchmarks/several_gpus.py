"""Training on several GPUs of one machine: faces a second against one GPU, and whether every process ends.

    python -m benchmarks.several_gpus --out FILE                             all variants, on all GPUs
    python -m benchmarks.several_gpus --out FILE resnet18 resnet18_ddp --repeats 3
    python -m benchmarks.several_gpus --cpu                                  two ranks on the CPU: does it work?

Every variant is a typed command on drawn faces of FER2013's number. NET has one GPU, NET_ddp all, each with as many
faces a step, and NET_synced SyncBatchNorm too. `stopped` gets SIGTERM, and `continued`, named after it in the same
call, goes on from there. One rank fails in `error_first` and `error_last`. `sweep` is twelve five_layer runs on all
GPUs by one ferlab.reproduce, `sweep_one` one run alone. The variants take turns. FILE (JSON) gets a row as each ends,
and a later call adds to its table. A first compilation takes a minute or more; all variants share one cache.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import timing
from benchmarks.failing import failing
from ferlab import files
from ferlab.runs import checkpoints, directory, provenance

SPEED = "train/faces_per_second"  # a column of metrics.csv
MARK = "SEVERAL_GPUS_FOLDER"  # in the environment of whatever a variant starts
LATE = 10.0  # seconds that the other processes may end after the typed one
STOPPED, THREE = 128 + signal.SIGTERM, "trainer.max_epochs=3"
NETS = {  # overrides, and faces a step of one GPU
    "resnet18": (("experiment=resnet18", THREE), 512),
    "resnet50": (("experiment=resnet50_plain", "model.input.size=160", "trainer.limit_train_batches=40", THREE), 256),
    "five_layer": (("experiment=five_layer", "trainer.max_epochs=5"), 512),
}
TINY = {"five_layer": (("experiment=five_layer", "+model.net.width=0.1", THREE), 16)}
SIZES = {False: (28_709, 3_589, 3_589), True: (640, 70, 70)}  # drawn faces by --cpu: train, val, test


@dataclass(frozen=True)
class Variant:
    """A command and how it should end."""

    words: tuple[str, ...]  # overrides of ferlab.train, or of ferlab.reproduce for a sweep
    against: str = ""  # the variant on one GPU, for the ratio
    run: str = ""  # whose run this one continues; its own, if empty
    status: int = 0  # expected exit status
    failing: int | None = None  # rank that fails

    @property
    def sweep(self) -> bool:
        return self.words[0].startswith("+steps")


def variants(gpus: int, cpu: bool) -> dict[str, Variant]:
    """All variants by name, in the order in which they run."""
    nets, found = TINY if cpu else NETS, {}
    several = (f"trainer.devices={gpus}", "strategy=ddp", "sync_batchnorm=false")
    for net, (words, batch) in nets.items():
        found[net] = Variant((*words, f"batch_size={batch}"))
        words = (*words, f"batch_size={batch * gpus}", *several)
        found[f"{net}_ddp"] = Variant(words, net)
        if not cpu:  # torch has it on GPUs alone
            found[f"{net}_synced"] = Variant((*words[:-1], "sync_batchnorm=true"), net)
    net = next(iter(nets))
    words = found[f"{net}_ddp"].words
    long = (*words, "trainer.max_epochs=25", "save_every=1")
    found["stopped"] = Variant(long, status=STOPPED)
    found["continued"] = Variant((*long, "ckpt=last"), net, run="stopped")
    found["error_first"] = Variant(words, status=1, failing=0)
    found["error_last"] = Variant(words, status=1, failing=gpus - 1)
    found["sweep_one"] = sweep(1, 1, 1, cpu)
    found["sweep"] = sweep(4 if cpu else 12, gpus, gpus, cpu, "sweep_one")
    return found


def sweep(runs: int, devices: int, share: int, cpu: bool, against: str = "") -> Variant:
    """Runs of five_layer that differ by their seed, all at a time; on a CPU, which is one device, `share` at a time."""
    step = f"+steps.runs.train={{experiment: five_layer, data: drawn, seed: {list(range(runs))}}}"
    epochs = f"++training.trainer.max_epochs={2 if cpu else 20}"
    places = (f"jobs={share}",) if cpu else (f"jobs={-(-runs // devices)}", f"devices={devices}")
    return Variant((step, epochs, *places), against)


def faces(folder: Path, cpu: bool) -> list[str]:
    sizes = zip(("n_train", "n_val", "n_test"), SIZES[cpu], strict=True)
    return [f"data.root={folder}/data", *(f"data.{key}={size}" for key, size in sizes)]


def command(name: str, variant: Variant, outputs: Path, cpu: bool) -> list[str]:
    words = ["wandb='off'", "trainer.enable_progress_bar=false", *faces(outputs.parent, cpu)]
    words += ["trainer.accelerator=cpu"] if cpu else []
    if variant.sweep:
        return ["ferlab.reproduce", *variant.words, *(f"++training.{word}" for word in words), f"outputs={outputs}"]
    return ["ferlab.train", "data=drawn", *variant.words, *words, f"outputs={outputs}", f"name={variant.run or name}"]


def environment(variant: Variant, folder: Path, cpu: bool) -> dict[str, str]:
    found = os.environ | {MARK: str(folder), "PYTHONUNBUFFERED": "1"}
    found.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder / "compiled"))
    if cpu:
        found.setdefault("OMP_NUM_THREADS", "1")
    if variant.failing is not None:
        planted = folder / f"failing{variant.failing}"
        files.write_text(planted / "sitecustomize.py", failing(variant.failing, "self.trainer.current_epoch == 1"))
        found["PYTHONPATH"] = os.pathsep.join([str(planted), found.get("PYTHONPATH", "")])
    return found


def left(folder: Path) -> list[int]:
    """Numbers of the trainings' processes that are still there (Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"{MARK}={folder}\0".encode() in (process / "environ").read_bytes()
            if ours and b"ferlab." in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return found


def ended(process: subprocess.Popen, folder: Path, until: float) -> tuple[int | None, int]:
    """Exit status, None after the time limit, and how many processes had to be killed LATE seconds after it.

    Args:
        until: when to give up, by time.monotonic.
    """
    try:
        status = process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        status = None
    late = time.monotonic() + LATE
    while status is not None and left(folder) and time.monotonic() < late:
        time.sleep(0.1)
    killed = left(folder)
    for number in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.wait()
    return status, len(killed)


def stop(process: subprocess.Popen, checkpoint: Path, until: float) -> float:
    """Send SIGTERM once the first checkpoint is there and a few more steps are done; the time at which it was sent."""
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    return time.time()


def speeds(outputs: Path) -> list[list[float]]:
    """Faces a second of each epoch of each run in a folder."""
    rows = [directory.load(path.parent).metrics_rows() for path in sorted(outputs.glob(f"*/{directory.CONFIG}"))]
    return [[float(row[SPEED]) for row in run if row.get(SPEED)] for run in rows]


def measured(name: str, variant: Variant, turn: int, folder: Path, limit: float, cpu: bool) -> dict[str, Any]:
    """A row: what one command did. Faces a second: of the last epoch; a sweep's are those of all its seconds."""
    outputs, log = folder / f"{variant.run or name}-{turn}", folder / f"{name}-{turn}.log"
    line, begun = command(name, variant, outputs, cpu), time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *line], env=environment(variant, folder, cpu), stdout=file, stderr=subprocess.STDOUT
        )
        first = outputs / name / directory.CHECKPOINTS / checkpoints.LAST
        sent = stop(process, first, begun + limit) if variant.status == STOPPED else None
        status, killed = ended(process, folder, begun + limit)
    now, seconds = time.time(), time.monotonic() - begun
    written = max((path.stat().st_mtime for path in outputs.glob("*/log/*/metrics.csv")), default=now)
    found = speeds(outputs) if variant.status == status == 0 else []
    speed = SIZES[cpu][0] * sum(map(len, found)) / seconds if variant.sweep else sum(run[-1] for run in found)
    if status != variant.status or killed:
        print(f"{name}: {log} ends:\n{log.read_text(errors='replace')[-3000:]}", flush=True)
    return {
        "faces_per_second": speed or None, "seconds": seconds,
        "status": status, "expected": variant.status, "killed": killed, "seconds_to_end": now - (sent or written),
        "command": " ".join(["python", "-m", *line]).replace(str(folder), "FOLDER"),
    }  # fmt: skip


def table(rows: list[dict[str, Any]], known: dict[str, Variant]) -> str:
    """Markdown: medians over the turns; the ratio to one GPU within each turn, median (lowest to highest)."""
    lines = ["| variant | faces/s | to one GPU | all ended | s to end | s in all |", "|---|---:|---:|---|---:|---:|"]
    speed = {(row["variant"], row["turn"]): row["faces_per_second"] for row in rows}
    for name in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == name]
        found = [row["faces_per_second"] for row in own if row["faces_per_second"]]
        ones = [(row["faces_per_second"], speed.get((known[name].against, row["turn"]))) for row in own]
        ratios = [several / one for several, one in ones if several and one]
        good = sum(row["status"] == row["expected"] and not row["killed"] for row in own)
        cells = [
            f"{statistics.median(found):,.0f}" if found else "",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "",
            "yes" if good == len(own) else f"**{good} of {len(own)} turns**",
            *(f"{statistics.median(row[key] for row in own):.1f}" for key in ("seconds_to_end", "seconds")),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="variant", help="all, if none is named")
    parser.add_argument("--out", type=Path, default=Path("several_gpus.json"))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--limit", type=float, default=300, help="seconds of a variant")
    parser.add_argument("--cpu", action="store_true", help="a tiny net on two ranks; its speed says nothing")
    args = parser.parse_args()
    gpus = 2 if args.cpu else torch.cuda.device_count()
    known = variants(gpus, args.cpu)
    if gpus < 2:
        sys.exit(f"several_gpus: torch sees {gpus} CUDA GPUs here, and two are needed; --cpu tries it on the CPU")
    names = args.names or list(known)
    if unknown := set(names) - set(known):
        sys.exit(f"several_gpus: {', '.join(unknown)} is no variant; choose from {', '.join(known)}")
    if "continued" in names and "stopped" not in names[: names.index("continued")]:
        sys.exit("several_gpus: continued goes on with the run of stopped; name stopped before it")
    device = timing.processor() if args.cpu else torch.cuda.get_device_name()
    facts = {"device": device, "gpus": gpus, "torch": torch.__version__, "commit": provenance.commit()}
    rows = json.loads(args.out.read_text()) if args.out.exists() else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        prepare = ["ferlab.prepare", "data=drawn", *faces(folder, args.cpu)]
        subprocess.run([sys.executable, "-m", *prepare], check=True, stdout=subprocess.DEVNULL)
        for again in range(args.repeats):
            for name in names:
                turn = sum(row["variant"] == name and facts.items() <= row.items() for row in rows)
                row = measured(name, known[name], again, folder, args.limit, args.cpu)
                rows.append({"variant": name, "turn": turn, **facts, **row})
                files.write_json(args.out, rows)
                print(f"{name}: {json.dumps({key: row[key] for key in list(row)[:-1]})}", flush=True)
    print(f"\n{gpus} x {device}, torch {facts['torch']}, commit {facts['commit']}\n")
    print(table([row for row in rows if facts.items() <= row.items()], known))


if __name__ == "__main__":
    main()
