"""What a file of a run, a report or a study must hold before anything is done with it: others may have written it."""

import json
from typing import Annotated, Any, Literal, NotRequired, TypeVar

from annotated_types import Ge, Le, Len, Predicate
from typing_extensions import TypedDict  # typing has one that pydantic takes from 3.12 on

from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS, K
from ferlab.files import Json

R = TypeVar("R")


class _Input(TypedDict):
    mean: list[float]
    std: list[float]
    scale: NotRequired[float]


class Model(TypedDict):
    net: Json
    input: _Input


class Data(TypedDict):
    """What is read of a run's data config."""

    root: str
    sources: list[Json]
    auxiliary: NotRequired[list[Json]]


class _Augment(TypedDict):
    policy: list[Json]


class Config(TypedDict):
    """What is read of config.yaml."""

    name: NotRequired[str | float]
    outputs: NotRequired[str]
    model: NotRequired[Model]  # who opens the net or the faces asks for it
    data: NotRequired[Data]
    augment: NotRequired[_Augment]


class Info(TypedDict, total=False):
    """What is read of run.json."""

    status: str
    model: str | None
    data: str | None
    class_weights: str | None
    parameters: int | None
    expressions: list[str] | None
    class_counts: dict[str, float]
    teacher: Json | None
    environment: dict[str, str]
    val_accuracy: float | None
    epochs: int | None
    seconds: float | None


_Ratio = Annotated[float, Ge(0), Le(1)]
_Interval = Annotated[list[float], Len(2, 2)]
_Counts = Annotated[list[Annotated[int, Ge(0)]], Len(K, K)]
_ByClass = Annotated[dict[Annotated[str, Predicate(EXPRESSIONS.__contains__)], float | None], Len(K)]


class _Right(TypedDict):
    n: Annotated[int, Ge(0)]
    correct: Annotated[int, Ge(0)]
    accuracy: _Ratio | None
    interval95: NotRequired[_Interval | None]


class _Bin(TypedDict):
    n: int
    confidence: float | None
    accuracy: float | None


class Report(_Right):
    """What is read of report.json, whoever compares it."""

    name: str
    split: Literal["val", "test"]
    tta: str
    tta_space: NotRequired[str]
    members: NotRequired[Annotated[list[str], Len(1)]]
    model: NotRequired[str | None]
    data: NotRequired[str | None]
    weights_sha256: NotRequired[list[str]]
    faces_sha256: NotRequired[str]
    without_train_twins: NotRequired[_Right]
    support: NotRequired[dict[str, int]]
    macro_recall: NotRequired[float | None]
    disgust_misclassification: NotRequired[float | None]
    environment: NotRequired[dict[str, Any]]
    config: NotRequired[Json]
    run: NotRequired[Json]
    export: NotRequired[Json]


class Measured(TypedDict):
    """What a page shows of a report; one that was written otherwise than by evaluate may lack it."""

    recall: _ByClass
    precision: _ByClass
    f1: _ByClass
    support: _ByClass
    macro_recall: float | None
    macro_f1: float | None
    disgust_misclassification: float | None
    confusion_matrix: Annotated[list[_Counts], Len(K, K)]
    reliability: list[_Bin]
    ece: float | None
    nll: float | None
    brier: float | None
    data: str
    without_train_twins: _Right
    interval95: _Interval | None
    interval_method: str


def read(shape: type[R], content: Any, file: object, mend: str) -> R:
    """JSON content as a dataclass or a TypedDict. It may hold other keys, which the result lacks.

    Args:
        file: where it stands, for the message.
        mend: what to type, for the message.

    Raises:
        FerlabError: a key is missing or of another type.
    """
    from pydantic import TypeAdapter, ValidationError  # 0.1 s, which only what reads files should wait for

    try:
        # As JSON, whose lists may be tuples and whose keys may be numbers; all else is as it stands.
        return TypeAdapter(shape).validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        places: dict[bool, list[str]] = {True: [], False: []}
        for found in error.errors():
            places[found["type"] == "missing"].append(".".join(map(str, found["loc"])) or "content")
    except (ValueError, TypeError, RecursionError) as error:  # as a config.yaml that holds itself
        raise FerlabError(f"{file} holds what JSON cannot hold ({error}); {mend}") from None
    lacks, wrong = (", ".join(dict.fromkeys(places[missing][:20])) for missing in (True, False))
    what = " and ".join([f"lacks {lacks}"] * bool(lacks) + [f"has another type of {wrong}"] * bool(wrong))
    raise FerlabError(f"{file} {what}; {mend}")
