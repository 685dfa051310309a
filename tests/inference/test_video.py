"""Frames of a clip, of damaged ones and of a webcam."""

import cv2
import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.inference import video
from ferlab.inference.video import Video, VideoFile
from tests.pictures import moving, write_clip


def test_frames_of_a_video_have_their_times(tmp_path):
    opened = Video(write_clip(tmp_path))
    assert (opened.fps, opened.count, opened.live) == (10, 20, False)
    read = list(opened)
    assert [frame.index for frame in read] == list(range(20))
    np.testing.assert_allclose([frame.time_s for frame in read], np.arange(20) / 10, atol=1e-3)
    assert np.abs(read[0].image.astype(int) - moving()[0]).mean() < 4


def test_a_video_cut_short_gives_its_frames_and_then_an_error(tmp_path):
    whole = tmp_path / "whole.avi"
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for frame in moving():
        writer.write(frame)
    writer.release()
    assert len(list(Video(whole))) == 20
    data = whole.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    read = []
    with pytest.raises(FerlabError, match=r"of 20 frames; it is damaged or cut short"):
        read.extend(Video(tmp_path / "cut.avi"))
    assert 5 < len(read) < 15
    assert [frame.index for frame in read] == list(range(len(read)))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "it is empty"), (b"no video", "it is damaged"), (None, "No such")]
)
def test_what_is_no_video_is_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FerlabError, match=f"x.mp4 is no readable video; {reason}"):
        Video(path)


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(FerlabError, match="cannot be written; check the folder"):
        VideoFile(tmp_path / "none" / "out.mp4", 10, 64, 64)


class Camera:
    """A webcam that gives two frames, one of them late, and is then unplugged."""

    def __init__(self, index):
        self.frames = [np.zeros((4, 6, 3), np.uint8), None, np.full((4, 6, 3), 9, np.uint8)]

    def isOpened(self):
        return True

    def get(self, key):
        return 0.0

    def read(self):
        frame = self.frames.pop(0) if self.frames else None
        return frame is not None, frame

    def release(self):
        self.frames = []


def test_a_webcam_has_the_times_of_a_clock_and_no_count(monkeypatch):
    monkeypatch.setattr(video.cv2, "VideoCapture", Camera)
    opened = Video(0)
    assert (opened.name, opened.live, opened.fps, opened.count) == ("webcam 0", True, 30.0, None)
    frames = iter(opened)
    first, second = next(frames), next(frames)
    assert second.time_s > first.time_s
    assert second.image.max() == 9
    with pytest.raises(FerlabError, match="webcam 0 gives no more frames after 2; is it still plugged in"):
        next(frames)
