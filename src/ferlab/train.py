"""`python -m ferlab.train`: conf in, a run directory with the best weights and what they reached on val out."""

import contextlib
import logging
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml
from omegaconf import DictConfig
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import nn
from torchvision.transforms import v2

from ferlab import checkpoints, fitting, freeze, logs, predictors, ranks, runs, sweeps, teacher, weights
from ferlab.classifier import ExpressionClassifier, class_weights
from ferlab.cli import build, command, plain
from ferlab.data.augment import Augment
from ferlab.data.datamodule import FacesDataModule
from ferlab.data.faces import Faces
from ferlab.data.store import open_data
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K

log = logging.getLogger(__name__)

_STATISTICS = 512  # training faces that a net is shown whose norms have no statistics


def train(config: dict[str, Any]) -> runs.Run:
    """Train as `config` (conf/train.yaml, resolved) says, and return the run.

    Raises:
        FerlabError: anything the user can mend; nothing is written before the config is known to be sound.
        SystemExit: status 143 after SIGTERM, with the state saved for ckpt=last.
    """
    config, pretrained = _start(config)
    if config["skip_finished"] and not ranks.rank_of():
        if done := sweeps.finished(config):
            log.info("finished already: %s", done.path)
            sweeps.note(run=str(done.path), status="skipped")
            return done
        if reason := sweeps.why_anew(config):
            log.info("%s", reason)
    pl.seed_everything(config["seed"], verbose=False)
    cuda = fitting.accelerator_of(config) == "cuda"
    precision = fitting.precision_of(config["trainer"]["precision"], cuda)
    if not cuda:
        fitting.keep_heap_pages()
    described = config["data"]  # `leaks` is said only where there are auxiliary data
    faces = open_data(described["root"], described["sources"], described["auxiliary"], described.get("leaks", "drop"))
    data, classifier = compose(config, faces, cuda, pretrained)
    wandb = logs.wandb_mode(config)
    if config["trainer"]["fast_dev_run"]:
        wandb = "off"  # a trial run is no result
    ranks.refuse(fitting.count_ranks(config), data.batch_size, config["unfreeze_every"])
    path, resume = _run_directory(config)
    sweeps.note(run=str(path))
    log.info("run %s: augmentation %s; %s", path, _augmentation(data.augment), _learns(classifier))

    started = time.time()
    info = _facts(config, data, classifier, precision) | {"weights": _source(config, pretrained)}
    if not ranks.rank_of():
        runs.write_json(path / runs.INFO, info)
    best, last = fitting.checkpointing(path, config)
    callbacks = [*fitting.callbacks_of(config), best, last]
    loggers = [] if ranks.rank_of() else logs.loggers(path, config, wandb)
    trainer = pl.Trainer(
        **{**config["trainer"], "precision": precision},
        callbacks=callbacks,
        logger=loggers,
        strategy=config["strategy"],
        sync_batchnorm=cuda,  # over the whole batch; with one device Lightning leaves it out, and the CPU has none
        plugins=[checkpoints.DurableCheckpointIO(), LightningEnvironment()],  # Slurm starts runs here, never ranks
        default_root_dir=path,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        use_distributed_sampler=False,  # the data module gives each rank its share
    )
    failed = True
    try:
        with fitting.out_of_memory_hint(config["batch_size"]), ranks.starting(path, trainer.strategy.launcher):
            trainer.fit(classifier, data, ckpt_path=resume, weights_only=True)
        fitting.refuse_interrupted(trainer)
        if best.best_model_path:  # a trial run (fast_dev_run) saves nothing
            info["best_epoch"] = checkpoints.load(best.best_model_path)["epoch"]
        failed = False
    except SIGTERMException:
        log.error("stopped by SIGTERM; run the same command with ckpt=last to continue %s", path)
        sys.exit(128 + signal.SIGTERM)
    finally:
        info |= {"status": "failed" if failed else "finished", "seconds": round(time.time() - started, 1)}
        if best.best_model_score is not None:
            info |= {"val_accuracy": float(best.best_model_score), "epochs": trainer.current_epoch}
        if trainer.is_global_zero:
            logs.finish(loggers, classifier, data, path, info)
            with contextlib.suppress(FerlabError) if failed else contextlib.nullcontext():  # the first error counts
                runs.write_json(path / runs.INFO, info)
    return runs.load(path)


