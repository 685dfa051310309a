"""Runs of W&B, of a training or of a report: online, else offline, else none. Loads neither torch nor Lightning."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS

log = logging.getLogger(__name__)

WANDB = ("online", "offline", "off")


def wandb_mode(wandb: str | bool) -> str:
    """online, offline or off: the config's value, or what WANDB_MODE allows of it.

    Raises:
        FerlabError: it is something else.
    """
    mode = "off" if wandb is False else wandb  # an unquoted off in a YAML file is False
    if mode not in WANDB:
        raise FerlabError(f"wandb is {mode!r}; choose {', '.join(WANDB)}")
    allowed = os.environ.get("WANDB_MODE")
    if allowed == "disabled":
        return "off"
    return "offline" if mode == "online" and allowed in ("offline", "dryrun") else mode


def opened(folder: Path, mode: str, **facts: Any) -> Any:
    """A run with its files in folder/wandb: offline where W&B cannot be reached, None where it cannot even write.

    `facts` are further arguments of wandb.init.
    """
    try:
        import wandb
    except ImportError:
        log.warning("wandb is not installed; only files are written (pip install wandb, or wandb=off)")
        return None
    # Eight seconds are enough for a service that responds. The metadata would hold paths and the host's name.
    settings = wandb.Settings(init_timeout=8, silent=True, x_disable_meta=True, console="off", host="-")
    attempts: list[Literal["online", "offline"]] = ["online", "offline"] if mode == "online" else ["offline"]
    for attempt in attempts:
        try:
            return wandb.init(
                project="ferlab", dir=str(folder), mode=attempt, resume="allow", settings=settings, **facts
            )
        except (wandb.errors.Error, OSError) as error:
            wandb.teardown()  # a half-started service would make the next attempt wait for it
            log.warning("W&B %s does not work (%s)", attempt, str(error).strip().splitlines()[0])
    log.warning("only files are written")
    return None


@contextlib.contextmanager
def closing(folder: Path, failed: bool = False) -> Iterator[None]:
    """While the last things are logged to the open run, which ends with it; W&B's errors become warnings.

    W&B would keep what its tables hold in the home folder, which a copied run lacks and a container may too.
    """
    import wandb

    ours = "WANDB_DATA_DIR" not in os.environ
    if ours:
        os.environ["WANDB_DATA_DIR"] = str((folder / "wandb" / "data").absolute())
    try:
        yield
    except (wandb.errors.Error, OSError) as error:
        log.warning("W&B took not all of %s (%s)", folder, error)
    finally:
        wandb.finish(exit_code=int(failed))
        if ours:
            del os.environ["WANDB_DATA_DIR"]


def confusion_plot(confusion: Sequence[Sequence[int]], title: str) -> Any:
    """Counts [7,7], rows being the true classes, as W&B's confusion matrix."""
    import wandb

    counts = wandb.Table(columns=["true", "predicted", "faces"])
    for i, row in enumerate(confusion):
        for j, n in enumerate(row):
            counts.add_data(EXPRESSIONS[i], EXPRESSIONS[j], n)
    fields = {"Actual": "true", "Predicted": "predicted", "nPredictions": "faces"}
    return wandb.plot_table("wandb/confusion_matrix/v1", counts, fields, {"title": title})


def tags(*words: str) -> list[str]:
    """W&B takes tags of up to 64 characters."""
    return [word[:64] for word in words]
