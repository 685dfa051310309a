"""RGBA crops in, probabilities out: an exported model opened with numpy and onnxruntime alone, without torch.

An export is two files, NAME.onnx and NAME.json beside it. The graph holds the preprocessing; the JSON says which file
it is of (sha256), what each output means, how a face is cut out and below which confidence a label is withheld. The
JSON of an ensemble names several .onnx beside it, its members, and the weight of each. This module alone decides when
JSON and graphs are trusted.
"""

import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

from ferlab.errors import FerlabError
from ferlab.expressions import K, check_order
from ferlab.files import Json, read_json, refuse_name

FORMAT = 1  # of the JSON; raise it when a key changes its meaning
INPUT, OUTPUT = "rgba", "probabilities"
_SUM_TOLERANCE = 1e-2  # of a row of probabilities: half precision rounds
_VIEWS = 256  # that a net gets at once: the memory of its layers grows with them
# Of a predictor. More take more CPU time, and on a busy machine more time too: benchmarks/predict_threads.py.
THREADS, SPINNING = 1, "0"
_LARGEST = 10  # ratio of a margin: the picture's rim is repeated that far
_FOREIGN = "Of a model that ferlab did not export, docs/field.md shows"
THRESHOLD = 0.0  # where the JSON states none, as in web/src/models.ts: no label is withheld


class Margin(NamedTuple):
    """The square to cut out around a detector's box, so that it frames a face as FER2013's are framed.

    Attributes:
        side_ratio: side of the square over the longer side of the box.
        raise_ratio: how far the square's centre lies above the box's, over the box's height.
    """

    side_ratio: float
    raise_ratio: float