def _source(config: dict[str, Any], pretrained: weights.Pretrained | None) -> str:
    """Where the net starts from, without folders of this machine."""
    if pretrained:
        return pretrained.source
    path = Path(config["weights"])
    return "none" if config["weights"] == "none" else f"{path.name} sha256 {checkpoints.hash_file(path)}"


def _start(config: dict[str, Any]) -> tuple[dict[str, Any], weights.Pretrained | None]:
    """The pretrained weights that the config asks for, and the config with what they need: their normalisation."""
    model = config["model"]
    if config["weights"] == "none":
        return config, None
    if "backbone" not in model["net"]:  # no timm net: only a run's own checkpoint fits, which `compose` loads
        if Path(config["weights"]).suffix != ".ckpt":
            raise FerlabError(
                f"model={model['name']} has no timm backbone that weights={config['weights']} could be for; "
                "give a run of this net, as weights=outputs/RUN/checkpoints/best.ckpt"
            )
        return config, None
    pretrained = weights.open_weights(config["weights"], model["net"]["backbone"], model["net"]["channels"])
    log.info("weights: %s", pretrained.summary)
    fitted = {"net": {**model["net"], **pretrained.net}, "input": {**model["input"], **pretrained.input}}
    return {**config, "model": {**model, **fitted}}, pretrained


def compose(
    config: dict[str, Any], faces: Faces, cuda: bool, pretrained: weights.Pretrained | None = None
) -> tuple[FacesDataModule, ExpressionClassifier]:
    """The data module and the classifier of a config: the one place where the two meet."""
    data = FacesDataModule(
        faces,
        Augment([build(node) for node in config["augment"]["policy"]], config["seed"]),
        batch_size=config["batch_size"],
        seed=config["seed"],
        num_workers=config["num_workers"],
        balance=config["balance"],
        dedup=config["dedup"],
        only=config["only"],
    )
    net, preprocess = runs.nets_of(config)
    if pretrained:
        net.backbone.load_state_dict(pretrained.state, strict=False)  # open_weights has said what it lacks
        if pretrained.folded:
            some = torch.from_numpy(data.train.pixels[:_STATISTICS, None])
            weights.unfold(net.backbone, preprocess(some))
        _start_head(net.head, pretrained)
    elif config["weights"] != "none":
        runs.load_net(net, checkpoints.load(config["weights"])["state_dict"], Path(config["weights"]))
    taught = _teacher(config)  # after the net: what a teacher draws at its making must not change the weights
    consistent = taught and taught.consistent
    if taught and not consistent:
        answers = taught.probabilities(data.train.pixels, "cuda" if cuda else "cpu")
        softened = predictors.temper(torch.from_numpy(answers), config["teacher_temperature"])
        data.teach(softened.numpy(), config["teacher_share"])
    compiled = config["compile"]
    classifier = ExpressionClassifier(
        preprocess,
        net,
        weights=class_weights(config["class_weights"], data.class_counts, config["class_weights_beta"]),
        mix=_mix(config["mixup"], config["cutmix"]),
        label_smoothing=config["label_smoothing"],
        optimizer=config["optimizer"],
        lr=config["lr"],
        momentum=config["momentum"],
        weight_decay=config["weight_decay"],
        schedule=config["schedule"],
        steps_per_epoch=_steps_per_epoch(data.batches, config["trainer"]["limit_train_batches"]),
        warmup_epochs=config["warmup_epochs"],
        plateau_patience=config["plateau_patience"],
        sam_rho=config["sam_rho"],
        compile_step=cuda if compiled == "auto" else compiled,
        seed=config["seed"],
        learning=freeze.plan(
            net, config["freeze"], config["train_norms"], config["unfreeze_every"], config["layer_decay"]
        ),
        teacher=taught.predictor(config["teacher_temperature"]) if consistent else None,
        teacher_share=config["teacher_share"],
    )
    return data, classifier


def _start_head(head: nn.Module, pretrained: weights.Pretrained) -> None:
    """A run of ferlab brings its head too, where this run's is alike."""
    if not pretrained.head:
        return
    if {n: t.shape for n, t in pretrained.head.items()} != {n: t.shape for n, t in head.state_dict().items()}:
        log.info("weights: its head is of another shape: this run's starts anew")
        return
    head.load_state_dict(pretrained.head)
    log.info("weights: the head's %d tensors too", len(pretrained.head))


