"""Weights as a hub or a file gives them: under timm's names, not yet compared with the backbone that they are for."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ferlab.errors import FerlabError
from ferlab.runs import shapes

_KEY = "ferlab"  # in the metadata of a safetensors file


@dataclass(frozen=True)
class Normalisation:
    """What Preprocess makes of pixels: (scale * x - mean) / std for x in 0..1; one mean and std per channel."""

    mean: list[float]
    std: list[float]
    scale: float = 1.0


@dataclass(frozen=True)
class Published:
    """What timm's net needs to compute the same as a publisher's; tools/convert_weights.py writes it with the weights.

    Attributes:
        name: publisher, net and file.
        backbone: timm's net of the same function.
        hint: what to type for this backbone.
        input, caffe_strides, folded: see `weights.Pretrained`.
    """

    name: str
    backbone: str
    hint: str
    input: Normalisation
    caffe_strides: bool = False
    folded: bool = False

    @classmethod
    def of(cls, metadata: Mapping[str, str] | None) -> "Published | None":
        """The record in a safetensors file's metadata, or None."""
        if not metadata or _KEY not in metadata:
            return None
        try:
            record = json.loads(metadata[_KEY])
        except (ValueError, RecursionError) as error:
            raise FerlabError(f"the weights' metadata are no JSON ({error}); convert them again") from None
        return shapes.read(cls, record, "the weights' metadata", "convert them again")

    def metadata(self) -> dict[str, str]:
        return {_KEY: json.dumps(dataclasses.asdict(self))}

    def refuse_other(self, file: str, backbone: str) -> None:
        """Refuse a backbone that has tensors of the same names and computes something else.

        Raises:
            FerlabError: it is one.
        """
        if backbone.split(".")[0] != self.backbone:
            raise FerlabError(
                f"{file} is {self.name}, for timm's {self.backbone}; {backbone} would not compute the same, "
                f"whatever of it fits: type {self.hint}"
            )


@dataclass
class Found:
    """Weights under timm's names.

    Attributes:
        input: None if the source does not state it.
        outside: names of tensors of other parts of the net that the backbone was in.
        notes: remarks for the user.
        caffe_strides, folded, head, source: see `weights.Pretrained`.
    """

    state: dict[str, Tensor]
    source: str
    input: Normalisation | None = None
    caffe_strides: bool = False
    folded: bool = False
    head: dict[str, Tensor] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def reason(error: Exception) -> str:
    """An error's first line; torch has advice around it, also to load the file unsafely."""
    advice = ("Weights only load failed", "Please file an issue", "Check the documentation")
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith(advice)]
    return (lines or [type(error).__name__])[0][:200]
