"""Where a training's curves go: a CSV file always, and to those of W&B, TensorBoard and MLflow that the config has."""

import importlib.util
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from ferlab import files
from ferlab.config import Config
from ferlab.data.datamodule import FacesDataModule
from ferlab.data.faces import Faces
from ferlab.errors import FerlabError, nearest
from ferlab.expressions import EXPRESSIONS
from ferlab.jobs import typed
from ferlab.runs import checkpoints, directory
from ferlab.runs.provenance import portable
from ferlab.training import wandb_runs
from ferlab.training.classifier import ExpressionClassifier
from ferlab.training.run_facts import RunFacts
from ferlab.training.validation import Validation

_SAMPLES = 64  # faces in the table of sample predictions

LOGGERS = ("csv", "wandb", "tensorboard", "mlflow")


def wandb_of(config: Config) -> str:
    """W&B's mode of a training: online, offline, or off, also where `loggers` leaves it out.

    Raises:
        FerlabError: another mode, no such logger, or one whose package is not installed.
    """
    typed_ones = config["loggers"]
    wanted = [typed_ones] if isinstance(typed_ones, str) else typed_ones
    for name in wanted:
        if name not in LOGGERS:
            near = nearest(name, LOGGERS)
            raise FerlabError(
                f"loggers has {name!r}; " + (f"did you mean {near}?" if near else f"choose from {', '.join(LOGGERS)}")
            )
        if name in LOGGERS[2:] and importlib.util.find_spec(name) is None:
            raise FerlabError(
                f"{name} is not installed; type pip install 'ferlab[loggers]', or leave it out of loggers"
            )
    mode = wandb_runs.wandb_mode(config["wandb"])
    return mode if "wandb" in wanted else "off"


def loggers_of(path: Path, config: Config, mode: str) -> list[Logger]:
    """The CSV log in path/log/N (N counts the starts of this run), those of `loggers`, W&B's if `mode` is not off."""
    start = sum(1 for _ in path.glob("log/*"))
    # Rows reach the file at each epoch's end, not every hundred.
    found: list[Logger] = [CSVLogger(path, name="log", version=str(start), flush_logs_every_n_steps=1)]
    if "tensorboard" in config["loggers"]:
        found.append(TensorBoardLogger(path, name="tensorboard", version=str(start), default_hp_metric=False))
    if "mlflow" in config["loggers"]:
        # A database for all runs of a folder: MLflow's successor to files, and what its page shows side by side.
        database = f"sqlite:///{Path(config['outputs']).absolute() / 'mlflow.db'}"
        uri = os.environ.get("MLFLOW_TRACKING_URI", database)
        found.append(MLFlowLogger("ferlab", run_name=path.name, tracking_uri=uri))
    for logger in found[1:]:
        logger.log_hyperparams(_shared(config))
    if mode == "off":
        return found
    job = typed.job()
    run = wandb_runs.opened(
        path,
        mode,
        id=secrets.token_hex(4) if job.sweep else None,  # WANDB_RUN_ID is one, and the jobs are many
        name=path.name,
        group=job.experiment or f"{config['model']['name']}-{config['data']['name']}",
        job_type="train",
        tags=_tags(config, job),
        config=_shared(config),
    )
    if run is not None:
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        run.define_metric("val/*", step_metric="epoch")
        found.append(WandbLogger(save_dir=path, experiment=run))
    return found


def _tags(config: Config, job: typed.Typed) -> list[str]:
    """What runs are picked by in W&B's table; a sweep's runs share its tag."""
    shared = _shared(config)
    keys = [f"{key}={shared[key]}" for key in ("class_weights", "balance", "weights")]
    keys.append(f"teacher={'yes' if config['teacher'] else 'no'}")
    if job.sweep:
        keys += [f"sweep={job.sweep}", f"launcher={job.launcher}"]
    return wandb_runs.tags(config["model"]["name"], config["data"]["name"], *keys)


def _shared(config: Config) -> Config:
    """The config without folders: they are this machine's, not the run's."""
    shared = {key: value for key, value in config.items() if key != "outputs"} | {"data": config["data"]["name"]}
    return portable(shared, config)


