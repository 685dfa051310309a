"""Frames of a clip, of damaged ones and of a webcam."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from ferlab.errors import FerlabError
from ferlab.inference import video
from ferlab.inference.video import Video, VideoFile
from tests.pictures import damaged_avi, moving, variable_mkv, write_clip


def test_frames_of_a_video_have_their_times(tmp_path):
    opened = Video(write_clip(tmp_path))
    assert (opened.fps, opened.count, opened.live) == (10, 20, False)
    read = list(opened)
    assert [frame.index for frame in read] == list(range(20))
    np.testing.assert_allclose([frame.time_s for frame in read], np.arange(20) / 10, atol=1e-3)
    assert np.abs(read[0].image.astype(int) - moving()[0]).mean() < 4


@pytest.mark.parametrize("broken", [[9], [3, 4, 11], range(2, 19)])
def test_frames_that_cannot_be_read_end_no_video_and_are_counted(tmp_path, broken):
    read = []
    with pytest.raises(FerlabError, match=rf"x.avi has {len(broken)} of 20 frames that cannot be read; it is damaged"):
        read.extend(Video(damaged_avi(tmp_path / "x.avi", broken)))
    assert [frame.index for frame in read] == [i for i in range(20) if i not in broken]
    np.testing.assert_allclose([frame.time_s for frame in read], [frame.index / 10 for frame in read], atol=1e-3)
    assert np.abs(read[-1].image.astype(int) - moving()[19]).mean() < 4


TIMES_MS = [*range(0, 990, 33), *range(1000, 5000, 200)]  # 30 frames a second, then 5


def test_a_video_of_a_variable_rate_is_whole(tmp_path):
    opened = Video(variable_mkv(tmp_path / "x.mkv", TIMES_MS))
    assert opened.count > 2 * len(TIMES_MS)  # by its header's rate
    np.testing.assert_allclose([frame.time_s for frame in opened], np.array(TIMES_MS) / 1000, atol=1e-3)


def hidden(path, start_ms, length_ms):
    """An mp4 of `write_clip` whose edit list (ISO 14496-12, 8.6.6) shows a part of it."""
    data = bytearray(path.read_bytes())
    entry = data.find(b"elst") + 12
    data[entry : entry + 8] = length_ms.to_bytes(4, "big") + (start_ms * 10240 // 1000).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def test_a_video_that_was_trimmed_is_whole(tmp_path):
    clip = write_clip(tmp_path)
    timescale = int.from_bytes(clip.read_bytes().split(b"mdhd")[1][12:16], "big")
    assert timescale == 10240
    opened = Video(hidden(clip, 500, 1000))
    read = list(opened)
    assert opened.count == 20
    assert 9 <= len(read) <= 11
    assert min(range(20), key=lambda i: np.abs(read[0].image.astype(int) - moving()[i]).mean()) == 5


def test_a_file_plays_at_the_times_of_its_frames(tmp_path):
    frames = [np.full((64, 64, 3), 10 * i, np.uint8) for i in range(20)]
    times = [0.5, 0.55, 0.57, 0.6, 0.7, 1.2, 1.25, *np.arange(2, 3.3, 0.1)]
    file = VideoFile(tmp_path / "out.mp4", 20, 64, 64)
    for frame, time_s in zip(frames, times, strict=True):
        file.add(frame, time_s)
    file.close()
    written = list(Video(tmp_path / "out.mp4"))
    for frame in written:
        at = 0.5 + frame.time_s
        shown = [10 * i for i, t in enumerate(times) if abs(t - at) <= 0.06 or i == np.searchsorted(times, at) - 1]
        assert min(abs(frame.image.mean() - value) for value in shown) < 4, frame.time_s
    assert len(written) == round((times[-1] - 0.5) * 20) + 1


@pytest.mark.parametrize(("times", "most"), [([0, 1e9], 61 * 10), ([5, 0, 1], 12)])
def test_times_that_are_damaged_fill_no_disk(tmp_path, times, most):
    file = VideoFile(tmp_path / "out.mp4", 10, 64, 64)
    for time_s in times:
        file.add(np.zeros((64, 64, 3), np.uint8), time_s)
    file.close()
    assert 0 < len(list(Video(tmp_path / "out.mp4"))) <= most


def test_a_file_that_the_disk_has_no_room_for_is_reported(tmp_path, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), np.uint8)
    file = VideoFile(tmp_path / "out.mp4", 10, 64, 64)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # bytes of a file
    try:
        for image in noise:
            file.add(image)
        with pytest.raises(FerlabError, match=r"out\.mp4 was not written whole; free some space"):
            file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/clip.mp4", "rtsp://camera/1", Path("https://x.org/clip.mp4")])
def test_an_address_is_refused(address):
    with pytest.raises(FerlabError, match="is an address, and nothing is read from the network; download it first"):
        Video(address)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.mp4", "ffconcat version 1.0\nfile clip.mp4\n"),
        ("list.avi", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nclip.mp4\n#EXT-X-ENDLIST\n"),
        ("concat:clip.mp4|clip.mp4", None),
        ("file:clip.mp4", None),
        ("clip%d.mp4", None),
    ],
)
def test_a_video_is_one_file_and_names_no_other(tmp_path, monkeypatch, name, content):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    write_clip(tmp_path).with_name("clip1.mp4").write_bytes(Path("clip.mp4").read_bytes())
    if content:
        Path(name).write_text(content)
    with pytest.raises(FerlabError, match="is no readable video"):
        Video(name)
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;tcp"  # of others in this process


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"a\n\x1b[31m.mp4", b"a:b%d.mp4", "ü写.mp4".encode()])
def test_any_file_name_is_read_and_written(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    clip = write_clip(tmp_path)
    os.rename(clip, path)
    assert len(list(Video(path))) == 20
    file = VideoFile(path, 10, 32, 32)
    file.add(np.zeros((32, 32, 3), np.uint8))
    file.close()
    assert len(list(Video(str(path)))) == 1


def test_a_video_cut_short_gives_its_frames_and_then_an_error(tmp_path):
    whole = damaged_avi(tmp_path / "whole.avi", [])
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
