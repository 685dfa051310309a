"""An exported model whose answer a test can compute, and pictures and clips of drawn faces for it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.find_faces import frames
from ferlab.data.drawn import draw
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.video import VideoFile

CENTRES = np.arange(7) * 36.0 + 18  # class k is a crop of about this mean grey


def expected(grey: float) -> np.ndarray:
    logits = -(((grey - CENTRES) / 30) ** 2)
    return np.exp(logits) / np.exp(logits).sum()


def write_model(folder: Path) -> Path:
    """grey.onnx in a folder: a model of the mean grey of its crop, softmax(-((mean - centre) / 30)^2)."""
    constants = {"axes": np.array([1, 2, 3]), "shape": np.array([-1, 1])}
    constants |= {"from": np.array([0]), "to": np.array([3]), "channel": np.array([3])}
    constants |= {"centres": CENTRES.astype(np.float32)[None], "width": np.float32(30)}
    nodes = [
        helper.make_node("Slice", ["rgba", "from", "to", "channel"], ["rgb"]),
        helper.make_node("Cast", ["rgb"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("Sub", ["column", "centres"], ["far"]),
        helper.make_node("Div", ["far", "width"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "scaled"], ["squared"]),
        helper.make_node("Neg", ["squared"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "grey",
        [helper.make_tensor_value_info("rgba", TensorProto.UINT8, ["batch", "height", "width", 4])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 7])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {"expressions": json.dumps(EXPRESSIONS)})
    onnx.checker.check_model(made, full_check=True)
    path = folder / "grey.onnx"
    path.write_bytes(made.SerializeToString())
    sidecar = {"format": 1, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "expressions": EXPRESSIONS}
    sidecar |= {"margin": {"side_ratio": 1.17, "raise_ratio": 0.078}, "threshold": None}
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    return path


def photo(side: int = 250, person: int = 1, seed: int = 0) -> np.ndarray:
    """A picture uint8 [480,640,3] with one drawn face."""
    return frames(draw(7, 7, 7, 1).pixels[person : person + 1], side, seed)[0][0]


def two_faces() -> np.ndarray:
    """A picture uint8 [480,1280,3] with two drawn faces, the left one darker."""
    return np.concatenate([photo(230, 1, 1) // 2, photo(260, 2, 2)], 1)


def moving(n: int = 20) -> list[np.ndarray]:
    """Frames [240,320,3] of one drawn face that moves to the right; for the middle ones it is gone."""
    face = cv2.resize(draw(7, 7, 7, 1).pixels[1], (150, 150))
    out = []
    for i in range(n):
        frame = np.full((240, 320, 3), 110, np.uint8)
        if not n // 2 <= i < n // 2 + 2:
            frame[40:190, 20 + 4 * i : 170 + 4 * i] = face[..., None] // (2 if i > n // 2 else 1)
        out.append(frame)
    return out


def write_clip(folder: Path) -> Path:
    """clip.mp4 in a folder: `moving` at 10 frames a second."""
    path = folder / "clip.mp4"
    file = VideoFile(path, 10, 320, 240)
    for frame in moving():
        file.add(frame)
    file.close()
    return path


def damaged_avi(path: Path, broken: Sequence[int], frames: int = 20) -> Path:
    """`moving` as motion JPEG at 10 frames a second, with zeros for the bytes of some frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for frame in moving(20) * (frames // 20):
        writer.write(frame)
    writer.release()
    data = bytearray(path.read_bytes())
    place, places = data.find(b"movi") + 4, []
    while data[place : place + 4] == b"00dc":
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        places.append(slice(place + 8, place + 8 + size))
        place += 8 + size + size % 2
    assert len(places) == frames
    for i in broken:
        data[places[i]] = bytes(places[i].stop - places[i].start)
    path.write_bytes(data)
    return path


def variable_mkv(path: Path, times_ms: Sequence[int], rate: int = 30) -> Path:
    """`moving` as Matroska (RFC 9559), motion JPEG, each frame at its own time; the header states `rate`."""

    def element(name: str, content: bytes) -> bytes:
        return bytes.fromhex(name) + (1 << 56 | len(content)).to_bytes(8, "big") + content

    def number(name: str, value: int) -> bytes:
        return element(name, value.to_bytes(8, "big"))

    frames = moving(20) * -(-len(times_ms) // 20)
    blocks = [
        element(
            "1F43B675", number("E7", time) + element("A3", b"\x81\0\0\x80" + cv2.imencode(".jpg", frame)[1].tobytes())
        )
        for time, frame in zip(times_ms, frames, strict=False)
    ]
    duration = np.array(times_ms[-1] + 1000 / rate, ">f8").tobytes()
    about = number("2AD7B1", 1_000_000) + element("4489", duration) + element("4D80", b"x") + element("5741", b"x")
    track = number("D7", 1) + number("73C5", 1) + number("83", 1) + element("86", b"V_MJPEG")
    track += number("23E383", 10**9 // rate) + element("E0", number("B0", 320) + number("BA", 240))
    segment = element("1549A966", about) + element("1654AE6B", element("AE", track)) + b"".join(blocks)
    head = element("1A45DFA3", element("4282", b"matroska") + number("4287", 4) + number("4285", 2))
    path.write_bytes(head + element("18538067", segment))
    return path
