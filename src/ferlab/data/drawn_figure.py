"""Uniforms and class numbers in, the shapes of drawn faces out.

Brows, eyes, nose and mouth move as the facial action units of each expression do (Ekman & Friesen's FACS).
"""

from dataclasses import dataclass, field

import numpy as np

from ferlab.expressions import EXPRESSIONS

# What moves, in half face heights (y down) or as a factor's change, at full strength of the expression; below the
# movements' names the FACS action units that make them. A person's resting face and a scatter of each come on top.
_ACTIONS = (
    # brow inner, outer, arch, knit; lid upper, lower; nose wrinkled; mouth corner, width, opening, lip up, press, teeth
    # AU 1 and 4, 2 and 4, 2, 4; 5 and 43, 6 and 7; 9; 12 and 15, 18 and 20, 25 to 27, 10, 24
    ("angry", (0.10, 0.02, -0.02, 0.07, -0.20, 0.30, 0.15, 0.03, -0.15, 0.00, 0.00, 0.70, 0.0)),
    ("disgust", (0.07, 0.03, -0.01, 0.03, -0.40, 0.60, 1.00, 0.05, -0.05, 0.03, 0.09, 0.00, 0.4)),
    ("fear", (-0.12, -0.03, -0.03, 0.05, 0.55, 0.10, 0.00, 0.06, 0.22, 0.13, 0.00, 0.20, 0.7)),
    ("happy", (0.00, 0.00, 0.00, 0.00, -0.20, 0.70, 0.00, -0.13, 0.32, 0.09, 0.00, 0.10, 1.0)),
    ("sad", (-0.10, 0.05, -0.02, 0.04, -0.30, 0.00, 0.00, 0.09, -0.08, 0.00, 0.00, -0.20, 0.0)),
    ("surprise", (-0.12, -0.11, 0.05, 0.00, 0.55, -0.10, 0.00, 0.02, -0.28, 0.25, 0.00, 0.00, 0.1)),
    ("neutral", (0.0,) * 13),
)
_MOVES = np.array([dict(_ACTIONS)[name] for name in EXPRESSIONS])  # [7,13]
_SCATTER = np.array([0.020, 0.020, 0.015, 0.010, 0.10, 0.15, 0.08, 0.018, 0.06, 0.012, 0.008, 0.15, 0.15])


@dataclass
class Dice:
    """Uniforms [N,D] handed out column by column."""

    u: np.ndarray
    used: int = field(default=0)

    def __call__(self, low: float, high: float) -> np.ndarray:
        """The next column, spread over an interval, [N]."""
        self.used += 1
        return low + (high - low) * self.u[:, self.used - 1].astype(np.float64)

    def bell(self, middle: float, spread: float) -> np.ndarray:
        """About normal (the sum of three uniforms), never beyond 3 spreads, [N]."""
        return middle + spread * (self(-1, 1) + self(-1, 1) + self(-1, 1))

    def chance(self, p: float) -> np.ndarray:
        return self(0, 1) < p


_T = np.linspace(-1, 1, 15)[None]  # along a mouth or an eye, [1,15]
_ARC = 1 - _T**2
_ALONG = np.linspace(0, 1, 9)[None]  # from one end to the other, [1,9]
_TURN = np.linspace(0, 2 * np.pi, 48)[None]  # round a closed shape, [1,48]
_COS, _SIN = np.cos(_TURN), np.sin(_TURN)


