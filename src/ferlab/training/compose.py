"""A config and faces in, the data module and the classifier out: the one place where the two meet."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.transforms import v2

from ferlab import files
from ferlab.config import build
from ferlab.data.augment import Augment
from ferlab.data.datamodule import FacesDataModule
from ferlab.data.faces import Faces
from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.predictors import of_run, predictor
from ferlab.runs import checkpoints
from ferlab.training import freeze, teacher
from ferlab.training.classifier import ExpressionClassifier, class_weights
from ferlab.training.pretrained import norms, weights

log = logging.getLogger(__name__)

_STATISTICS = 512  # training faces that a net is shown whose norms have no statistics


def source_of(config: dict[str, Any], pretrained: weights.Pretrained | None) -> str:
    """Where the net starts from, without folders of this machine."""
    if pretrained:
        return pretrained.source
    path = Path(config["weights"])
    return "none" if config["weights"] == "none" else f"{path.name} sha256 {files.sha256_of(path)}"


def pretrained_for(config: dict[str, Any]) -> tuple[dict[str, Any], weights.Pretrained | None]:
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
    strides = {"caffe_strides": True} if pretrained.caffe_strides else {}
    fitted = {"net": {**model["net"], **strides}, "input": {**model["input"], **asdict(pretrained.input)}}
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
    net, preprocess = of_run.nets_of(config)
    if pretrained:
        net.backbone.load_state_dict(pretrained.state, strict=False)  # open_weights has said what it lacks
        if pretrained.folded:
            some = torch.from_numpy(data.train.pixels[:_STATISTICS, None])
            norms.unfold(net.backbone, preprocess(some))
        _start_head(net.head, pretrained)
    elif config["weights"] != "none":
        of_run.load_net(net, checkpoints.load(config["weights"])["state_dict"], Path(config["weights"]))
    taught = teacher_of(config)  # after the net: what a teacher draws at its making must not change the weights
    consistent = taught and taught.consistent
    if taught and not consistent:
        answers = taught.probabilities(data.train.pixels, "cuda" if cuda else "cpu")
        softened = predictor.temper(torch.from_numpy(answers), config["teacher_temperature"])
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


def teacher_of(config: dict[str, Any]) -> teacher.Teacher | None:
    if not config["teacher"]:
        return None
    share, temperature = config["teacher_share"], config["teacher_temperature"]
    if not 0 <= share <= 1:
        raise FerlabError(f"teacher_share is {share}; expected a number from 0 (the data alone) to 1")
    if not temperature > 0:
        raise FerlabError(f"teacher_temperature is {temperature}; expected a number above 0, 1 for none")
    return teacher.find(config["teacher"], config["teacher_tta"], Path(config["outputs"]) / "teachers")


def _mix(mixup: float, cutmix: float) -> nn.Module | None:
    kinds = [(v2.MixUp, mixup), (v2.CutMix, cutmix)]
    chosen = [kind(alpha=alpha, num_classes=K) for kind, alpha in kinds if alpha > 0]
    return v2.RandomChoice(chosen) if chosen else None


def _steps_per_epoch(batches: int, limit: int | float) -> int:
    """Batches of an epoch under Lightning's limit_train_batches: a number of batches, or a share of them."""
    return max(1, min(batches, limit if isinstance(limit, int) else int(batches * limit)))
