"""How pictures on a page are drawn: two themes, and a figure as bytes that a page without outside parts can hold.

matplotlib is imported when the first figure is drawn: what only reads files starts without it.
"""

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Ink, faint ink and two lines that can be told apart by brightness alone, on a light and on a dark page; `lines` for
# more, which have different dashes too.
THEMES = {
    "light": {
        "ink": "#1c2128",
        "faint": "#c4cad3",
        "paper": "white",
        "first": "#1f5fbf",
        "second": "#d9730d",
        "map": ("#f3f7fc", "#1f5fbf"),
        "lines": ("#1f5fbf", "#d9730d", "#00805c", "#a8437c", "#7a5c00", "#57606a", "#6f42c1"),
    },
    "dark": {
        "ink": "#e6e9ee",
        "faint": "#48505c",
        "paper": "none",
        "first": "#7db3ff",
        "second": "#ffb45e",
        "map": ("#161c25", "#7db3ff"),
        "lines": ("#7db3ff", "#ffb45e", "#4fd1a5", "#f08fc0", "#e6d36a", "#aab4c0", "#c4a7ff"),
    },
}
# Text stays text in an SVG: it can be selected, and the file is a tenth of the size. The salt makes ids repeatable.
_RC = {"svg.fonttype": "none", "svg.hashsalt": "ferlab", "font.family": "sans-serif", "font.size": 10}


Draw = Callable[["Figure", Any, dict[str, Any]], None]  # figure, content, colours of the theme


def drawn(draw: Draw, content: Any, theme: str, kind: str) -> bytes:
    """The bytes of a figure in which `draw(figure, content, colours)` has drawn; `kind` is svg or png."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = THEMES[theme]
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), colours["ink"])
    with matplotlib.rc_context({**_RC, **ink, "axes.edgecolor": colours["faint"], "axes.facecolor": "none"}):
        figure = Figure(layout="constrained", facecolor=colours["paper"])
        FigureCanvasAgg(figure)
        draw(figure, content, colours)
        buffer = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None  # the same report gives the same bytes
        figure.savefig(buffer, format=kind, dpi=160, metadata=metadata)
    return buffer.getvalue()


def both_themes(draw: Draw, content: Any, kind: str = "svg") -> dict[str, str]:
    """Theme -> data URI of the figure drawn for it."""
    return {theme: data_uri(drawn(draw, content, theme, kind), f"{kind}{'+xml' * (kind == 'svg')}") for theme in THEMES}


def data_uri(content: bytes, kind: str) -> str:
    """Bytes of an image/`kind` as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def face_uri(face: np.ndarray) -> str:
    """A face uint8 [48,48] as the data URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(face)).save(buffer, format="png")
    return data_uri(buffer.getvalue(), "png")
