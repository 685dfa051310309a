"""Boxes and probabilities of a frame in, the same smoothed over time out, each with the number of its face."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferlab.errors import FerlabError
from ferlab.inference.detector import overlap

TIME_CONSTANT_S = 0.25
LOST_S = 0.6
_MIN_OVERLAP = 0.2  # intersection over union with where the face was last


@dataclass
class _Track:
    number: int
    box: np.ndarray
    probabilities: np.ndarray
    last_s: float


class Tracks:
    """Faces of one video. Smoothing is exponential in time, not in frames: at any frame rate a new expression has
    reached 63 % after `time_constant_s`. A face that is missing for longer than `lost_s` comes back as another.

    Args:
        time_constant_s: 0 leaves probabilities as they are.
        lost_s: in seconds.

    Raises:
        FerlabError: a time constant that is negative, infinite or NaN.
    """

    def __init__(self, time_constant_s: float = TIME_CONSTANT_S, lost_s: float = LOST_S):
        if not 0 <= time_constant_s < math.inf:  # NaN too
            raise FerlabError(f"time_constant_s is {time_constant_s}; expected a number of seconds, 0 for none")
        self.time_constant_s, self.lost_s = time_constant_s, lost_s
        self._tracks: list[_Track] = []
        self._count = 0

    def update(
        self, time_s: float, boxes: Sequence[np.ndarray], probabilities: np.ndarray
    ) -> tuple[list[int], np.ndarray]:
        """The frame at `time_s`: boxes [4] (left, top, width, height) and probabilities [N,K] of its faces.

        Returns: their numbers, from 0 in order of appearance, and their smoothed probabilities [N,K].
        """
        self._tracks = [t for t in self._tracks if time_s - t.last_s <= self.lost_s]
        numbers, smoothed = [], np.array(probabilities, np.float32)
        matched = self._match(boxes)
        for i, box in enumerate(boxes):
            track = matched.get(i)
            if track is None:
                track = _Track(self._count, box, smoothed[i].copy(), time_s)
                self._count += 1
                self._tracks.append(track)
            elif self.time_constant_s > 0:
                kept = math.exp(-max(time_s - track.last_s, 0) / self.time_constant_s)
                smoothed[i] = kept * track.probabilities + (1 - kept) * smoothed[i]
            track.box, track.probabilities, track.last_s = box, smoothed[i].copy(), time_s
            numbers.append(track.number)
        return numbers, smoothed

    def _match(self, boxes: Sequence[np.ndarray]) -> dict[int, _Track]:
        """Box index -> track, the pairs that overlap most first, each box and track once."""
        if not self._tracks:
            return {}
        were = np.stack([track.box for track in self._tracks])
        pairs = [
            (shared, i, track)
            for i, box in enumerate(boxes)
            for shared, track in zip(overlap(box, were), self._tracks, strict=True)
        ]
        found: dict[int, _Track] = {}
        taken: set[int] = set()
        for shared, i, track in sorted(pairs, key=lambda pair: (-pair[0], pair[2].number, pair[1])):
            if shared >= _MIN_OVERLAP and i not in found and track.number not in taken:
                found[i] = track
                taken.add(track.number)
        return found