def finish_wandb(
    loggers: list[Logger], classifier: ExpressionClassifier, data: FacesDataModule, run: Path, facts: RunFacts
) -> None:
    """Give W&B what val showed, the data and the model, and close its run, so a sweep's next has its own.

    Args:
        run: the run's directory.
        facts: the content of its run.json; of a run that failed only the curves are kept.
    """
    failed = facts.status == "failed"
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            with wandb_runs.closing(run, failed):
                if not failed and classifier.validation is not None:
                    logger.experiment.log(_pictures(classifier, classifier.validation, data))
                    _log_lineage(logger.experiment, data, run, facts)


def _pictures(classifier: ExpressionClassifier, validation: Validation, data: FacesDataModule) -> dict[str, object]:
    import wandb

    labels, probabilities = validation.labels.numpy(), validation.probabilities.numpy()
    evenly = np.linspace(0, len(data.val) - 1, min(_SAMPLES, len(data.val))).astype(int)
    faces = torch.from_numpy(data.val.pixels[evenly]).unsqueeze(1).to(classifier.device)
    with torch.inference_mode():
        samples = classifier.eval()(faces).float().softmax(1).cpu().numpy()
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    surest = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")[:_SAMPLES]]
    return {
        "val/samples": _table_of_faces(data.val, evenly, samples),
        "val/mistakes": _table_of_faces(data.val, surest, probabilities[surest]),
        "val/confusion": wandb_runs.confusion_plot(validation.confusion.tolist(), "val"),
        "val/precision_recall": wandb.plot.pr_curve(labels, probabilities, labels=list(EXPRESSIONS)),
    }


def _table_of_faces(faces: Faces, places: np.ndarray, probabilities: np.ndarray) -> Any:
    """W&B's table of some faces (indices [M]) with their probabilities [M,7]."""
    import wandb

    table = wandb.Table(columns=["face", "true", "predicted", *EXPRESSIONS])
    for face, label, p in zip(faces.pixels[places], faces.labels[places], probabilities, strict=True):
        table.add_data(wandb.Image(face), EXPRESSIONS[label], EXPRESSIONS[int(p.argmax())], *p.tolist())
    return table


def _log_lineage(experiment: Any, data: FacesDataModule, run: Path, facts: RunFacts) -> None:
    """The data as an artifact that the run used and the model as one that it made; no face is among them.

    Offline, where W&B lets a run use nothing, both are what it made, and the model's metadata name its data.
    """
    import wandb

    parts = {"train": data.train, "val": data.val}
    sums = {split: part.targets.sum(0, dtype=np.float64).tolist() for split, part in parts.items()}
    known = {
        "faces_sha256": facts.faces_sha256,
        "faces": {split: dict(zip(EXPRESSIONS, counts, strict=True)) for split, counts in sums.items()},
    }
    dataset = wandb.Artifact(_allowed(facts.data), "dataset", metadata=known)
    with dataset.new_file("data.json") as file:  # an artifact of metadata alone has no version of its own
        json.dump(known, file, indent=2)
    if experiment.offline:
        experiment.log_artifact(dataset)
    else:
        experiment.use_artifact(dataset)
    kept = {key: getattr(facts, key) for key in ("commit", "val_accuracy", "best_epoch", "parameters", "teacher")}
    weights = run / directory.CHECKPOINTS / checkpoints.BEST
    kept |= {"weights_sha256": files.sha256_of(weights), "dataset": known["faces_sha256"]}
    model = wandb.Artifact(_allowed(run.name), "model", metadata=kept)
    with model.new_file(directory.CONFIG) as file:
        config = yaml.safe_load((run / directory.CONFIG).read_text(encoding="utf-8"))
        yaml.safe_dump(portable(config, config), file, sort_keys=False)
    if not experiment.offline:  # what is never sent would only lie on the disk twice
        model.add_file(str(weights))
    experiment.log_artifact(model)


def _allowed(name: str) -> str:
    """W&B takes letters, digits, `.`, `_` and `-`."""
    return re.sub(r"[^\w.-]", "-", name)
