"""The exported models that the package holds: NAME.onnx with NAME.json beside it, found by NAME."""

from pathlib import Path

from ferlab.errors import FerlabError

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the models that are here."""
    return sorted(file.stem for file in _FOLDER.glob("*.onnx") if file.with_suffix(".json").is_file())


def find(name: str | Path) -> Path:
    """The .onnx file of a model that the package holds, by its name (`five_layer`), or the file that a path names.

    Raises:
        FerlabError: the package holds no such model.
    """
    if Path(name).suffix == ".onnx":
        return Path(name)
    if name not in names():
        raise FerlabError(
            f"this ferlab holds no model {name!r}; there are: {', '.join(names()) or 'none'}. Give a file, as "
            "NAME.onnx; in a checkout, `make ship RUN=outputs/NAME` makes five_layer from a finished run"
        )
    return _FOLDER / f"{name}.onnx"
