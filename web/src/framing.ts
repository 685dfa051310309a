/**
 * How pixels are resized, and what of a picture is cut out for a face: its upright square.
 * The same as src/ferlab/inference/framing.py; both are tested on the same vectors. A canvas would resize otherwise
 * in each browser.
 */
import type { Box, Point } from './protocol';

export const CROP_SIDE = 96; // px, as in framing.py: twice a face's side in the data
const KEPT_TILT = (10 * Math.PI) / 180; // radians; up to this tilt labels are as good, so that a crop keeps it
const LEAST_EYES = 0.25; // distance of the eyes by the box's longer side; below it their line says nothing

/** RGBA, as in ImageData. */
export interface Pixels {
  data: Uint8ClampedArray<ArrayBuffer>;
  width: number;
  height: number;
}

/** A picture whose pixels are read part by part, since all of them together may be more than a phone has room for. */
export interface Picture {
  width: number;
  height: number;
  /** A part that lies within the picture. */
  read(left: number, top: number, width: number, height: number): Pixels;
}

export const blank = (width: number, height: number): Pixels => ({
  data: new Uint8ClampedArray(4 * width * height),
  width,
  height,
});

const STRIP = 256; // rows of a picture that are read together

/** Pixels of row after row, and where the row begins in them; a row may be asked for again until the next one is. */
function rowsOf(from: Pixels | Picture): (y: number) => [rgba: Uint32Array, start: number] {
  let [strip, top] = 'data' in from ? [from, 0] : [blank(0, 0), 0];
  let rgba = new Uint32Array(strip.data.buffer);
  return (y) => {
    if ('read' in from && (y < top || y >= top + strip.height)) {
      strip = from.read(0, y, from.width, Math.min(STRIP, from.height - y));
      [rgba, top] = [new Uint32Array(strip.data.buffer), y];
    }
    return [rgba, from.width * (y - top)];
  };
}

/** Averaged where it shrinks, so that nothing is skipped; bilinear where it grows. */
export function resized(from: Pixels | Picture, width: number, height: number): Pixels {
  const rows = rowsOf(from);
  const shrinks = width * height < from.width * from.height;
  const [across, down] = [shares(from.width, width, shrinks), shares(from.height, height, shrinks)];
  const out = blank(width, height);
  const sum = new Float32Array(3 * width);
  for (let y = 0; y < height; y++) {
    sum.fill(0);
    for (let n = down.from[y]!; n < down.from[y + 1]!; n++) {
      const [rgba, start] = rows(down.index[n]!);
      addRow(rgba, start, across, down.weight[n]!, sum);
    }
    for (let i = 0, at = 4 * width * y; i < sum.length; i += 3, at += 4) {
      out.data[at] = sum[i]!; // which rounds
      out.data[at + 1] = sum[i + 1]!;
      out.data[at + 2] = sum[i + 2]!;
      out.data[at + 3] = 255;
    }
  }
  return out;
}

/**
 * Adds a row RGBA that begins at `start`, resized and weighted, to the row RGB `sum`. It runs for each pixel of a picture:
 * those that lie whole in one pixel of the result are added as they are, red and blue in one number.
 */
function addRow(rgba: Uint32Array, start: number, across: Shares, rowWeight: number, sum: Float32Array): void {
  const { from, index, weight } = across;
  for (let x = 0, i = 0; i < sum.length; x++, i += 3) {
    const first = from[x]!;
    const last = from[x + 1]! - 1;
    let pixel = rgba[start + index[first]!]!;
    let share = rowWeight * weight[first]!;
    let red = share * (pixel & 255);
    let green = share * ((pixel >>> 8) & 255);
    let blue = share * ((pixel >>> 16) & 255);
    if (last > first) {
      let redBlue = 0; // room for 257 pixels: no canvas shrinks by more to a detector's square
      let greens = 0;
      for (let n = first + 1; n < last; n++) {
        pixel = rgba[start + index[n]!]!;
        redBlue += pixel & 0xff00ff;
        greens += (pixel >>> 8) & 255;
      }
      share = rowWeight * weight[first + 1]!;
      const between = last > first + 1 ? share : 0;
      red += between * (redBlue & 0xffff);
      green += between * greens;
      blue += between * (redBlue >>> 16);
      pixel = rgba[start + index[last]!]!;
      share = rowWeight * weight[last]!;
      red += share * (pixel & 255);
      green += share * ((pixel >>> 8) & 255);
      blue += share * ((pixel >>> 16) & 255);
    }
    sum[i]! += red;
    sum[i + 1]! += green;
    sum[i + 2]! += blue;
  }
}

/** What the pixels of an axis are made of: pixel i of `weight[n]` of `index[n]`, n from `from[i]` to `from[i + 1]`. */
interface Shares {
  from: Int32Array;
  index: Int32Array;
  weight: Float32Array;
}

