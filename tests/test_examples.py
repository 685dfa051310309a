"""What an engineer writes around the predictor: the files in examples/ at work, and the types that mypy sees."""

import importlib
import io
from pathlib import Path

import pytest
from mypy import api
from PIL import Image

from ferlab import Predictor
from tests.pictures import two_faces

ROOT = Path(__file__).resolve().parents[1]
USER = """
from pathlib import Path

from ferlab import Faces, Pictures, Predictor, to_pandas


def happy(folder: Path) -> dict[str, float]:
    with Predictor("five_layer", color="bgr", min_confidence=0.4) as predictor:
        found: Pictures = predictor.batch(sorted(folder.glob("*.jpg")))
        first: Faces = predictor(folder / "a.jpg")
        both: Pictures = predictor(["a.jpg", b"bytes"])
        table = to_pandas(predictor.video("clip.mp4"))
    print(found.to_pandas(), table, first.to_dict()["faces"], both[0][0].affect.valence)
    return {faces.source: face.confidence for faces in found for face in faces if face.label == "happy"}
"""
WRONG = USER.replace('"bgr"', '"BGR"').replace("face.confidence", "face.confidences").replace("valence", "joy")


@pytest.fixture
def photo() -> bytes:
    file = io.BytesIO()
    Image.fromarray(two_faces()).save(file, "png")
    return file.getvalue()


@pytest.fixture
def example(monkeypatch):
    """A function that imports a file of examples/, or skips where what it shows is not installed."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")

    def load(library: str):
        pytest.importorskip(library)
        return importlib.import_module(f"{library}_app")

    return load


def test_the_web_service_gives_what_the_predictor_gives_and_says_what_is_wrong(example, photo):
    app = example("fastapi").app
    from fastapi.testclient import TestClient

    client = TestClient(app)
    answer = client.post("/faces", files={"picture": photo})
    assert answer.status_code == 200
    assert answer.json() == Predictor()(photo).to_dict() | {"source": "picture 0"}
    assert len(answer.json()["faces"]) == 2
    refused = client.post("/faces", files={"picture": b"no picture"})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("the image in the bytes is no readable image")


def test_the_page_frames_each_face(example, photo, tmp_path):
    demo = example("gradio").demo
    from gradio_client import Client, handle_file

    (tmp_path / "two.png").write_bytes(photo)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    try:
        answer = Client(address, verbose=False).predict(handle_file(tmp_path / "two.png"), api_name="/faces")
    finally:
        demo.close()
    expected = [f"{face.label} {face.confidence:.0%}" for face in Predictor()(photo)]
    assert [one["label"] for one in answer["annotations"]] == expected
    assert len(expected) == 2


@pytest.mark.slow  # mypy reads onnxruntime, numpy and Pillow
def test_users_are_checked_by_mypy_strict(tmp_path, monkeypatch):
    (tmp_path / "right.py").write_text(USER)
    (tmp_path / "wrong.py").write_text(WRONG)
    monkeypatch.setenv("MYPYPATH", str(ROOT / "src"))
    files = [tmp_path / "right.py", tmp_path / "wrong.py", ROOT / "examples" / "fastapi_app.py"]
    report, _, _ = api.run(["--strict", "--follow-imports=silent", *map(str, files)])
    errors = [line for line in report.splitlines() if " error: " in line]
    assert [line.partition(":")[0] for line in errors] == [str(tmp_path / "wrong.py")] * 3, report
    assert [line.rsplit("  ")[1] for line in errors] == ["[arg-type]", "[attr-defined]", "[attr-defined]"]
