/**
 * What a reading rests on: a square of the face is covered at a time, and the top probability falls (Zeiler and Fergus 2014,
 * arXiv:1311.2901). The squares are those of `ferlab.explain`: a sixth of the side, in steps of a twelfth.
 */
import type { Pixels } from './framing';

const [STEPS, WINDOW] = [12, 2]; // steps a side, and of a square
export const PLACES = STEPS - WINDOW + 1; // squares a row

/** Left, top, right and bottom in pixels of square n, row by row. */
export function placeOf(n: number, width: number, height: number): [left: number, top: number, right: number, bottom: number] {
  const [column, row] = [n % PLACES, Math.floor(n / PLACES)];
  const edges = (at: number, side: number) => [Math.round((at * side) / STEPS), Math.round(((at + WINDOW) * side) / STEPS)] as const;
  const [[left, right], [top, bottom]] = [edges(column, width), edges(row, height)];
  return [left, top, right, bottom];
}

/** The picture with square n in its mean colour. */
export function covered({ data, width, height }: Pixels, n: number): Pixels {
  const out = { data: data.slice(), width, height };
  const mean = new Uint32Array(new Uint8ClampedArray([...meanOf(data), 255]).buffer)[0]!;
  const rgba = new Uint32Array(out.data.buffer);
  const [left, top, right, bottom] = placeOf(n, width, height);
  for (let row = top; row < bottom; row++) rgba.fill(mean, width * row + left, width * row + right);
  return out;
}

function meanOf(rgba: Uint8ClampedArray): number[] {
  const sum = [0, 0, 0];
  for (let i = 0; i < rgba.length; i += 4) for (let c = 0; c < 3; c++) sum[c]! += rgba[i + c]!;
  return sum.map((value) => Math.floor(value / (rgba.length / 4) + 0.5));
}

/** What each twelfth of the side loses: the mean of the squares that cover it. */
export function cellsOf(drops: number[]): { side: number; cells: number[] } {
  const cells = Array.from({ length: STEPS * STEPS }, (_, cell) => {
    const [column, row] = [cell % STEPS, Math.floor(cell / STEPS)];
    const over = drops.filter((_, n) => {
      const [left, top] = [n % PLACES, Math.floor(n / PLACES)];
      return left <= column && column < left + WINDOW && top <= row && row < top + WINDOW;
    });
    return over.reduce((sum, drop) => sum + drop, 0) / over.length;
  });
  return { side: STEPS, cells };
}
