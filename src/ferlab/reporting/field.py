"""What others report on a test split (docs/field.yaml) beside what we measured: one list of systems, and its two texts.

The rows of others are data that anybody may add to; ours come from results/ alone.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NotRequired

import yaml
from annotated_types import Ge, Le
from typing_extensions import TypedDict

from ferlab.errors import FerlabError
from ferlab.files import Json
from ferlab.metrics.statistics import interval95
from ferlab.reporting import markdown
from ferlab.reporting.markdown import Report
from ferlab.reporting.recipes import Recipe
from ferlab.runs import directory, shapes

IMAGES = 3589  # of PrivateTest; an accuracy whose source does not say its images has the interval of so many
OURS, POSTER, FIELD = "ours", "poster", "field"
LOW = "low"  # the trust of a figure against which something is known


class _Row(TypedDict):
    system: str
    year: Annotated[int, Ge(2013)]
    accuracy: Annotated[float, Ge(1), Le(100)]
    images: Annotated[int, Ge(1)] | None
    nets: Annotated[int, Ge(1)] | None
    parameters: Annotated[int, Ge(1)] | None
    extra_data: str | None
    protocol: str
    trust: Literal["full", "plausible", "low"]
    source: str
    group: Literal["poster", "field"]
    ours: NotRequired[str]
    measured: NotRequired[str]


class _Rows(TypedDict):
    rows: list[_Row]


@dataclass(frozen=True)
class System:
    """A row of the list. None is not known.

    Attributes:
        accuracy, interval: ratios in 0..1; the interval is Wilson's of 95 %, of several seeds the mean of theirs.
        images: on which it was measured.
        parameters: of all nets together.
        trust: full, plausible or low, as docs/field.yaml defines them.
        group: OURS, POSTER or FIELD.
        ours: name of our row that builds the same system.
        measured: name of the row of results/ that holds our measurement of its file.
    """

    name: str
    year: int
    accuracy: float
    interval: tuple[float, float]
    images: int | None
    nets: int | None
    parameters: int | None
    extra_data: str | None
    protocol: str
    trust: str
    source: str
    group: str
    ours: str | None = None
    measured: str | None = None

    @property
    def part(self) -> str:
        """The name without what stands before its comma: `five layers` of `poster, five layers`."""
        return self.name.partition(", ")[2] or self.name


def of_others(path: Path) -> list[System]:
    """The rows of docs/field.yaml, in its order.

    Raises:
        FerlabError: the file is missing or no YAML, or a row lacks a field or has another type of one.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise FerlabError(f"{path} cannot be read ({' '.join(str(error).split())}); restore it from git") from None
    rows = shapes.read(_Rows, {"rows": content}, path, "its first lines say which fields a row has, and of which type")
    return [_of_row(row) for row in rows["rows"]]


def _of_row(row: _Row) -> System:
    n = row["images"] or IMAGES
    low, high = interval95(round(n * row["accuracy"] / 100), n) or (0.0, 1.0)
    known = {key: value for key, value in row.items() if key not in ("system", "accuracy")}
    return System(name=row["system"], accuracy=row["accuracy"] / 100, interval=(low, high), **known)  # type: ignore[arg-type]


def of_ours(rows: Sequence[Recipe], views: str) -> list[System]:
    """Rows of results/, each in `views`, or in what it was measured in where it was not measured in these."""
    return [_of_recipe(row, *row.best_known("test", views)) for row in rows]


def _of_recipe(row: Recipe, views: str, found: Sequence[Report]) -> System:
    first = found[0]
    return System(
        name=row.title,
        year=int(first["evaluated_at"][:4]),
        nets=len(first["members"]),
        parameters=first["parameters"],
        extra_data=_extra_data(first),
        protocol=_protocol(row, views, first),
        **_measured(found),
        source=f"results/, {row.name}",
        group=OURS,
    )


def _measured(found: Sequence[Report]) -> Json:
    """What reports, one a seed, say of a system."""
    low, high = (statistics.mean(r["interval95"][end] for r in found) for end in (0, 1))
    accuracy = statistics.mean(r["accuracy"] for r in found)
    return {"accuracy": accuracy, "interval": (low, high), "images": found[0]["n"], "trust": "full"}


def listed(others: Path, rows: Sequence[Recipe], foreign: Sequence[Recipe], views: str) -> list[System]:
    """Others' systems and ours by falling accuracy.

    Args:
        rows: ours.
        foreign: what was measured of others' files; such a figure takes the place of the one that was reported.

    Raises:
        FerlabError: as `of_others`, or a file that a row calls measured was not.
    """
    known = {row.name: row.best_known("test", views)[1] for row in foreign}
    theirs = []
    for one in of_others(others):
        if one.measured and not known.get(one.measured):
            raise FerlabError(
                f"measured is {one.measured!r} for {one.name}, and no foreign file of that name was published with its "
                f"accuracy on test; type python -m ferlab.evaluate weights={one.measured}.onnx split=test"
            )
        theirs.append(replace(one, **_measured(known[one.measured])) if one.measured else one)
    return sorted([*theirs, *of_ours(rows, views)], key=lambda one: (-one.accuracy, one.name))


def table(systems: Sequence[System]) -> str:
    """The list as Markdown; ours are bold."""
    head = [
        "system",
        "year",
        "PrivateTest",
        "images",
        "nets",
        "parameters",
        "extra data",
        "trust",
        "protocol",
        "source",
    ]
    body = [
        [
            f"**{one.name}**" if one.group == OURS else one.name,
            str(one.year),
            markdown.with_interval(one.accuracy, one.interval),
            *(_known(value) for value in (one.images, one.nets)),
            _known(one.parameters and f"{one.parameters / 1e6:.1f} M"),
            _known(one.extra_data),
            one.trust,
            one.protocol,
            one.source,
        ]
        for one in systems
    ]
    return markdown.markdown(head, body, words=("extra data", "trust", "protocol", "source")) + "\n\n" + CAPTION


CAPTION = (
    "Percent, by falling accuracy, with 95 % intervals (Wilson): of our seeds the mean of theirs; where the number of "
    f"images is not known, as if it were {IMAGES:,}. Ours are bold. A dash: not known."
)


def _known(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _configs(report: Report) -> list[Mapping[str, Any]]:
    """The config of each training that a report is of."""
    if "export" in report:
        return [run["config"] for run in report["export"]["runs"]]
    config: Json = report["config"]
    return [config] if len(report["members"]) == 1 else list(config.values())


def _extra_data(report: Report) -> str:
    """What the trainings learned from besides FER2013: auxiliary faces, foreign weights, a teacher's probabilities."""
    configs = _configs(report)
    found = sorted({f"faces of {config['data']['name']}" for config in configs if config["data"].get("auxiliary")})
    weights = {str(config.get("weights", "none")) for config in configs} - {"none"}
    if names := sorted(PurePath(one).stem for one in weights if not one.endswith(directory.WEIGHTS[-1])):
        found.append(f"weights {', '.join(names)}")
    found += ["its teacher's"] if _distilled(configs) else []
    return "; ".join(found) or "none"


def _distilled(configs: Sequence[Mapping[str, Any]]) -> bool:
    return any(config.get("teacher") for config in configs)


def _protocol(row: Recipe, views: str, report: Report) -> str:
    words = [f"mean of {row.runs} seeds"] if row.runs > 1 else []
    words += [markdown.view_title(views)]
    words += ["distilled"] if _distilled(_configs(report)) else []
    words += ["members chosen on PublicTest"] if "chosen_on" in report else []
    text = ", ".join(words)
    return f"{text[0].upper()}{text[1:]}."