def _teacher(config: dict[str, Any]) -> teacher.Teacher | None:
    if not config["teacher"]:
        return None
    share, temperature = config["teacher_share"], config["teacher_temperature"]
    if not 0 <= share <= 1:
        raise FerlabError(f"teacher_share is {share}; expected a number from 0 (the data alone) to 1")
    if not temperature > 0:
        raise FerlabError(f"teacher_temperature is {temperature}; expected a number above 0, 1 for none")
    return teacher.find(config["teacher"], config["teacher_tta"], Path(config["outputs"]) / "teachers")


def _facts(
    config: dict[str, Any], data: FacesDataModule, classifier: ExpressionClassifier, precision: str
) -> dict[str, Any]:
    """What run.json says of a run before it has reached anything."""
    return {
        "status": "running",
        "model": config["model"]["name"],
        "data": config["data"]["name"],
        "class_weights": config["class_weights"],
        "seed": config["seed"],
        "commit": runs.commit(),
        "parameters": _parameters(classifier.net),
        "class_counts": dict(zip(EXPRESSIONS, data.class_counts.tolist(), strict=True)),
        "precision": precision,
        "learns": _learns(classifier),
        "augmentation": _augmentation(data.augment),
        "expressions": list(EXPRESSIONS),
        "teacher": taught.about if (taught := _teacher(config)) else None,
        "environment": runs.environment(),
    }


def _mix(mixup: float, cutmix: float) -> nn.Module | None:
    kinds = [(v2.MixUp, mixup), (v2.CutMix, cutmix)]
    chosen = [kind(alpha=alpha, num_classes=K) for kind, alpha in kinds if alpha > 0]
    return v2.RandomChoice(chosen) if chosen else None


def _run_directory(config: dict[str, Any]) -> tuple[Path, Path | None]:
    """The run directory, with the config in it, and the checkpoint to continue from."""
    outputs = Path(config["outputs"])
    if config["ckpt"] not in (None, "last"):
        raise FerlabError(f"ckpt is {config['ckpt']!r}; choose last, or leave it out")
    if (given := ranks.rank_of()) is not None:
        return given, checkpoints.newest(given / runs.CHECKPOINTS)[0] if config["ckpt"] else None
    # A sweep that is repeated with both keys continues what was stopped, and starts what never was.
    found = sweeps.stopped(config) if config["skip_finished"] and config["ckpt"] else None
    if config["ckpt"] is None or (config["skip_finished"] and found is None):
        path = runs.create(outputs, config["name"])
        runs.write_config(path, config)
        return path, None
    path = found or runs.latest(outputs, config["name"])
    checkpoint, faults = checkpoints.newest(path / runs.CHECKPOINTS)
    for fault in faults:
        log.warning("%s; continuing from %s", fault, checkpoint.name)
    _same_net(path, config, checkpoint)
    runs.write_config(path, config)
    return path, checkpoint


def _same_net(path: Path, config: dict[str, Any], checkpoint: Path) -> None:
    """Refuse to continue with what would silently train something else."""
    before = yaml.safe_load((path / runs.CONFIG).read_text())
    runs.load_net(runs.nets_of(config)[0], checkpoints.load(checkpoint)["state_dict"], checkpoint)
    for key in ("data", "batch_size", "seed", "optimizer", "schedule"):
        if before[key] != config[key]:
            raise FerlabError(
                f"{path} was trained with {key}={before[key]!r}, not {config[key]!r}; "
                "continue with what it had, or leave out ckpt=last to start anew"
            )


def _steps_per_epoch(batches: int, limit: int | float) -> int:
    """Batches of an epoch under Lightning's limit_train_batches: a number of batches, or a share of them."""
    return max(1, min(batches, limit if isinstance(limit, int) else int(batches * limit)))


def _parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def _learns(classifier: ExpressionClassifier) -> str:
    return freeze.describe(classifier.net, classifier.learning)


def _augmentation(augment: Augment) -> str:
    return augment.path if not augment.reason else f"{augment.path} ({augment.reason})"


def _quiet() -> None:
    """Keep Lightning's advertisements and its remarks on what ferlab has decided out of the output."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",
        "The number of training batches",
        ".*does not have many workers",
        ".*is not resumable",
    ):
        warnings.filterwarnings("ignore", message)


@command("train", at_end=sweeps.close)
def main(cfg: DictConfig) -> float:
    _quiet()
    if ranks.rank_of():
        logging.disable(logging.ERROR)  # rank zero says it
    run = train(plain(cfg))
    accuracy = run.info.get("val_accuracy", float("nan"))
    log.info("val accuracy %.2f %%; next: python -m ferlab.evaluate runs=%s", 100 * accuracy, run.path)
    return accuracy


if __name__ == "__main__":
    main()
