"""Faces of videos in, a figure of their valence and arousal over time out."""

import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ferlab.errors import FerlabError
from ferlab.files import shown, write_bytes
from ferlab.inference.affect import Affect
from ferlab.inference.results import Face

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = (".svg", ".png", ".pdf")
_MOST = 12  # tracks with a name in the legend
_GAP_S = 1.0  # without a face, after which its line breaks


class AffectPlot:
    """A row of two panels a video, valence and arousal in -1..1; a line a track.

    Raises:
        FerlabError: another suffix, or matplotlib is not installed.
    """

    def __init__(self, path: Path):
        if path.suffix.lower() not in _KINDS:
            raise FerlabError(f"plot is {path}; expected a file that ends in {', '.join(_KINDS)}")
        try:
            import matplotlib  # noqa: F401  # before hours of a video are read
        except ImportError:
            raise FerlabError("--plot draws with matplotlib, which is not installed; pip install matplotlib") from None
        self.path = path
        self._videos: dict[str, dict[int, list[tuple[float, Affect]]]] = {}

    def add(self, source: str, time_s: float, faces: Sequence[Face]) -> None:
        """The faces of a frame; a video without any gets panels too."""
        tracks = self._videos.setdefault(source, defaultdict(list))
        for face in faces:
            tracks[face.track or 0].append((time_s, face.affect))

    def close(self) -> None:
        """Write the figure.

        Raises:
            FerlabError: no video was added, or the file cannot be written.
        """
        if not self._videos:
            raise FerlabError(f"{self.path} was not written: it shows videos over time, and there was none")
        import matplotlib
        from matplotlib.figure import Figure

        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ferlab"}):
            figure = Figure(figsize=(9, 2.4 * len(self._videos) + 0.6), layout="constrained")
            self._draw(figure)
            buffer = io.BytesIO()
            figure.savefig(buffer, format=self.path.suffix[1:].lower())
        write_bytes(self.path, buffer.getvalue())

    def _draw(self, figure: "Figure") -> None:
        rows = figure.subplots(len(self._videos), 2, sharey=True, squeeze=False)
        for panels, (source, tracks) in zip(rows, self._videos.items(), strict=True):
            for panel, axis in zip(panels, Affect._fields, strict=True):
                for n, (track, values) in enumerate(sorted(tracks.items())):
                    panel.plot(*_with_gaps(values, axis), label=f"face {track}" if n < _MOST else None)
                panel.axhline(0, color="0.7", linewidth=0.6, zorder=0)
                panel.set(ylim=(-1, 1), ylabel=axis, xlabel="time, s")
            panels[0].set_title(shown(Path(source).name), loc="left", fontsize="medium", parse_math=False)
            if tracks:
                panels[1].legend(fontsize="small", ncols=2, frameon=False)
        figure.suptitle("Derived from the probabilities of expressions, not measured", fontsize="small")


def _with_gaps(values: Sequence[tuple[float, Affect]], axis: str) -> tuple[list[float], list[float]]:
    """Times and values of a line, with NaN where the face was gone."""
    times: list[float] = []
    line: list[float] = []
    for time_s, affect in values:
        if times and time_s - times[-1] > _GAP_S:
            times.append(times[-1])
            line.append(float("nan"))
        times.append(time_s)
        line.append(getattr(affect, axis))
    return times, line
