"""What W&B's offline file of a run directory holds."""

import json
import struct
import time
from pathlib import Path


def records(path: Path):
    """Records of a .wandb file: LevelDB's log format with a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, at, part = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768  # a block's rest that is too small for a header is filled up
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        part += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last of several
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            part = b""
            yield record


def read(run: Path) -> dict:
    """What W&B's offline file of a run directory holds: the run, its curves by name, its exit code."""
    [path] = run.glob("wandb/offline-run-*/*.wandb")
    end = time.monotonic() + 10
    # W&B's service may write the file a moment after finish() has returned.
    while time.monotonic() < end and not any(r.WhichOneof("record_type") == "exit" for r in records(path)):
        time.sleep(0.05)
    found: dict = {"curves": {}, "config": {}, "artifacts": []}
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["run"] = record.run
            found["config"] = {c.key: json.loads(c.value_json) for c in record.run.config.update}
        elif kind == "history":
            for item in record.history.item:
                name = item.key or "/".join(item.nested_key)
                found["curves"].setdefault(name, []).append(json.loads(item.value_json))
        elif kind == "artifact":
            found["artifacts"].append(record.artifact)
        elif kind == "request" and record.request.WhichOneof("request_type") == "log_artifact":
            found["artifacts"].append(record.request.log_artifact.artifact)
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found
