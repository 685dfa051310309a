/**
 * Where a picture goes in the detector's square, which boxes are one face, and what of a face is cut out.
 * The same as src/ferlab/inference/detector.py; both are tested on the same vectors.
 */
import type { Box } from './protocol';

export interface Found {
  box: Box;
  score: number;
}

/** Left, top, width and height that a picture takes, whole and centred, in a square. */
export function placed(width: number, height: number, side: number): Box {
  const longest = Math.max(width, height);
  const part = (n: number) => Math.max(Math.floor((n * side + Math.floor(longest / 2)) / longest), 1);
  const [w, h] = [part(width), part(height)];
  return [Math.floor((side - w) / 2), Math.floor((side - h) / 2), w, h];
}

/**
 * Boxes [A,4] and scores [A] in 0..1 of the square -> its faces, the most certain first, by MediaPipe's weighted
 * non-maximum suppression: a box and all that overlap it are one face, their mean weighted by score.
 */
export function merge(boxes: Float32Array, scores: Float32Array, minScore: number, minOverlap: number): Found[] {
  let left: Found[] = [];
  scores.forEach((score, i) => {
    const box = [...boxes.subarray(4 * i, 4 * i + 4)] as Box;
    if (score >= minScore && box[2] > 0 && box[3] > 0) left.push({ box, score });
  });
  left.sort((a, b) => b.score - a.score); // stable, as the Python one
  const faces: Found[] = [];
  for (let best = left[0]; best; best = left[0]) {
    const { box: first, score } = best;
    const together = left.filter((face) => overlap(first, face.box) > minOverlap);
    const total = together.reduce((sum, face) => sum + face.score, 0);
    const mean = (axis: number) => together.reduce((sum, { box, score }) => sum + (score / total) * box[axis]!, 0);
    faces.push({ box: [mean(0), mean(1), mean(2), mean(3)], score });
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
export function inPixels([x, y, w, h]: Box, width: number, height: number, side: number): Box {
  const [left, top, placedWidth, placedHeight] = placed(width, height, side);
  const [scaleX, scaleY] = [width / placedWidth, height / placedHeight];
  return [(x * side - left) * scaleX, (y * side - top) * scaleY, w * side * scaleX, h * side * scaleY];
}

/** What of a face is cut out, in units of its box; from the classifier's JSON. */
export interface Margin {
  /** Side of the square by the longer side of the box. */
  sideRatio: number;
  /** How far its centre stands above the box's, by the height of the box. */
  raiseRatio: number;
}

/** Left, top and side in whole pixels of the square that frames a face as the training data frame it. */
export function square([left, top, width, height]: Box, margin: Margin): [left: number, top: number, side: number] {
  const side = Math.max(Math.floor(margin.sideRatio * Math.max(width, height) + 0.5), 1);
  const x = left + width / 2 - side / 2;
  const y = top + height / 2 - margin.raiseRatio * height - side / 2;
  return [Math.floor(x + 0.5), Math.floor(y + 0.5), side];
}
