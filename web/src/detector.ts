/**
 * Where a picture goes in the detector's square, and which boxes are one face.
 * The same as src/ferlab/inference/detector.py; both are tested on the same vectors.
 */
import { blank, resized, type Picture, type Pixels } from './framing';
import type { Box, Point } from './protocol';

export interface Found {
  box: Box;
  score: number;
  /** The person's right eye, left eye, nose tip, mouth, right ear and left ear, in pixels of the picture. */
  keypoints: Point[];
}

/** Left, top, width and height that a picture takes, whole and centred, in a square. */
export function placed(width: number, height: number, side: number): Box {
  const longest = Math.max(width, height);
  const part = (n: number) => Math.max(Math.floor((n * side + Math.floor(longest / 2)) / longest), 1);
  const [w, h] = [part(width), part(height)];
  return [Math.floor((side - w) / 2), Math.floor((side - h) / 2), w, h];
}

/** A picture, whole and centred, in a black square. */
export function letterbox(picture: Picture, side: number): Pixels {
  const [left, top, width, height] = placed(picture.width, picture.height, side);
  const small = resized(picture, width, height);
  const out = blank(side, side);
  new Uint32Array(out.data.buffer).fill(0xff000000); // opaque black
  for (let row = 0; row < height; row++) {
    out.data.set(small.data.subarray(4 * width * row, 4 * width * (row + 1)), 4 * (side * (top + row) + left));
  }
  return out;
}

/**
 * Boxes [A,4], keypoints [A,6,2] and scores [A] in 0..1 of the square -> its faces, the most certain first, by
 * MediaPipe's weighted non-maximum suppression: a box and all that overlap it are one face, their mean weighted by score.
 */
export function merge(
  boxes: Float32Array,
  keypoints: Float32Array,
  scores: Float32Array,
  minScore: number,
  minOverlap: number,
): Found[] {
  let left: { box: Box; score: number; values: number[] }[] = [];
  scores.forEach((score, i) => {
    const box = [...boxes.subarray(4 * i, 4 * i + 4)] as Box;
    if (!(score >= minScore && box[2] > 0 && box[3] > 0)) return;
    left.push({ box, score, values: [...box, ...keypoints.subarray(12 * i, 12 * i + 12)] });
  });
  left.sort((a, b) => b.score - a.score); // stable, as the Python one
  const faces: Found[] = [];
  for (let best = left[0]; best; best = left[0]) {
    const { box: first, score, values } = best;
    const together = left.filter((face) => face === best || overlap(first, face.box) > minOverlap);
    const total = together.reduce((sum, face) => sum + face.score, 0);
    const mean = values.map((_, n) => together.reduce((sum, face) => sum + (face.score / total) * face.values[n]!, 0));
    const points = Array.from({ length: 6 }, (_, n): Point => [mean[4 + 2 * n]!, mean[5 + 2 * n]!]);
    faces.push({ box: mean.slice(0, 4) as Box, score, keypoints: points });
    left = left.filter((face) => !together.includes(face));
  }
  return faces;
}

/** Intersection over union. */
export function overlap(a: Box, b: Box): number {
  const both = shared(a, b);
  return both / (a[2] * a[3] + b[2] * b[3] - both);
}

function shared(a: Box, b: Box): number {
  const along = (axis: 0 | 1, size: 2 | 3) =>
    Math.max(Math.min(a[axis] + a[size], b[axis] + b[size]) - Math.max(a[axis], b[axis]), 0);
  return along(0, 2) * along(1, 3);
}

/** Whether two detectors mean one face: more than half of the smaller box lies in the larger one. */
export function same(a: Box, b: Box): boolean {
  return shared(a, b) > Math.min(a[2] * a[3], b[2] * b[3]) / 2;
}

/** From 0..1 of the square to pixels of the picture that was put in it. */
export function inPixels({ box, score, keypoints }: Found, width: number, height: number, side: number): Found {
  const [left, top, placedWidth, placedHeight] = placed(width, height, side);
  const [scaleX, scaleY] = [width / placedWidth, height / placedHeight];
  const point = ([x, y]: Point): Point => [(x * side - left) * scaleX, (y * side - top) * scaleY];
  const [x, y, w, h] = box;
  return { box: [...point([x, y]), w * side * scaleX, h * side * scaleY], score, keypoints: keypoints.map(point) };
}
