"""What a typed value may be: type and range of each number in conf/, and which keys there are.

Choices of words are checked where they are read, and a net's or an augmentation's arguments by its own constructor.
"""

import math
from collections.abc import Collection, Iterator
from functools import cache
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len, Lt

from ferlab.errors import FerlabError, nearest
from ferlab.files import Config, refuse_name

_Count = Annotated[int, Ge(1)]
_Whole = Annotated[int, Ge(0)]
_Seed = Annotated[int, Ge(0), Lt(2**32)]
_NotNegative = Annotated[float, Ge(0)]
_Positive = Annotated[float, Gt(0)]
_Share = Annotated[float, Ge(0), Le(1)]
_Part = Annotated[float, Gt(0), Le(1)]
_Text = Annotated[str, Len(1)]
_Names = _Text | Annotated[list[_Text], Len(1)]
_Nodes = list[dict[str, Any]]
_Batches = _Count | _Part  # as Lightning's limits: a number of batches, or a share of them

# By dotted key, in any command that has it.
_VALUES: dict[str, Any] = {
    **dict.fromkeys(("seed", "calibration.seed", "data.seed"), _Seed),
    **dict.fromkeys(("batch_size", "folds", "repeats", "parity_faces", "calibration.faces", "opset", "jobs"), _Count),
    **dict.fromkeys(("faces", "window_px", "stride_px", "curve_steps", "sanity_faces"), _Count),
    **dict.fromkeys(("sanity_stages", "greedy.size", "save_every"), _Count),
    **dict.fromkeys(("data.n_train", "data.n_val", "data.n_test", "trainer.max_epochs", "trainer.num_nodes"), _Count),
    **dict.fromkeys(("shown", "examples", "greedy.bags", "num_workers", "early_stopping", "unfreeze_every"), _Whole),
    **dict.fromkeys(
        ("lr", "weight_decay", "warmup_epochs", "sam_rho", "mixup", "cutmix", "logit_adjustment"), _NotNegative
    ),
    **dict.fromkeys(("teacher_temperature", "margin.side_ratio", "tolerance.fp32", "tolerance.fp16"), _Positive),
    **dict.fromkeys(("teacher_share", "label_smoothing", "ambiguous_gap", "specialist_level"), _Share),
    **dict.fromkeys(("wanted_accuracy", "layer_decay"), _Part),
    **dict.fromkeys(("class_weights_beta", "momentum", "ema_decay"), Annotated[float, Ge(0), Lt(1)]),
    **dict.fromkeys(("train_norms", "skip_finished", "each", "skip_measured", "near", "replace"), bool),
    **dict.fromkeys(("dirty", "tables", "dry", "greedy.replacement", "calibration.reduce_range"), bool),
    **dict.fromkeys(("outputs", "data.root"), _Text),
    "ledger": _Text | None,
    **dict.fromkeys(("trainer.limit_train_batches", "trainer.limit_val_batches"), _Batches),
    **dict.fromkeys(("runs", "tta", "teacher", "only"), _Names | None),
    **dict.fromkeys(("methods", "precision", "loggers"), _Names),
    **dict.fromkeys(("weights", "out", "into", "against"), _Text | None),
    **dict.fromkeys(("model", "model.net", "model.input", "augment", "trainer"), dict[str, Any]),
    **dict.fromkeys(("augment.policy", "data.sources", "data.auxiliary"), _Nodes),
    "priors": _Text | Annotated[list[_NotNegative], Len(7, 7)] | None,
    "corruptions": _Text | list[_Text],
    "steps": _Count | dict[str, Any],  # of an integral, or of a paper
    "plateau_patience": _Whole,
    "margin.raise_ratio": float,
    "sanity_limit": Annotated[float, Ge(-1), Le(1)],
    "coverages": Annotated[list[_Part], Len(1)],
    "strengths": list[Annotated[int, Ge(1), Le(5)]],
    "devices": Literal["auto"] | _Count,
    "cuda_graph": Literal["pass", "step"],
    **dict.fromkeys(("compile", "sync_batchnorm"), Literal["auto"] | bool),
    "trainer.check_val_every_n_epoch": _Count,
    "trainer.overfit_batches": _Share | _Whole,
    "trainer.gradient_clip_val": _NotNegative | None,
    "trainer.fast_dev_run": bool | _Whole,
    "trainer.enable_progress_bar": bool,
}
_NAMES = ("name", "data.name", "model.name")
_DATA = ("name", "root", "sources", "auxiliary", "leaks")
_SYNONYMS = {"learning_rate": "lr", "epochs": "trainer.max_epochs", "logger": "loggers"}
# Of pydantic's messages.
_WORDS = {
    "Input should be ": "",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid string": "a text",
    "a valid list": "a list",
    "a valid dictionary": "keys and values",
    "List should have at least 1 item after validation, not 0": "a list of at least 1",
    "greater than or equal to": "a number of at least",
    "less than or equal to": "a number of at most",
    "greater than": "a number above",
    "less than": "a number below",
    "String should have at least 1 character": "some text",
}
# Keys of parts whose other keys nobody would read.
_PARTS = {
    "model": ("name", "net", "input"),
    "augment": ("policy",),
    "greedy": ("size", "replacement", "score", "bags"),
    "margin": ("side_ratio", "raise_ratio"),
    "tolerance": ("fp32", "fp16"),
    "calibration": ("faces", "seed", "reduce_range"),
}


