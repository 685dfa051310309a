"""A config and faces in, the data module and the classifier out: the one place where the two meet."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ferlab.config import Config, build
from ferlab.data.augment import Augment
from ferlab.data.batches import limited
from ferlab.data.datamodule import FacesDataModule
from ferlab.data.faces import Faces
from ferlab.data.labels import labels_of
from ferlab.errors import FerlabError
from ferlab.predictors import of_run, predictor
from ferlab.training import adjust, freeze, graphed
from ferlab.training.classifier import ExpressionClassifier
from ferlab.training.optimisation import Optimisation
from ferlab.training.pretrained.weights import Pretrained
from ferlab.training.start import start
from ferlab.training.targets import Targets, class_weights, mixing
from ferlab.training.teacher import ConsistentTeacher, KeptTeacher, Teacher, find

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Composed:
    """What a fit takes, and the teacher, who has a share in the targets of either."""

    data: FacesDataModule
    classifier: ExpressionClassifier
    teacher: Teacher | KeptTeacher | ConsistentTeacher | None


def compose(config: Config, faces: Faces, cuda: bool, pretrained: Pretrained | None = None) -> Composed:
    """The data module and the classifier of a config (conf/train.yaml, resolved)."""
    data = _data_of(config, faces)
    net, preprocess = of_run.nets_of(config)
    start(net, preprocess, config["weights"], pretrained, torch.from_numpy(data.train.pixels).unsqueeze(1))
    # After the net: what a teacher draws at its making must not change the weights.
    found, temperature = teacher_of(config), config["teacher_temperature"]
    if found is None and (unlabelled := int((~data.train.labelled).sum())):
        raise FerlabError(
            f"{unlabelled} training faces have no label, only a teacher's targets; type teacher=RUNS, or use their own "
            "with labels: own in data.auxiliary"
        )
    adjust.adjust(config, data, found)
    in_each_step = found.predictor(temperature) if isinstance(found, ConsistentTeacher) else None
    if found and not isinstance(found, ConsistentTeacher):
        probabilities = torch.from_numpy(found.probabilities(data.train.pixels, "cuda" if cuda else "cpu"))
        tempered = predictor.temper(probabilities, temperature).numpy()
        if config["logit_adjustment"]:
            tempered = adjust.for_sources(tempered, data, found)
        data.teach(tempered, config["teacher_share"])
    if found:
        _warn_of_other_labels(found, labels_of(config["data"]))
    learning = freeze.plan(
        net, config["freeze"], config["train_norms"], config["unfreeze_every"], config["layer_decay"]
    )
    if by_step := config["cuda_graph"] == "step":
        graphed.refuse(config, cuda)
    classifier = (graphed.GraphedClassifier if by_step else ExpressionClassifier)(
        preprocess,
        net,
        _optimisation_of(config, data.batches),
        _targets_of(config, data, in_each_step),
        learning,
        compile_step=cuda if config["compile"] == "auto" else config["compile"],
        seed=config["seed"],
    )
    return Composed(data, classifier, found)


def _warn_of_other_labels(teacher: Teacher | KeptTeacher | ConsistentTeacher, system: str) -> None:
    """A student takes its teacher's labels over; of a file of kept answers nobody knows whose they are."""
    runs = () if isinstance(teacher, KeptTeacher) else teacher.subject.runs
    if others := sorted({labels_of(run.config.get("data", {})) for run in runs} - {system}):
        log.warning("the teacher learned the labels of %s, and the data have those of %s", ", ".join(others), system)


def _data_of(config: Config, faces: Faces) -> FacesDataModule:
    return FacesDataModule(
        faces,
        Augment([build(node) for node in config["augment"]["policy"]], config["seed"]),
        batch_size=config["batch_size"],
        seed=config["seed"],
        num_workers=config["num_workers"],
        balance=config["balance"],
        dedup=config["dedup"],
        only=config["only"],
    )


def _optimisation_of(config: Config, batches: int) -> Optimisation:
    return Optimisation(
        optimizer=config["optimizer"],
        lr=config["lr"],
        momentum=config["momentum"],
        weight_decay=config["weight_decay"],
        schedule=config["schedule"],
        steps_per_epoch=_steps_per_epoch(batches, config["trainer"]),
        warmup_epochs=config["warmup_epochs"],
        plateau_patience=config["plateau_patience"],
        sam_rho=config["sam_rho"],
        fused=not config["trainer"].get("gradient_clip_val"),
    )


def _steps_per_epoch(batches: int, trainer: Config) -> int:
    """Steps of the optimiser in an epoch of the trainer's arguments."""
    limit = trainer.get("overfit_batches") or trainer["limit_train_batches"]
    return math.ceil(limited(batches, limit) / trainer.get("accumulate_grad_batches", 1))


def _targets_of(config: Config, data: FacesDataModule, teacher: nn.Module | None) -> Targets:
    return Targets(
        class_weights=class_weights(config["class_weights"], data.class_counts, config["class_weights_beta"]),
        label_smoothing=config["label_smoothing"],
        mix=mixing(config["mixup"], config["cutmix"]),
        teacher=teacher,
        teacher_share=config["teacher_share"],
    )


def teacher_of(config: Config) -> Teacher | KeptTeacher | ConsistentTeacher | None:
    """The teacher that the config names, or None.

    Raises:
        FerlabError: as `teacher.find`.
    """
    if not config["teacher"]:
        return None
    return find(config["teacher"], config["teacher_tta"], Path(config["outputs"]) / "teachers")
