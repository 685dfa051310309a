"""Faces as dicts and as a table: the table of the command's CSV."""

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest

from ferlab import Faces, Pictures, VideoFrame, to_pandas
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.inference.detector import Detection
from ferlab.inference.prediction_files import Predictions
from ferlab.inference.results import Face

PROBABILITIES = np.float32([0.05, 0.1, 0.05, 0.5, 0.1, 0.1, 0.1])
FOUND = Face("happy", 0.5, PROBABILITIES, Detection(np.array([3.5, -2.0, 40.0, 44.5]), 0.875, np.zeros((6, 2))))
WHOLE = Face("uncertain", 0.5, PROBABILITIES[::-1], track=3)


def pictures() -> Pictures:
    return Pictures([Faces([FOUND, WHOLE], "a.png", 64, 48), Faces([], "b.png", 8, 9), Faces([WHOLE], "c.png", 5, 5)])


def test_the_table_is_that_of_the_commands_csv(capsys):
    out = Predictions("-", "fer2013", {})
    for faces in pictures():
        out.add(faces.source, (faces.width, faces.height), faces)
    out.close([])
    expected = pd.read_csv(io.StringIO(capsys.readouterr().out))
    found = pictures().to_pandas()
    assert list(found.columns) == list(expected.columns)
    assert found["label"].tolist() == ["happy", "uncertain", "no face", "uncertain"]
    numbers = [name for name in found.columns if name not in ("source", "label")]
    np.testing.assert_allclose(found[numbers].astype(float), expected[numbers].astype(float), atol=5e-5)
    assert found["source"].tolist() == expected["source"].tolist()
    one = Faces([FOUND], "a.png", 64, 48).to_pandas()
    assert one[["x", "y", "width", "height", "score"]].values.tolist() == [[3.5, -2.0, 40.0, 44.5, 0.875]]
    assert len(Pictures().to_pandas()) == 0


def test_frames_of_a_video_have_their_times():
    image = np.zeros((4, 4, 3), np.uint8)
    frames = [VideoFrame(n, n / 25, image, Faces([WHOLE] * n, "clip.mp4", 4, 4)) for n in range(3)]
    found = to_pandas(frames)
    assert found["frame"].tolist() == [0, 1, 2, 2]
    assert found["time_s"].tolist() == [0, 0.04, 0.08, 0.08]
    assert found["face"].tolist()[1:] == [0, 0, 1]
    assert found["label"].tolist() == ["no face", *["uncertain"] * 3]


def test_pictures_in_types_of_json():
    (first, second, _) = json.loads(json.dumps(pictures().to_dicts()))
    assert second == {"source": "b.png", "width": 8, "height": 9, "faces": []}
    assert first["faces"] == [FOUND.to_dict(), WHOLE.to_dict()]
    assert first["faces"][0]["probabilities"] == dict(zip(EXPRESSIONS, PROBABILITIES.tolist(), strict=True))


def test_a_table_without_pandas_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(FerlabError, match="pandas is not installed; type pip install pandas"):
        pictures().to_pandas()
