"""The exported models at hand: NAME.onnx with NAME.json beside it, or NAME.json of an ensemble, found by NAME.

They lie in this package and in `ferlab_zoo`, which `pip install ./zoo` installs; a checkout's own zoo/ comes first.
NAME.measured.json holds what was measured of the finished file: `val`, `test`, `speed`, and by DATA-SPLIT `elsewhere`.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.files import Json, read_json

_FOLDER = Path(__file__).parent
ZOO = "ferlab_zoo"
INSTALL = "pip install ./zoo"
_AGAIN = "install ferlab again"
# Of each model that only the zoo holds its row of `catalogue`; publish writes it.
_IN_THE_ZOO = "in_the_zoo.json"


def found() -> dict[str, Path]:
    """Name -> file of each expression model, the .onnx or an ensemble's JSON; detectors of faces are none."""
    there: dict[str, Path] = {}
    for folder in folders():
        for file in sorted(folder.glob("*.json")):
            content = read_json(file, _AGAIN)
            if not isinstance(content, dict) or "expressions" not in content:
                continue
            path = file if "members" in content else file.with_suffix(".onnx")
            if path.is_file():
                there.setdefault(file.stem, path)
    return dict(sorted(there.items()))


def names() -> list[str]:
    """Names of the expression models at hand."""
    return list(found())


def find(name: str | Path) -> Path:
    """The file of a model by its name (`five_layer`), or the file that a path names.

    Raises:
        FerlabError: no model of that name is at hand.
    """
    if Path(name).suffix in (".onnx", ".json"):
        return Path(name)
    there = found()
    if str(name) not in there:
        raise FerlabError(
            f"this ferlab holds no model {str(name)!r}; there are: {', '.join(there) or 'none'}. {_hint(str(name))}"
        )
    return there[str(name)]


def detectors() -> list[Path]:
    """The .onnx files of the face detectors."""
    return sorted(_FOLDER.glob("face_*.onnx"))


def is_of_the_zoo(path: Path) -> bool:
    return path.parent != _FOLDER


def not_installed() -> list[Json]:
    """What `catalogue` says of each model that the zoo holds and this installation does not."""
    file = _FOLDER / _IN_THE_ZOO
    listed = read_json(file, _AGAIN) if file.is_file() else []
    there = found()
    return [row for row in listed if row["name"] not in there]


def list_zoo(rows: list[Json]) -> None:
    """Keep the rows of the zoo's models in the package, which then knows them without the zoo."""
    if rows or (_FOLDER / _IN_THE_ZOO).is_file():
        files.write_json(_FOLDER / _IN_THE_ZOO, rows)


def stated(path: Path) -> Json:
    """The JSON beside a model's file."""
    content: Json = read_json(path.with_suffix(".json"), _AGAIN)
    return content


def measured(path: Path) -> Json:
    """What was measured of a model's file; nothing where that was another file of its name."""
    file = path.with_suffix(".measured.json")
    content: Json = read_json(file, "measure it again") if file.is_file() else {}
    return content if content.get("sha256") == stated(path)["sha256"] else {}


def note(path: Path, **found: Json) -> None:
    """Add what was measured of a model's file (`val`, `test`, `speed`, `elsewhere`) to its NAME.measured.json."""
    known = measured(path)
    if "elsewhere" in found:  # one place after another
        found["elsewhere"] = known.get("elsewhere", {}) | found["elsewhere"]
    content = {"sha256": stated(path)["sha256"], **known, **found}
    files.write_json(path.with_suffix(".measured.json"), content)


def folders() -> Iterator[Path]:
    """The package's folder, then that of the zoo, if there is one."""
    yield _FOLDER
    source, root = _FOLDER.parents[2], _FOLDER.parents[3]
    own = root / "zoo" / ZOO
    if source.name == "src" and own.is_dir():
        yield own
    elif (spec := importlib.util.find_spec(ZOO)) and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0])


def _hint(name: str) -> str:
    if name in {row["name"] for row in not_installed()}:
        return f"{name} is one of the zoo's: {INSTALL} in a checkout of ferlab"
    return "Give a file, as NAME.onnx; in a checkout, `make ship RUN=outputs/NAME` makes five_layer from a finished run"
