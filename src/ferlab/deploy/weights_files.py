"""A trained net in, safetensors files out: its weights for whoever goes on in torch, as `ferlab.zoo` reads them.

The layout is Hugging Face's: NAME.safetensors, or NAME-00001-of-00002.safetensors and so on with
NAME.safetensors.index.json where one file would be too large.
"""

import hashlib
from pathlib import Path

import safetensors.torch
import torch
from huggingface_hub import split_torch_state_dict_into_shards
from torch import Tensor

from ferlab import files
from ferlab.data.faces import Faces
from ferlab.files import Json
from ferlab.metrics import statistics
from ferlab.predictors.predictor import Model, predict

_HEADER = 0.02  # share of a file that is left for names and shapes


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of layers in half precision. Biases, norms and numbers that float16 has not stay: they are small."""
    limit = torch.finfo(torch.float16).max

    def of(tensor: Tensor) -> Tensor:
        fits = tensor.is_floating_point() and tensor.ndim > 1 and tensor.abs().max() <= limit
        return (tensor.half() if fits else tensor).contiguous()

    return {key: of(tensor) for key, tensor in state.items()}


def write(model: Model, val: Faces, path: Path, largest_mb: float) -> Json:
    """Write the weights of a model's net; gives what its JSON says of them: files, bytes, and the accuracy on val.

    The accuracy is that of the halved weights, computed in float32. The model has them afterwards.

    Args:
        path: of the files, without suffix.
        largest_mb: of a file.

    Raises:
        FerlabError: the disk refuses (full, read-only).
    """
    state = halved(model.net.state_dict())
    model.net.load_state_dict(state)
    right = predict(model, val.pixels).argmax(1) == val.labels
    pattern, room = f"{path.name}{{suffix}}.safetensors", int(1e6 * largest_mb * (1 - _HEADER))
    split = split_torch_state_dict_into_shards(state, filename_pattern=pattern, max_shard_size=room)
    contents = {
        file: safetensors.torch.save({key: state[key] for key in keys}, {"format": "pt"})
        for file, keys in split.filename_to_tensors.items()
    }
    index = path.with_name(f"{path.name}.safetensors.index.json")
    with files.naming(path):
        shards = path.parent.glob(f"{path.name}-?????-of-?????.safetensors")
        for old in (*shards, path.with_name(f"{path.name}.safetensors"), index):
            old.unlink(missing_ok=True)
    for file, content in contents.items():
        files.write_bytes(path.with_name(file), content)
    if split.is_sharded:
        files.write_json(index, {"metadata": split.metadata, "weight_map": split.tensor_to_filename})
    return {
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
        "bytes": sum(map(len, contents.values())),
        "precision": "fp16",
        "val": statistics.accuracy_of(right),
    }
