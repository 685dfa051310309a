"""Where a net's training starts: at random, at pretrained weights, or at another run's."""

import logging
from dataclasses import asdict
from pathlib import Path

from torch import Tensor, nn

from ferlab import files
from ferlab.config import Config
from ferlab.errors import FerlabError
from ferlab.predictors import of_run, zoo
from ferlab.runs import checkpoints
from ferlab.training.pretrained import norms
from ferlab.training.pretrained.weights import Pretrained, open_weights

log = logging.getLogger(__name__)

_STATISTICS = 512  # training faces that give statistics to norms without


def pretrained_for(config: Config) -> tuple[Config, Pretrained | None]:
    """The pretrained weights that the config asks for, and the config with what they need: their normalisation."""
    model = config["model"]
    if config["weights"] == "none":
        return config, None
    if "backbone" not in model["net"]:  # no timm net: only weights of the same net fit, which `start` loads
        if zoo.is_name(config["weights"]):
            theirs = zoo.weights_of(config["weights"])[0]["input"]
            needed = {key: theirs[key] for key in ("mean", "std", "scale") if key in theirs}
            return {**config, "model": {**model, "input": {**model["input"], **needed}}}, None
        if Path(config["weights"]).suffix != ".ckpt":
            raise FerlabError(
                f"model={model['name']} has no timm backbone that weights={config['weights']} could be for; "
                "give a run of this net, as weights=outputs/RUN/checkpoints/best.ckpt, or a model of predict --list"
            )
        return config, None
    pretrained = open_weights(config["weights"], model["net"]["backbone"], model["net"]["channels"])
    log.info("weights: %s", pretrained.summary)
    strides = {"caffe_strides": True} if pretrained.caffe_strides else {}
    fitted = {"net": {**model["net"], **strides}, "input": {**model["input"], **asdict(pretrained.input)}}
    return {**config, "model": {**model, **fitted}}, pretrained


def source_of(weights: str, pretrained: Pretrained | None) -> str:
    """Where the net starts from, without folders of this machine."""
    if pretrained:
        return pretrained.source
    if weights == "none":
        return weights
    if zoo.is_name(weights):
        return f"zoo: {weights}, sha256 {zoo.checksum(weights)[:12]}"
    return f"{Path(weights).name} sha256 {files.sha256_of(Path(weights))}"


def start(net: nn.Module, preprocess: nn.Module, weights: str, pretrained: Pretrained | None, faces: Tensor) -> None:
    """Give a net the weights that it starts from.

    Args:
        weights: the config's; where there are no `pretrained` ones, a checkpoint of a run of the same net, or the name
            of an exported model of it.
        faces: training faces [N,1,48,48], for norms without statistics.
    """
    if pretrained:
        backbone = net.get_submodule("backbone")
        backbone.load_state_dict(pretrained.state, strict=False)  # open_weights has reported what is missing
        if pretrained.folded:
            norms.unfold(backbone, preprocess(faces[:_STATISTICS]))
        _start_head(net.get_submodule("head"), pretrained)
    elif weights == "none":
        return
    elif zoo.is_name(weights):
        tensors = zoo.weights_of(weights)[1]
        of_run.load_net(net, {f"net.{key}": tensor for key, tensor in tensors.items()}, Path(weights))
    else:
        of_run.load_net(net, checkpoints.load(weights)["state_dict"], Path(weights))


def _start_head(head: nn.Module, pretrained: Pretrained) -> None:
    """A run of ferlab brings its head too, where this run's is alike."""
    if not pretrained.head:
        return
    if {n: t.shape for n, t in pretrained.head.items()} != {n: t.shape for n, t in head.state_dict().items()}:
        log.info("weights: its head is of another shape: this run's starts anew")
        return
    head.load_state_dict(pretrained.head)
    log.info("weights: the head's %d tensors too", len(pretrained.head))