class OnnxModel:
    """An exported model: crops uint8 [B,H,W,4] of any size -> probabilities float32 [B,7].

    Attributes:
        path: the .onnx file, or the JSON of an ensemble.
        expressions: what each column of the probabilities means.
        margin: how crops are cut out.
        threshold: confidence in 0..1 below which a label is withheld, as chosen at export.
        sidecar: the whole JSON.
    """

    def __init__(self, path: Path, sidecar: Mapping[str, Any], sessions: Sequence[onnxruntime.InferenceSession]):
        self.path, self.sidecar, self._sessions = path, dict(sidecar), list(sessions)
        weights = [member["weight"] for member in sidecar.get("members", [{"weight": 1.0}])]
        self._weights = [weight / sum(weights) for weight in weights]
        self.expressions: tuple[str, ...] = tuple(sidecar["expressions"])
        self.margin = Margin(**sidecar["margin"])
        stated = sidecar.get("threshold")
        self.threshold: float = THRESHOLD if stated is None else stated

    @classmethod
    def open(cls, path: str | Path, threads: int = 0) -> "OnnxModel":
        """The model in an .onnx file with its JSON beside it, or the ensemble of a JSON with its members beside it.

        Args:
            threads: that a batch is computed on; 0 for as many as onnxruntime likes.

        Raises:
            FerlabError: a file is missing or damaged, they are not of one export, the classes are others or in another
                order, or the graph has another input or output.
        """
        path = Path(path)
        sidecar = read_sidecar(path)
        if "members" in sidecar:
            path = path.with_suffix(".json")
            files = [(path.with_name(member["file"]), member["sha256"]) for member in sidecar["members"]]
        else:
            path = path.with_suffix(".onnx") if path.suffix == ".json" else path
            files = [(path, sidecar["sha256"])]
        sessions = [_session(file, sha256, sidecar, path.with_suffix(".json").name, threads) for file, sha256 in files]
        return cls(path, sidecar, sessions)

    def __call__(self, rgba: np.ndarray) -> np.ndarray:
        """Probabilities float32 [B,7] of crops uint8 [B,H,W,4] of one size; alpha is left out.

        Raises:
            FerlabError: another type or shape, or the graph gives what are no probabilities.
        """
        if rgba.dtype != np.uint8 or rgba.ndim != 4 or rgba.shape[3] != 4 or not min(rgba.shape[1:3]):
            raise FerlabError(f"expected crops uint8 [B,H,W,4], found {rgba.dtype} {list(rgba.shape)}")
        if not len(rgba):
            return np.zeros((0, K), np.float32)
        views = self.sidecar.get("views")
        rows = max(1, _VIEWS // len(views)) if isinstance(views, list) and len(views) > 1 else len(rgba)
        parts = [np.ascontiguousarray(rgba[i : i + rows]) for i in range(0, len(rgba), rows)]
        answers = [self._mean(part) for part in parts]
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    def _mean(self, rgba: np.ndarray) -> np.ndarray:
        """Crops -> the weighted mean of what the graphs answer, float32 [B,7]."""
        if len(self._sessions) == 1:
            return self._rows(self._sessions[0], rgba)
        weighted = [w * self._rows(session, rgba) for w, session in zip(self._weights, self._sessions, strict=True)]
        return functools.reduce(np.add, weighted)

    def _rows(self, session: onnxruntime.InferenceSession, rgba: np.ndarray) -> np.ndarray:
        """Crops -> what one graph answers, if that are probabilities."""
        try:
            rows = session.run([OUTPUT], {INPUT: rgba})[0]
        except Exception as error:  # as in `open`; a graph may take other batches than it says, or any memory
            raise FerlabError(
                f"{self.path} fails on crops {list(rgba.shape)} ({_first_line(error)}); export the run anew"
            ) from error
        if rows.shape != (len(rgba), K):
            raise FerlabError(f"{self.path} gives {list(rows.shape)}, expected [{len(rgba)},{K}]; export the run anew")
        totals = rows.sum(1)  # two numbers say that all is well: of one face each pass of numpy's costs a percent
        if not (rows.min() >= 0 and np.abs(totals - 1).max() <= _SUM_TOLERANCE):  # so are NaN and infinity
            wrong = ~((rows >= 0).all(1) & (np.abs(totals - 1) <= _SUM_TOLERANCE))
            found = [round(float(p), 3) for p in rows[wrong][0]]
            raise FerlabError(
                f"{self.path} gives {found}, which are no probabilities: expected a sum of 1; export the run anew"
            )
        return rows


def session_of(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A graph on the CPU; `threads` 0 for as many as onnxruntime likes. None of them waits by spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", SPINNING)
    options.log_severity_level = 3  # errors: what it warns of, nobody who runs a model can mend
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def rgba_of(faces: np.ndarray) -> np.ndarray:
    """Grey faces uint8 [N,S,S] as the crops uint8 [N,S,S,4] that show them."""
    rgba = np.repeat(faces[..., None], 4, axis=3)
    rgba[..., 3] = 255
    return rgba


def members_sha256(members: Sequence[Mapping[str, Any]]) -> str:
    """The checksum by which an ensemble is known: of its members' checksums and weights."""
    lines = [f"{member['sha256']} {member['weight']!r}" for member in members]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_sidecar(path: Path) -> Json:
    """The JSON beside an .onnx file, checked but for the checksum; raises FerlabError as `OnnxModel.open`."""
    file, mend = path.with_suffix(".json"), "copy it again, or export the run anew"
    if not file.exists():
        raise FerlabError(
            f"{file} is missing; an exported model is {path.name} with {file.name} beside it. {_FOREIGN} the shortest"
        )
    sidecar = read_json(file, mend)
    needed = {"format", "sha256", "expressions", "margin"}
    if not isinstance(sidecar, dict) or needed - sidecar.keys():
        lacks = ", ".join(sorted(needed - (sidecar.keys() if isinstance(sidecar, dict) else set())))
        raise FerlabError(f"{file} is not of an exported model: it lacks {lacks}. {_FOREIGN} the shortest")
    if sidecar["format"] != FORMAT:
        raise FerlabError(f"{file} has format {sidecar['format']}, expected {FORMAT}; export the run anew")
    if not isinstance(sidecar["sha256"], str):
        raise FerlabError(f"{file}: expected a text as sha256, found {sidecar['sha256']!r}; {mend}")
    check_order(sidecar["expressions"] or (), file)
    margin = sidecar["margin"]
    if not isinstance(margin, dict) or margin.keys() != set(Margin._fields):
        raise FerlabError(f"{file}: expected margin with {' and '.join(Margin._fields)}, found {margin}")
    numbers = all(isinstance(value, int | float) and abs(value) <= _LARGEST for value in margin.values())
    if not numbers or margin["side_ratio"] <= 0:
        raise FerlabError(f"{file}: expected margins of at most {_LARGEST}, the side's above 0, found {margin}; {mend}")
    threshold = sidecar.get("threshold")
    if threshold is not None and not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
        raise FerlabError(f"{file}: expected a threshold from 0 to 1 or null, found {threshold}; export the run anew")
    if "members" in sidecar:
        _check_members(sidecar, file)
    return sidecar


def _check_members(sidecar: Json, file: Path) -> None:
    members, keys = sidecar["members"], {"file": str, "sha256": str, "weight": float}
    whole = isinstance(members, list) and all(
        isinstance(one, dict) and all(isinstance(one.get(key), kind) for key, kind in keys.items()) for one in members
    )
    if not whole or not members or not all(0 < one["weight"] < math.inf for one in members):
        raise FerlabError(
            f"{file}: expected members, each with file, sha256 and a weight above 0 as 0.5; export the ensemble anew"
        )
    for one in members:
        refuse_name(one["file"], f"a member in {file}", found=True)
    if (found := members_sha256(members)) != sidecar["sha256"]:
        raise FerlabError(
            f"the members in {file} have sha256 {found[:12]}, and it states {sidecar['sha256'][:12]}; one was changed "
            "after the export: copy it again, or export the ensemble anew"
        )


def _session(
    path: Path, sha256: str, sidecar: Mapping[str, Any], stated_in: str, threads: int
) -> onnxruntime.InferenceSession:
    """The graph in a file, if it is the one that a JSON states."""
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FerlabError(
            f"{path} has sha256 {found[:12]}, and {stated_in} is of {sha256[:12]}; "
            "the two are not of one export: copy both again, or export the run anew"
        )
    try:
        session = session_of(content, threads)
    except Exception as error:  # onnxruntime has a dozen classes of its own that have no common one
        raise FerlabError(f"{path} is no model that onnxruntime can open ({_first_line(error)})") from error
    _check_graph(path, session, sidecar)
    return session


def _check_graph(path: Path, session: onnxruntime.InferenceSession, sidecar: Mapping[str, Any]) -> None:
    found = [(x.name, x.type, len(x.shape), (x.shape or [None])[-1]) for x in _ends(session)]
    expected = [(INPUT, "tensor(uint8)", 4, 4), (OUTPUT, "tensor(float)", 2, K)]
    if found != expected:
        raise FerlabError(
            f"{path}: expected {INPUT} uint8 [B,H,W,4] -> {OUTPUT} float [B,{K}], found "
            f"{', '.join(f'{x.name} {x.type} {list(x.shape)}' for x in _ends(session))}; export with ferlab.export"
        )
    inside = session.get_modelmeta().custom_metadata_map.get("expressions")
    if inside is None:
        raise FerlabError(f"{path} holds no class names: expected `expressions` in its metadata. {_FOREIGN} how")
    try:
        order = json.loads(inside)
    except (ValueError, RecursionError):
        order = inside[:60]
    check_order(order or (), path)


def _ends(session: onnxruntime.InferenceSession) -> list[Any]:
    return [*session.get_inputs(), *session.get_outputs()]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FerlabError(f"{path} cannot be read ({error.strerror}); expected a model, as NAME.onnx") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
