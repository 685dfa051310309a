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


def _covered(before: int, after: int) -> list[list[tuple[int, Fraction]]]:
    """Of each pixel of an axis that shrinks: the pixels that it covers, and the share of each in it."""
    size = Fraction(before, after)
    shares = []
    for i in range(after):
        start, end = i * size, (i + 1) * size
        parts = [(n, min(Fraction(n + 1), end) - max(Fraction(n), start)) for n in range(before)]
        shares.append([(n, part / size) for n, part in parts if part > 0])
    return shares


def _nearest(before: int, after: int) -> list[list[tuple[int, Fraction]]]:
    """Of each pixel of an axis that grows: the two nearest pixels, and the share of each in it."""
    shares = []
    for i in range(after):
        place = min(max((i + Fraction(1, 2)) * Fraction(before, after) - Fraction(1, 2), Fraction(0)), before - 1)
        low = math.floor(place)
        shares.append([(low, 1 - (place - low)), (min(low + 1, before - 1), place - low)])
    return shares


def resized(picture: list, width: int, height: int) -> list:
    """A picture [H][W][3] in another size, not rounded."""
    rows, columns = len(picture), len(picture[0])
    shares = _covered if width * height < rows * columns else _nearest
    across, down = shares(columns, width), shares(rows, height)
    return [
        [[float(sum(a * b * picture[y][x][c] for y, a in ys for x, b in xs)) for c in range(3)] for xs in across]
        for ys in down
    ]


def excess_tilt(box: list[float], right_eye: list[float], left_eye: list[float], kept: float, least: float) -> float:
    x, y = left_eye[0] - right_eye[0], left_eye[1] - right_eye[1]
    if (x**2 + y**2) ** 0.5 < least * max(box[2:]):
        return 0.0
    tilt = math.atan2(y, x)
    return tilt - kept if tilt > kept else tilt + kept if tilt < -kept else 0.0


def levelled(picture: list, box: list[float], side_ratio: float, raise_ratio: float, tilt: float, every: int) -> list:
    """Of the crop of 96 pixels a side, with the tilt taken out, each `every`th pixel of each `every`th row."""
    turn = complex(math.cos(tilt), math.sin(tilt))
    middle = complex(box[0] + box[2] / 2, box[1] + box[3] / 2) - turn * 1j * raise_ratio * box[3]
    side, grown = side_ratio * max(box[2:]), abs(turn.real) + abs(turn.imag)
    whole, pixels = max(math.floor(side * grown + 0.5), 1), math.floor(96 * grown + 0.5)
    left, top = math.floor(middle.real - whole / 2 + 0.5), math.floor(middle.imag - whole / 2 + 0.5)
    rows, columns = len(picture), len(picture[0])
    part = [
        [picture[min(max(y, 0), rows - 1)][min(max(x, 0), columns - 1)] for x in range(left, left + whole)]
        for y in range(top, top + whole)
    ]
    around = [[[round(v) for v in pixel] for pixel in row] for row in resized(part, pixels, pixels)]
    out = []
    for row in range(0, 96, every):
        for column in range(0, 96, every):
            at = middle + turn * complex((column + 0.5) / 96 - 0.5, (row + 0.5) / 96 - 0.5) * side
            place = (at - complex(left, top)) * pixels / whole - complex(0.5, 0.5)
            x, y = (min(max(v, 0.0), pixels - 1.0) for v in (place.real, place.imag))
            near = [(math.floor(y) + j, math.floor(x) + i) for j in (0, 1) for i in (0, 1)]
            values = [around[min(j, pixels - 1)][min(i, pixels - 1)] for j, i in near]
            shares = [(1 - abs(y - j)) * (1 - abs(x - i)) for j, i in near]
            out.append([sum(share * value[c] for share, value in zip(shares, values, strict=True)) for c in range(3)])
    return out
