"""The name of an exported model in, its net in torch out: what `ferlab.zoo` is.

    from ferlab import zoo

    net = zoo.load("accurate")  # faces [B,1,H,W], 0..255 -> logits [B,7]; its preprocessing is inside
    net.expressions             # what each logit means

The weights lie in NAME.safetensors beside the model's JSON, which holds their checksums and the config of the net, or
in the zoo, where the package would grow too large with them.
"""

import hashlib
from pathlib import Path
from typing import Annotated

import safetensors.torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import TypedDict

from ferlab.errors import FerlabError
from ferlab.expressions import check_order
from ferlab.files import Config, Json, refuse_name
from ferlab.inference import models
from ferlab.predictors.of_run import load_net, nets_of
from ferlab.runs import shapes


class Net(nn.Module):
    """Preprocessing and a net: faces [B,1,H,W] of any numeric dtype, 0..255 -> logits [B,7].

    Attributes:
        expressions: what each logit means.
    """

    def __init__(self, preprocess: nn.Module, net: nn.Module, expressions: tuple[str, ...]):
        super().__init__()
        self.preprocess, self.net, self.expressions = preprocess, net, expressions

    def forward(self, faces: Tensor) -> Tensor:
        return self.net(self.preprocess(faces))


class _Files(TypedDict):
    files: Annotated[dict[str, str], Field(min_length=1)]


class _StatedConfig(TypedDict):
    model: shapes.Model


class _StatedRun(TypedDict):
    config: _StatedConfig


class _Stated(TypedDict):
    """What a model's JSON must hold, that its net may be made."""

    expressions: list[str]
    runs: Annotated[list[_StatedRun], Field(min_length=1)]
    safetensors: _Files


def load(name: str | Path) -> Net:
    """The net of an exported model, its name or its .onnx file, on the CPU in eval mode, in float32.

    Raises:
        FerlabError: no such model, one without weights for torch, or files that are damaged or of another export.
    """
    path, stated = _stated(name)
    net, preprocess = nets_of(stated["runs"][0]["config"])
    load_net(net, {f"net.{key}": tensor for key, tensor in _tensors(path, stated).items()}, path)
    return Net(preprocess, net, tuple(stated["expressions"])).eval()


def is_name(weights: str) -> bool:
    """Whether this names a model at hand, or one that only the zoo has."""
    return weights in models.found() or weights in {row["name"] for row in models.not_installed()}


def weights_of(name: str) -> tuple[Config, dict[str, Tensor]]:
    """Config of the model (`net` and `input`) and tensors of the net in float32, of an exported model.

    Raises:
        FerlabError: as `load`.
    """
    path, stated = _stated(name)
    return stated["runs"][0]["config"]["model"], _tensors(path, stated)


def checksum(name: str) -> str:
    """The sha256 of an exported model's first file of weights."""
    return next(iter(_stated(name)[1]["safetensors"]["files"].values()))


def _stated(name: str | Path) -> tuple[Path, Json]:
    path = models.find(name)
    stated, file = models.stated(path), path.with_suffix(".json")
    if "safetensors" not in stated:
        there = [other for other, one in models.found().items() if "safetensors" in models.stated(one)]
        raise FerlabError(
            f"{path.stem} has no weights for torch; there are of: {', '.join(there) or 'none'}. Of a finished run: "
            "python -m ferlab.export runs=outputs/NAME safetensors=true"
        )
    shapes.read(_Stated, stated, file, "export the run anew")
    check_order(stated["expressions"], file)
    return path, stated


def _tensors(path: Path, stated: Json) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, sha256 in stated["safetensors"]["files"].items():
        refuse_name(name, f"a file in {path.with_suffix('.json')}", found=True)
        places = [folder / name for folder in (path.parent, *models.folders())]
        file = next((place for place in places if place.is_file()), places[0])
        try:
            content = file.read_bytes()
        except OSError as error:
            mend = f"copy the model again, or {models.INSTALL} in a checkout of ferlab"
            raise FerlabError(f"{file} cannot be read ({error.strerror}); {mend}") from None
        if (there := hashlib.sha256(content).hexdigest()) != sha256:
            raise FerlabError(
                f"{file} has sha256 {there[:12]}, and {path.stem}.json is of {sha256[:12]}; copy the model again"
            )
        found |= safetensors.torch.load(content)
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in found.items()}
