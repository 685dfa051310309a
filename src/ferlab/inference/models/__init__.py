"""The exported models that the package holds: NAME.onnx with NAME.json beside it, found by NAME."""

import json
from pathlib import Path

from ferlab.errors import FerlabError

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the expression models that are here; detectors of faces are none."""
    described = (file for file in _FOLDER.glob("*.json") if file.with_suffix(".onnx").is_file())
    return sorted(file.stem for file in described if "expressions" in json.loads(file.read_text(encoding="utf-8")))


def find(name: str | Path) -> Path:
    """The .onnx file of a model that the package holds, by its name (`five_layer`), or the file that a path names.

    Raises:
        FerlabError: the package holds no such model.
    """
    if Path(name).suffix == ".onnx":
        return Path(name)
    if str(name) not in names():
        raise FerlabError(
            f"this ferlab holds no model {str(name)!r}; there are: {', '.join(names()) or 'none'}. Give a file, as "
            "NAME.onnx; in a checkout, `make ship RUN=outputs/NAME` makes five_layer from a finished run"
        )
    return _FOLDER / f"{name}.onnx"
