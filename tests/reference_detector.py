"""Letterboxing, MediaPipe's weighted suppression and the crop's square once more, in plain loops and fractions."""

import math
from fractions import Fraction


def _half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def placed(width: int, height: int, side: int) -> list[int]:
    longest = max(width, height)
    w, h = (max(_half_up(Fraction(n * side, longest)), 1) for n in (width, height))
    return [(side - w) // 2, (side - h) // 2, w, h]


def square(box: list[float], side_ratio: float, raise_ratio: float) -> list[int]:
    left, top, width, height = (Fraction(v) for v in box)
    side = max(_half_up(Fraction(side_ratio) * max(width, height)), 1)
    x = left + width / 2 - Fraction(side, 2)
    y = top + height / 2 - Fraction(raise_ratio) * height - Fraction(side, 2)
    return [_half_up(x), _half_up(y), side]


def overlap(a: list[float], b: list[float]) -> float:
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / (a[2] * a[3] + b[2] * b[3] - wide * high)


def merge(boxes: list, keypoints: list, scores: list, min_score: float, min_overlap: float) -> list[dict]:
    """What mediapipe/calculators/util/non_max_suppression_calculator.cc does under WEIGHTED."""
    rest = [i for i in range(len(scores)) if scores[i] >= min_score and boxes[i][2] > 0 and boxes[i][3] > 0]
    rest.sort(key=lambda i: (-scores[i], i))
    faces = []
    while rest:
        best = rest[0]
        group = [i for i in rest if overlap(boxes[best], boxes[i]) > min_overlap]
        rest = [i for i in rest if i not in group]
        total = sum(scores[i] for i in group)
        box = [sum(scores[i] * boxes[i][v] for i in group) / total for v in range(4)]
        points = [
            [sum(scores[i] * keypoints[i][p][v] for i in group) / total for v in range(2)]
            for p in range(len(keypoints[best]))
        ]
        faces.append({"box": box, "score": scores[best], "keypoints": points})
    return faces


def in_pixels(face: dict, width: int, height: int, side: int) -> dict:
    left, top, w, h = placed(width, height, side)

    def x(value: float) -> float:
        return (value * side - left) * width / w

    def y(value: float) -> float:
        return (value * side - top) * height / h

    near, up, wide, high = face["box"]
    box = [x(near), y(up), x(near + wide) - x(near), y(up + high) - y(up)]
    return {"box": box, "score": face["score"], "keypoints": [[x(a), y(b)] for a, b in face["keypoints"]]}