/** Each pixel is the mean of what it covers, where an axis shrinks; else of the two nearest, weighted by nearness. */
function shares(before: number, after: number, shrinks: boolean): Shares {
  const [from, index, weight]: [number[], number[], number[]] = [[0], [], []];
  const scale = before / after;
  for (let i = 0; i < after; i++) {
    if (shrinks) {
      const [start, end] = [i * scale, Math.min((i + 1) * scale, before)];
      for (let n = Math.floor(start + 1e-9); n < end - 1e-9; n++) {
        index.push(n);
        weight.push((Math.min(n + 1, end) - Math.max(n, start)) / (end - start));
      }
    } else {
      const place = Math.min(Math.max((i + 0.5) * scale - 0.5, 0), before - 1);
      const low = Math.floor(place);
      index.push(low, Math.min(low + 1, before - 1));
      weight.push(1 - (place - low), place - low);
    }
    from.push(index.length);
  }
  return { from: Int32Array.from(from), index: Int32Array.from(index), weight: Float32Array.from(weight) };
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

/** By how many radians a face is tilted, clockwise, beyond the tilt that its crop keeps; 0 where the eyes do not say. */
export function excessTilt([, , width, height]: Box, [right, left]: Point[]): number {
  const [x, y] = [left![0] - right![0], left![1] - right![1]];
  if (!(Math.hypot(x, y) >= LEAST_EYES * Math.max(width, height))) return 0;
  const tilt = Math.atan2(y, x);
  return Math.sign(tilt) * Math.max(Math.abs(tilt) - KEPT_TILT, 0);
}

/** The square around a face, 96 px a side, with `tilt` taken out; outside the picture its rim goes on. */
export function crop(picture: Picture, box: Box, margin: Margin, tilt: number): Pixels {
  if (!tilt) return resized(part(picture, ...square(box, margin)), CROP_SIDE, CROP_SIDE);
  const [left, top, width, height] = box;
  const [cos, sin] = [Math.cos(tilt), Math.sin(tilt)];
  const side = margin.sideRatio * Math.max(width, height);
  const x = left + width / 2 + sin * margin.raiseRatio * height;
  const y = top + height / 2 - cos * margin.raiseRatio * height;
  const grown = Math.abs(cos) + Math.abs(sin);
  const whole = Math.max(Math.floor(side * grown + 0.5), 1);
  const pixels = Math.floor(CROP_SIDE * grown + 0.5);
  const [x0, y0] = [Math.floor(x - whole / 2 + 0.5), Math.floor(y - whole / 2 + 0.5)];
  const around = resized(part(picture, x0, y0, whole), pixels, pixels);
  const out = blank(CROP_SIDE, CROP_SIDE);
  const scale = pixels / whole;
  for (let row = 0; row < CROP_SIDE; row++) {
    const down = ((row + 0.5) / CROP_SIDE - 0.5) * side;
    for (let column = 0; column < CROP_SIDE; column++) {
      const across = ((column + 0.5) / CROP_SIDE - 0.5) * side;
      const atX = (x + cos * across - sin * down - x0) * scale - 0.5;
      const atY = (y + sin * across + cos * down - y0) * scale - 0.5;
      bilinear(around, atX, atY, out.data, 4 * (CROP_SIDE * row + column));
    }
  }
  return out;
}

/** Writes the value at (x, y), where pixel n is at n, to `out` from `at` on. */
function bilinear({ data, width, height }: Pixels, x: number, y: number, out: Uint8ClampedArray, at: number): void {
  x = Math.min(Math.max(x, 0), width - 1);
  y = Math.min(Math.max(y, 0), height - 1);
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, low] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
  for (let channel = 0; channel < 3; channel++) {
    const value = (column: number, row: number) => data[4 * (width * row + column) + channel]!;
    const upper = value(left, top) * (left + 1 - x) + value(right, top) * (x - left);
    const lower = value(left, low) * (left + 1 - x) + value(right, low) * (x - left);
    out[at + channel] = upper * (top + 1 - y) + lower * (y - top);
  }
  out[at + 3] = 255;
}

/** A square of a picture; outside, the picture's rim goes on. */
function part({ width, height, read }: Picture, left: number, top: number, side: number): Pixels {
  // One row and column of the picture at least, wherever the square lies.
  const [x0, y0] = [Math.min(Math.max(left, 0), width - 1), Math.min(Math.max(top, 0), height - 1)];
  const x1 = Math.min(Math.max(left + side, x0 + 1), width);
  const y1 = Math.min(Math.max(top + side, y0 + 1), height);
  const inside = read(x0, y0, x1 - x0, y1 - y0);
  if (inside.width === side && inside.height === side) return inside;
  const out = blank(side, side);
  const [from, to] = [new Uint32Array(inside.data.buffer), new Uint32Array(out.data.buffer)];
  const clamp = (n: number, first: number, count: number) => Math.min(Math.max(n - first, 0), count - 1);
  for (let row = 0; row < side; row++) {
    const start = inside.width * clamp(top + row, y0, inside.height);
    for (let column = 0; column < side; column++) {
      to[side * row + column] = from[start + clamp(left + column, x0, inside.width)]!;
    }
  }
  return out;
}