def check(config: Config, known: Collection[str]) -> None:
    """Refuse what a config says by mistake, before anything is made.

    Args:
        known: the keys of the command.

    Raises:
        FerlabError: a key that nothing reads, a number of another type or out of its range, or a name that is none.
    """
    for before, keys in {"": known, **_PARTS}.items():
        free = before == "" and "paper" in known  # a paper's steps have keys of their own, to refer to
        for key in _part(config, before):
            if key not in keys and not free:
                raise FerlabError(_unread(before, key, keys, config))
    for key in _part(config, "data"):  # a data set may have keys of its own, as conf/data/drawn.yaml
        if key not in _DATA and nearest(key, _DATA):
            raise FerlabError(_unread("data", key, _DATA, config))
    if wrong := [words for key, value in _leaves(config) if (words := _fault(key, value))]:
        raise FerlabError("; ".join(wrong[:3]))
    for key, value in _leaves(config):
        if key in _NAMES and value is not None:
            refuse_name(value, key)


def _part(config: Config, name: str) -> Config:
    part = config.get(name) if name else config
    return part if isinstance(part, dict) else {}


def _unread(before: str, key: str, known: Collection[str], config: Config) -> str:
    """What is said of a key that nothing reads; meant may be one that is called so in another part, as max_epochs."""
    dot = f"{before}." if before else ""
    meant = {dotted.rpartition(".")[2]: dotted for dotted, _ in _leaves(config) if dotted != dot + key}
    meant |= {name: dot + name for name in known} | _SYNONYMS
    near = meant.get(nearest(key, meant))
    return f"nothing reads {dot}{key}; " + (f"did you mean {near}?" if near else "leave it out, or see --help")


def _leaves(node: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted key; parts and lists by their own key, and what is in them too."""
    if isinstance(node, dict):
        if before:
            yield before, node
        for key, value in node.items():
            yield from _leaves(value, f"{before}.{key}" if before else str(key))
    else:
        yield before, node
        for item in node if isinstance(node, list) else ():
            yield from _leaves(item, f"{before}[]")


def _fault(key: str, value: Any) -> str:
    from pydantic import ValidationError

    if isinstance(value, float) and not math.isfinite(value):
        return f"{key} is {value}; expected a number that is finite"
    if key not in _VALUES:
        return ""
    try:
        _reader(key).validate_python(value, strict=True)
    except ValidationError as error:
        wanted = " or ".join(dict.fromkeys(one["msg"] for one in error.errors()))
        for found, shorter in _WORDS.items():
            wanted = wanted.replace(found, shorter)
        return f"{key} is {value!r}; expected {wanted}"
    return ""


@cache
def _reader(key: str) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(_VALUES[key])
