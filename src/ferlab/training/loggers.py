"""Where a run's curves go: a CSV file always, W&B where it is asked for and can be reached."""

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from ferlab import cli, files
from ferlab.data.faces import faces_sha256
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.runs import checkpoints, directory

if TYPE_CHECKING:  # evaluate logs too, and would wait two seconds for what training alone needs
    from ferlab.data.datamodule import FacesDataModule
    from ferlab.training.classifier import ExpressionClassifier

log = logging.getLogger(__name__)

WANDB = ("online", "offline", "off")
_SAMPLES = 64  # faces in the table of sample predictions


def wandb_mode(config: dict[str, Any]) -> str:
    """online, offline or off.

    Raises:
        FerlabError: `wandb` is something else.
    """
    mode = "off" if config["wandb"] is False else config["wandb"]  # an unquoted off in a YAML file is False
    if mode not in WANDB:
        raise FerlabError(f"wandb is {mode!r}; choose {', '.join(WANDB)}")
    return mode


def loggers_of(path: Path, config: dict[str, Any], mode: str) -> list[Logger]:
    """The CSV log in path/log/N (N counts the starts of this run), and W&B's where `mode` asks for it."""
    start = sum(1 for _ in path.glob("log/*"))
    # Rows reach the file at each epoch's end, not every hundred.
    found: list[Logger] = [CSVLogger(path, name="log", version=str(start), flush_logs_every_n_steps=1)]
    if mode != "off":
        typed = cli.job()
        found += _wandb(
            path,
            mode,
            name=path.name,
            group=typed.get("experiment") or f"{config['model']['name']}-{config['data']['name']}",
            job_type="train",
            tags=_tags(config, typed),
            config=_shared(config),
        )
    return found


def _wandb(path: Path, mode: str, **about: Any) -> list[Logger]:
    """W&B's logger, offline where it cannot be reached, none where it cannot even write: training never waits."""
    try:
        import wandb
    except ImportError:
        log.warning("wandb is not installed; only the CSV log is written (pip install wandb, or wandb=off)")
        return []
    for attempt in dict.fromkeys((mode, "offline")):
        logger = WandbLogger(
            project="ferlab",
            save_dir=path,
            mode=attempt,
            # Eight seconds are enough for a service that answers. The metadata would hold paths and the host's name.
            settings=wandb.Settings(init_timeout=8, silent=True, x_disable_meta=True, console="off", host="-"),
            **about,
        )
        try:
            logger.experiment.define_metric("val/*", step_metric="epoch")
        except (wandb.errors.Error, OSError) as error:
            wandb.teardown()  # a half-started service would make the next attempt wait for it
            log.warning("W&B %s does not work (%s)", attempt, str(error).strip().splitlines()[0])
        else:
            return [logger]
    log.warning("only files are written")
    return []


def evaluated(folder: Path, mode: str) -> None:
    """Give W&B what a report says, as a run of its own: so views are an axis of a dashboard, as class weights are.

    Args:
        folder: of the report, in a run's or an ensemble's directory.
        mode: online or offline.
    """
    told = json.loads((folder / "report.json").read_text())
    split, members = told["split"], told["members"]
    axes = {key: told.get(key) for key in ("model", "data", "class_weights", "seed", "tta", "tta_space")}
    about = {key: told[key] for key in ("members", "weights_sha256", "faces_sha256", "n")}
    key = json.dumps([split, axes["tta"], axes["tta_space"], about["weights_sha256"], about["faces_sha256"]])
    found = _wandb(
        folder.parent.parent,
        mode,
        # The same measurement is the same run, however often it is made.
        id=hashlib.sha256(key.encode()).hexdigest()[:16],
        name=f"{told['name']} {folder.name}",
        group=f"{axes['model']}-{axes['data']}" if len(members) == 1 else "ensembles",
        job_type="evaluate",
        tags=[tag[:64] for tag in ("evaluate", f"split={split}", f"tta={axes['tta']}")],
        config={**axes, **about, "split": split, "evaluate": True},
    )
    for logger in found:
        import wandb

        names = ("accuracy", "macro_recall", "macro_f1", "disgust_misclassification", "ece", "nll")
        values = {f"{split}/{name}": told[name] for name in names if told.get(name) is not None}
        values[f"{split}/without_train_twins"] = told["without_train_twins"]["accuracy"]
        values |= {
            f"{split}/accuracy_{end}": value for end, value in zip(("low", "high"), told["interval95"], strict=True)
        }
        with _tables_in(Path(logger.save_dir, "wandb", "data")):
            try:
                matrix = _matrix(wandb, np.array(told["confusion_matrix"]), split)
                logger.experiment.log({**values, f"{split}/confusion": matrix})
            except (wandb.errors.Error, OSError) as error:
                log.warning("W&B took nothing of %s (%s)", folder, error)
            finally:
                wandb.finish()


def _tags(config: dict[str, Any], typed: dict[str, Any]) -> list[str]:
    """What runs are picked by in W&B's table; a sweep's runs share its tag. W&B takes up to 64 characters."""
    shared = _shared(config)
    tags = [config["model"]["name"], config["data"]["name"]]
    tags += [f"{key}={shared[key]}" for key in ("class_weights", "balance", "weights")]
    tags.append(f"teacher={'yes' if config['teacher'] else 'no'}")
    tags += [f"{key}={typed[key]}" for key in ("sweep", "launcher") if key in typed]
    return [tag[:64] for tag in tags]