def _outline(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Two edges drawn from the same side, [N,P] each, as one closed outline [N,2P]."""
    return np.concatenate([upper, lower[:, ::-1]], 1)


class Figure:
    """N faces as shapes in order of painting, in face coordinates: centre 0, chin at y = 1, eyes at about y = -0.1.

    Attributes:
        shapes: outlines float64 [N,P,2] by name; a name that ends in `line` is an open line.
        tones: their grey levels [N].
    """

    def __init__(self, dice: Dice, labels: np.ndarray):
        self.dice, self.n = dice, len(labels)
        self.shapes: dict[str, np.ndarray] = {}
        self.tones: dict[str, np.ndarray] = {}
        strength = 0.25 + 0.85 * dice(0, 1) ** 0.8
        moves = _MOVES[labels] * strength[:, None] * np.stack([dice(0.75, 1.25) for _ in range(13)], 1)
        moves = moves + _SCATTER * np.stack([dice.bell(0, 0.6) for _ in range(13)], 1)
        self.inner, self.outer, self.arch, self.knit, self.upper, self.lower, self.wrinkle = moves.T[:7, :, None]
        self.corner, self.width, self.opening, self.lip_up, self.press, self.bared = moves.T[7:, :, None]
        self.skin, self.hair = dice(105, 220), dice(10, 150)
        self.dark = np.clip(self.skin * (1 - 0.72 * dice(0.7, 1.1)), 8, 255)
        self.white = np.minimum(self.skin * dice(1.05, 1.35), 250)
        # What both eyes share, each [N,1].
        self.eye_x, self.eye_y = dice.bell(0.33, 0.015)[:, None], dice.bell(-0.13, 0.025)[:, None]
        self.eye_w, self.eye_h = dice.bell(0.165, 0.01)[:, None], dice.bell(0.075, 0.006)[:, None]
        self.gaze_x, self.gaze_y = dice(-0.06, 0.06)[:, None], dice(-0.02, 0.02)[:, None]
        self.iris, self.slant, self.socket = dice(8, 90), dice(-0.03, 0.03)[:, None], dice(0.1, 0.3)
        self.glasses = np.where(dice.chance(0.12), dice(0.16, 0.22), 0)[:, None]
        self.brow_y, self.brow_h = dice.bell(-0.17, 0.016)[:, None], dice(0.035, 0.075)[:, None]
        self.brow_l = dice.bell(0.2, 0.012)[:, None]
        self.brow_rest = [dice.bell(0, spread)[:, None] for spread in (0.010, 0.012, 0.008)]

    def add(self, name: str, x: np.ndarray | float, y: np.ndarray, tone: np.ndarray) -> None:
        """A shape by its points' coordinates, each to be broadcast to [N,P]."""
        x, y = np.broadcast_arrays(x + np.zeros((self.n, 1)), y)
        self.shapes[name], self.tones[name] = np.stack([x, y], -1), np.clip(tone, 0, 255)

    def crease(self, name: str, x: np.ndarray | float, y: np.ndarray, depth: np.ndarray) -> None:
        """A line in the skin, depth [N] from 0, invisible, to 1."""
        self.add(f"{name} line", x, y, self.skin * (1 - 0.45 * np.clip(depth, 0, 1)))

    def face(self) -> None:
        """Head, eyes, brows, nose and mouth, in the order in which they are drawn."""
        self.head()
        for side in (-1, 1):
            self.eye(side)
            self.brow(side)
        self.nose()
        self.mouth()

    def head(self) -> None:
        """A superellipse, the hair a larger one behind it, and in front a fringe or none."""
        dice, skin = self.dice, self.skin
        wide, square, top = dice(0.70, 0.86)[:, None], dice(1.9, 2.7)[:, None], dice(1.0, 1.15)[:, None]
        x, y = (np.sign(f) * np.abs(f) ** (2 / square) for f in (_COS, _SIN))
        self.add("hair", x * (wide + dice(0.02, 0.2)[:, None]), y * top - dice(0.02, 0.2)[:, None], self.hair)
        self.add("head", x * wide, np.where(y > 0, y, y * top), skin)
        edge = np.where(dice.chance(0.6), dice(-1.0, -0.62), -1.3)[:, None] + dice(-0.1, 0.1)[:, None] * x
        self.add("fringe", x * wide * 1.02, np.minimum(y * top * 1.02, edge), self.hair)
        for k in range(2):  # AU 1 and 2 fold the forehead, AU 4 the skin between the brows
            raised = -3 * (self.inner + self.outer)[:, 0] - 0.15
            self.crease(f"forehead {k}", 0.4 * _T, self.eye_y - 0.42 - 0.1 * k - 0.03 * _ARC, raised)
            self.crease(f"frown {k}", (k - 0.5) * 0.1, self.eye_y - 0.22 + 0.09 * _T[:, ::7], 9 * self.knit[:, 0] - 0.1)

    def eye(self, side: int) -> None:
        """Side -1 is the image's left."""
        middle, slope = side * self.eye_x, self.slant * _T * side
        up = self.eye_h * np.clip(1 + self.upper, 0.2, 1.7)
        low = self.eye_h * np.clip(0.75 - 0.5 * self.lower, 0.1, 1)
        self.crease(
            f"socket {side}",
            middle + 1.25 * self.eye_w * _T,
            self.eye_y + np.sin(np.pi * _T) * 1.9 * self.eye_h,
            self.socket,
        )
        lids = _outline(slope - up * _ARC, slope + low * _ARC)
        self.add(f"eye {side}", middle + self.eye_w * _outline(_T, _T), self.eye_y + lids, self.white)
        x, y = self.gaze_x + 0.9 * self.eye_h * _COS, self.gaze_y + 0.9 * self.eye_h * _SIN
        bulge = 1 - np.clip(x / self.eye_w, -1, 1) ** 2  # the lids cover what of the iris is outside them
        self.add(f"iris {side}", middle + x, self.eye_y + np.clip(y, -up * bulge, low * bulge), self.iris)
        self.add(f"lid {side} line", middle + self.eye_w * _T, self.eye_y - up * _ARC + slope, self.dark)
        bag = self.eye_y + (low + 0.05) * _ARC + 0.03
        self.crease(f"bag {side}", middle + self.eye_w * _T, bag, self.lower[:, 0] + 0.1)
        rim_x, rim_y = middle + self.glasses * 1.25 * _COS, self.eye_y + 0.02 + self.glasses * _SIN
        self.add(f"glasses {side} line", rim_x, rim_y, self.dark)

    def brow(self, side: int) -> None:
        """From its inner to its outer end."""
        x = side * (self.eye_x - 0.15 - self.knit + (self.brow_l * 1.9 + self.knit) * _ALONG)
        inner, outer, arch = (
            self.inner + self.brow_rest[0],
            self.outer + self.brow_rest[1],
            self.arch + self.brow_rest[2],
        )
        y = self.eye_y + self.brow_y + inner * (1 - _ALONG) + outer * _ALONG - (0.045 + arch) * np.sin(np.pi * _ALONG)
        half = self.brow_h * (0.5 - 0.3 * _ALONG)
        self.add(f"brow {side}", _outline(x, x), _outline(y - half, y + half), (self.hair + self.dark) / 2)

    def nose(self) -> None:
        """With the folds beside it: AU 9 wrinkles it and pulls it up, AU 12 deepens the folds to the mouth."""
        dice = self.dice
        nose_y, wide = dice.bell(0.25, 0.025)[:, None], dice.bell(0.14, 0.012)[:, None]
        tip = nose_y - 0.05 * np.clip(self.wrinkle, 0, 1.2)
        lit = np.where(dice.chance(0.5), 1, -1)[:, None]
        self.crease(
            "nose", lit * (0.06 + 0.05 * (_ALONG > 0.7)), self.eye_y + (tip - self.eye_y) * _ALONG, dice(0.2, 0.6)
        )
        wing, age, smile = dice(0.3, 0.7), dice(-0.1, 0.2), np.maximum(self.width, 0)
        fold = np.clip(2.5 * np.maximum(-1.6 * self.corner, 0.25 * self.wrinkle) + 0.8 * smile, 0, 1)
        for s in (-1, 1):
            self.add(f"nostril {s}", s * wide * 0.5 + 0.035 * _COS, tip + 0.018 * _SIN, self.dark + 15)
            self.crease(f"wing {s}", s * (wide + 0.02 * self.wrinkle - 0.02 * _T**2), tip - 0.03 + 0.05 * _T, wing)
            bridge = self.eye_y + 0.09 + 0.07 * _ALONG
            self.crease(f"wrinkle {s}", s * (0.03 + 0.08 * _ALONG), bridge, 1.3 * self.wrinkle[:, 0] - 0.2)
            x = s * (wide + 0.03 + (0.16 + 0.3 * smile) * _ALONG**0.7)
            self.crease(f"fold {s}", x, tip + 0.26 * _ALONG, fold[:, 0] + age)

    def mouth(self) -> None:
        """Lips, what is open between them, teeth, and the crease above the chin."""
        dice, up = self.dice, self.lip_up
        mouth_y, half = dice.bell(0.56, 0.025)[:, None], dice.bell(0.29, 0.016)[:, None] * (1 + self.width)
        rest, crooked = dice.bell(0, 0.012)[:, None], dice.bell(0, 0.01)[:, None]
        gap = np.maximum(self.opening + 0.06 * np.clip(self.bared, 0, 1) * dice(0, 1)[:, None], 0)
        seam = mouth_y + (self.corner + rest) * _T**2 + crooked * _T - 0.3 * up
        full = np.clip(1 - 0.6 * self.press, 0.25, 1.3) * dice(0.7, 1.3)[:, None] * _ARC
        blunt = 1 - np.abs(_T) ** dice(2, 3.5)[:, None]
        roof, floor = seam - (0.35 * gap + 0.6 * up) * blunt, seam + 0.75 * gap * blunt
        lip, across = self.skin * dice(0.62, 0.9), half * _outline(_T, _T)
        self.add("lips", across, _outline(roof - 0.05 * full, floor + 0.07 * full), lip)
        self.add("mouth", across * 0.94, _outline(roof, floor), self.dark - 20)
        shown = np.where(self.bared[:, 0] + dice(-0.3, 0.3) > 0.35, dice(0.5, 1.0), 0)[:, None] * (floor - roof)
        self.add("teeth", across * 0.85, _outline(roof, roof + np.minimum(shown, 0.1)), self.white)
        self.add("seam line", half * _T, seam, np.where(gap[:, 0] > 0.03, lip, self.dark))
        chin = dice(0, 0.4) + 2 * np.maximum(self.corner[:, 0], 0)
        self.crease("chin", 0.14 * _T, mouth_y + 0.2 + 0.5 * gap - 0.03 * _ARC, chin)

    def hand(self) -> None:
        """Something round before the rim of one face in twelve."""
        where, reach = self.dice(0, 2 * np.pi)[:, None], self.dice(0.75, 1.1)[:, None]
        size = np.where(self.dice.chance(0.08), 0.3, 0)[:, None]
        x, y = reach * np.cos(where) + size * _COS, reach * np.sin(where) + size * 1.4 * _SIN
        self.add("hand", x, y, self.dice(40, 220))
