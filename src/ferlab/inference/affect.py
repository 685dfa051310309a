"""Probabilities of expressions in, valence and arousal out: derived from published coordinates, not measured.

The coordinates are the mean pleasure and arousal of the terms in -1..1 that readers gave to Russell and Mehrabian 1977
("Evidence for a three-factor theory of emotions", Journal of Research in Personality 11, 273-294, the table of 151
terms). They are the axes of Russell's circumplex (1980, "A circumplex model of affect"). They are of English words for
feelings: no face was rated, and no net of ferlab has learned valence or arousal.
"""

from typing import NamedTuple

import numpy as np

from ferlab.expressions import EXPRESSIONS


class Affect(NamedTuple):
    """Two coordinates of a feeling's name, each in -1..1.

    Attributes:
        valence: from displeasure to pleasure.
        arousal: from sleep to excitement.
    """

    valence: float
    arousal: float


COORDINATES = {
    "angry": Affect(-0.51, 0.59),
    "disgust": Affect(-0.60, 0.35),  # of "disgusted"
    "fear": Affect(-0.64, 0.60),  # of "fearful"
    "happy": Affect(0.81, 0.51),
    "sad": Affect(-0.63, -0.27),
    "surprise": Affect(0.40, 0.67),  # of "surprised"
    "neutral": Affect(0.0, 0.0),  # the origin of both axes; no term of the table
}


def affect_of(probabilities: np.ndarray) -> Affect:
    """The mean of the expressions' coordinates, weighted by probabilities [7] in the order of `EXPRESSIONS`."""
    valence, arousal = probabilities.astype(np.float64) @ np.array([COORDINATES[name] for name in EXPRESSIONS])
    return Affect(float(valence), float(arousal))