def _shared(config: dict[str, Any]) -> dict[str, Any]:
    """The config without folders: they are this machine's, not the run's."""
    told = {key: value for key, value in config.items() if key != "outputs"} | {"data": config["data"]["name"]}
    return told | {key: _file_names(config[key]) for key in ("weights", "teacher")}


def _file_names(value: Any) -> Any:
    if isinstance(value, list):
        return [_file_names(item) for item in value]
    return Path(value).name if isinstance(value, str) else value


def finish_wandb(
    found: list[Logger], classifier: "ExpressionClassifier", data: "FacesDataModule", run: Path, info: dict[str, Any]
) -> None:
    """Give W&B what val showed, the data and the model, and close its run, so a sweep's next has its own.

    Args:
        run: the run's directory.
        info: what its run.json says; of one that failed only the curves are kept.
    """
    failed = info["status"] == "failed"
    for logger in found:
        if not isinstance(logger, WandbLogger):
            continue
        import wandb

        with _tables_in(Path(logger.save_dir, "wandb", "data")):
            try:
                if not failed and classifier.confusion is not None:
                    logger.experiment.log(_pictures(wandb, classifier, data))
                    _lineage(wandb, logger.experiment, data, run, info)
            except (wandb.errors.Error, OSError) as error:
                log.warning("W&B took no pictures or no artifacts (%s)", error)
            finally:
                wandb.finish(exit_code=int(failed))


@contextlib.contextmanager
def _tables_in(folder: Path) -> Iterator[None]:
    """W&B would keep what its tables hold in the home folder, which a copied run lacks and a container may too."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(folder.absolute())
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]


def _pictures(wandb: Any, classifier: "ExpressionClassifier", data: "FacesDataModule") -> dict[str, Any]:
    faces = data.val.take(torch.linspace(0, len(data.val) - 1, min(_SAMPLES, len(data.val))).long().numpy())
    with torch.inference_mode():
        pixels = torch.from_numpy(faces.pixels).unsqueeze(1).to(classifier.device)
        probabilities = classifier.eval()(pixels).float().softmax(1).cpu()
    table = wandb.Table(columns=["face", "true", "predicted", *EXPRESSIONS])
    for pixels, label, p in zip(faces.pixels, faces.labels, probabilities, strict=True):
        table.add_data(wandb.Image(pixels), EXPRESSIONS[label], EXPRESSIONS[int(p.argmax())], *p.tolist())
    matrix = _matrix(wandb, classifier.confusion.numpy(), "val")
    probabilities, labels = classifier.answers
    curves = wandb.plot.pr_curve(labels.numpy(), probabilities.numpy(), labels=list(EXPRESSIONS))
    return {"val/samples": table, "val/confusion": matrix, "val/precision_recall": curves}


def _matrix(wandb: Any, confusion: np.ndarray, title: str) -> Any:
    counts = wandb.Table(columns=["true", "predicted", "faces"])
    for i, row in enumerate(confusion.tolist()):
        for j, n in enumerate(row):
            counts.add_data(EXPRESSIONS[i], EXPRESSIONS[j], n)
    fields = {"Actual": "true", "Predicted": "predicted", "nPredictions": "faces"}
    return wandb.plot_table("wandb/confusion_matrix/v1", counts, fields, {"title": title})


def _lineage(wandb: Any, experiment: Any, data: "FacesDataModule", run: Path, info: dict[str, Any]) -> None:
    """The data as an artifact that the run used and the model as one that it made; no face is among them.

    Offline, where W&B lets a run use nothing, both are what it made, and the model's metadata name its data.
    """
    parts = {"train": data.train, "val": data.val}
    sums = {split: part.targets.sum(0, dtype=np.float64).tolist() for split, part in parts.items()}
    known = {
        "faces_sha256": {split: faces_sha256(part) for split, part in parts.items()},  # as reports and exports have it
        "faces": {split: dict(zip(EXPRESSIONS, counts, strict=True)) for split, counts in sums.items()},
    }
    dataset = wandb.Artifact(_allowed(info["data"]), "dataset", metadata=known)
    with dataset.new_file("data.json") as file:  # an artifact of metadata alone has no version of its own
        json.dump(known, file, indent=2)
    if experiment.offline:
        experiment.log_artifact(dataset)
    else:
        experiment.use_artifact(dataset)
    kept = {key: info.get(key) for key in ("commit", "val_accuracy", "best_epoch", "parameters", "teacher")}
    weights = run / directory.CHECKPOINTS / checkpoints.BEST
    kept |= {"weights_sha256": files.sha256_of(weights), "dataset": known["faces_sha256"]}
    model = wandb.Artifact(_allowed(run.name), "model", metadata=kept)
    model.add_file(str(run / directory.CONFIG))
    if not experiment.offline:  # what is never sent would only lie on the disk twice
        model.add_file(str(weights))
    experiment.log_artifact(model)


def _allowed(name: str) -> str:
    """W&B takes letters, digits, `.`, `_` and `-`."""
    return re.sub(r"[^\w.-]", "-", name)
