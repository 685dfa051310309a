"""Nets whose publishers name their tensors otherwise than timm, and what else their files need in timm's nets."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

from ferlab.training.pretrained.found import Normalisation
from tools import dlib_file


def _same(name: str, expected: Collection[str]) -> str:
    return name


@dataclass(frozen=True)
class Net:
    """One publisher's net.

    Attributes:
        name: publisher and net.
        rename: (name in the file, names of the timm backbone's tensors) -> the tensor's name in timm.
        backbones: timm's nets of the same function, of which the file's shapes fit one.
        hint: what to type for such a backbone, `{backbone}` being the one that fits.
        input, caffe_strides, folded: see `ferlab.training.pretrained.weights.Pretrained`.
    """

    name: str
    rename: Callable[[str, Collection[str]], str]
    backbones: tuple[str, ...]
    hint: str
    input: Normalisation
    caffe_strides: bool = False
    folded: bool = False


def recognise(state: Mapping[str, Tensor], pickled: bool) -> Net | None:
    """Whose net a state is of, by its names; `pickled`: it was a plain pickle of numpy arrays."""
    if f"{dlib_file.PREFIX}conv1.weight" in state:
        return _DLIB
    if "_conv_stem.weight" in state:
        return _LITE
    if "conv1_7x7_s2.weight" in state:
        return _OXFORD_SENET if any("_1x1_down." in name for name in state) else _OXFORD_RESNET
    if "layer1.0.conv4.weight" in state:
        return _CYDONIA_SENET
    # cydonia999's ResNet-50 has timm's names: its classifier, or how it was saved, shows that it is VGGFace2's.
    identities = len(state["fc.weight"]) if "fc.weight" in state else 8631 if pickled else 0
    return _CYDONIA_RESNET if identities == 8631 and "layer1.0.conv3.weight" in state else None


def _cydonia_senet(name: str, expected: Collection[str]) -> str:
    name = re.sub(r"^(conv1|bn1)\.", r"layer0.\1.", name)
    return name.replace(".conv4.", ".se_module.fc1.").replace(".conv5.", ".se_module.fc2.")


def _oxford_resnet(name: str, expected: Collection[str]) -> str:
    if stem := re.fullmatch(r"conv1_7x7_s2(_bn)?\.(\w+)", name):
        return f"{'bn1' if stem[1] else 'conv1'}.{stem[2]}"
    block = re.fullmatch(r"conv(\d)_(\d)_(\w+?)(_bn)?\.(\w+)", name)  # conv2_1 is the first block of layer1
    if not block or block[3] not in _OXFORD_PARTS:
        return name
    part = _OXFORD_PARTS[block[3]][bool(block[4])]
    return f"layer{int(block[1]) - 1}.{int(block[2]) - 1}.{part}.{block[5]}"


def _oxford_senet(name: str, expected: Collection[str]) -> str:
    return re.sub(r"^(conv1|bn1)\.", r"layer0.\1.", _oxford_resnet(name, expected))


_OXFORD_PARTS = {
    "1x1_reduce": ("conv1", "bn1"),
    "3x3": ("conv2", "bn2"),
    "1x1_increase": ("conv3", "bn3"),
    "1x1_proj": ("downsample.0", "downsample.1"),
    "1x1_down": ("se_module.fc1", "?"),
    "1x1_up": ("se_module.fc2", "?"),
}


def _lite(name: str, expected: Collection[str]) -> str:
    """efficientnet_pytorch counts blocks through the whole net, timm within its stages."""
    outer, _, rest = name.partition(".")
    if outer in _LITE_OUTER:
        return f"{_LITE_OUTER[outer]}.{rest}"
    inner = re.fullmatch(r"(\d+)\._(\w+)\.(\w+)", rest)
    places = sorted({tuple(map(int, known.split(".")[1:3])) for known in expected if known.startswith("blocks.")})
    if outer != "_blocks" or not inner or int(inner[1]) >= len(places):
        return name
    block = "blocks.{}.{}".format(*places[int(inner[1])])
    parts = _LITE_PARTS if f"{block}.conv_pwl.weight" in expected else _LITE_PARTS_UNEXPANDED
    return f"{block}.{parts.get(inner[2], inner[2])}.{inner[3]}"


_LITE_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_LITE_PARTS = {
    "expand_conv": "conv_pw",
    "bn0": "bn1",
    "depthwise_conv": "conv_dw",
    "bn1": "bn2",
    "project_conv": "conv_pwl",
    "bn2": "bn3",
}
_LITE_PARTS_UNEXPANDED = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}

# VGGFace2 (Cao et al. 2018, arXiv:1710.08092): pixels 0..255 minus the training faces' mean. Caffe's nets read BGR.
# cydonia999's files keep that order (his datasets/vgg_face2.py turns RGB into BGR and takes off mean_bgr), so plane 0
# of conv1 is blue; the official PyTorch files were converted to RGB (`meta` in their modules, and ox-vgg's feature
# extractor). A grey face is the same in all planes, but each plane must lose its own mean.
_BGR = Normalisation([91.4953, 103.8827, 131.0912], [1.0, 1.0, 1.0], 255.0)
_RGB = Normalisation([131.0912, 103.8827, 91.4953], [1.0, 1.0, 1.0], 255.0)
_SENET = (("legacy_seresnet50",), "model=senet50")
_RESNET = (("resnet50",), "model=resnet50")
_CYDONIA_SENET = Net("VGGFace2's SENet-50 (cydonia999)", _cydonia_senet, *_SENET, _BGR)
_OXFORD_SENET = Net("VGGFace2's SENet-50 (Oxford)", _oxford_senet, *_SENET, _RGB)
_CYDONIA_RESNET = Net("VGGFace2's ResNet-50 (cydonia999)", _same, *_RESNET, _BGR, caffe_strides=True)
_OXFORD_RESNET = Net("VGGFace2's ResNet-50 (Oxford)", _oxford_resnet, *_RESNET, _RGB, caffe_strides=True)
# Pixels as (x - 127) / 128, and TensorFlow's padding (tensorflow/tpu, efficientnet/lite/efficientnet_lite_builder.py).
_LITE = Net(
    "EfficientNet-lite (efficientnet_lite_pytorch)",
    _lite,
    tuple(f"tf_efficientnet_lite{n}" for n in range(5)),
    "model=efficientnet_lite0 model.net.backbone={backbone}",
    Normalisation([127 / 255] * 3, [128 / 255] * 3),
)
_DLIB = Net(
    "dlib's face recognition net",
    lambda name, expected: name.removeprefix(dlib_file.PREFIX),
    ("dlib_resnet29",),
    "model=dlib_resnet29",
    # dlib's input_rgb_image: RGB in 0..255 minus these means, divided by 256
    Normalisation([122.782, 117.001, 104.298], [256.0, 256.0, 256.0], 255.0),
    folded=True,
)
