/**
 * Tiles in which a large picture is searched once more, and which faces of them are new: small ones are found so.
 * The same as src/ferlab/inference/everyone.py, which also looks at doubtful faces in four turns.
 */
import { same, type Found } from './detector';
import type { Picture } from './framing';

const TILE = 540; // px; side of the smallest tile, in which a face of 60 px has 28 px for the detector
const TILES = 5; // sides of tiles in the longer side of a picture, at most
const OVERLAP = 0.25; // of a tile's side
const CUT = 0.05; // of a box's side, by which it may reach beyond its tile into the rest of the picture

/** Longest side of a picture whose tiles are the smallest ones: a larger one, shrunk to it, has the same tiles. */
export const LONGEST = TILE * TILES;
export const LEAST = 0.55; // score of a face in a tile: more looks find more that is no face

export type Tile = [left: number, top: number, right: number, bottom: number];

/** Of a picture; none of one that is hardly larger than a tile. */
export function tiles(width: number, height: number): Tile[] {
  const side = Math.max(TILE, Math.ceil(Math.max(width, height) / TILES));
  if (Math.max(width, height) < 1.5 * side) return [];
  const across = starts(width, side);
  const end = (start: number, length: number) => Math.min(start + side, length);
  return starts(height, side).flatMap((y) => across.map((x): Tile => [x, y, end(x, width), end(y, height)]));
}

function starts(length: number, side: number): number[] {
  if (length <= side) return [0];
  const count = Math.ceil((length - side * OVERLAP) / (side * (1 - OVERLAP)));
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - side)) / (count - 1)));
}

/** A tile as a picture of its own. */
export function partOf(picture: Picture, [x, y, right, bottom]: Tile): Picture {
  const read: Picture['read'] = (left, top, width, height) => picture.read(left + x, top + y, width, height);
  return { width: right - x, height: bottom - y, read };
}

/** Faces of a tile that are whole in it, in pixels of its picture. One that is cut by its edge is whole in the next tile. */
export function wholeOnes(faces: Found[], [x, y, right, bottom]: Tile, { width, height }: Picture): Found[] {
  const inside = (start: number, size: number, slack: number, low: number, high: number, length: number) =>
    (low === 0 || start >= low - slack) && (high === length || start + size <= high + slack);
  return faces
    .map(({ box: [left, top, w, h], score, keypoints }): Found => ({
      box: [left + x, top + y, w, h],
      score,
      keypoints: keypoints.map(([a, b]) => [a + x, b + y]),
    }))
    .filter(({ box: [left, top, w, h] }) => {
      const slack = CUT * Math.max(w, h);
      return inside(left, w, slack, x, right, width) && inside(top, h, slack, y, bottom, height);
    });
}

/** Faces with those of tiles that none of them is, nor another of a tile that is more certain. */
export function withTiles(faces: Found[], ofTiles: Found[]): Found[] {
  const everyone = [...faces];
  for (const face of [...ofTiles].sort((a, b) => b.score - a.score)) {
    if (!everyone.some((known) => hides(known, face))) everyone.push(face);
  }
  return everyone;
}

/** Whether they are one face; a much smaller box that is more certain is another, in what is no face. */
function hides(known: Found, face: Found): boolean {
  const area = ({ box }: Found) => box[2] * box[3];
  return same(face.box, known.box) && !(face.score > known.score && area(face) < area(known) / 4);
}
