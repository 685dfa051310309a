/** A picture to keep or share: what is looked at with its faces' labels, the bars of one of them, and a small mark. */
import type { Boxed } from './boxes';
import { INK, drawing, lookOf } from './looks';
import { look, percent, t } from './texts';
import type { Size } from './view';

const [LEAST, MOST] = [720, 1600]; // px of width
export const PANEL = '#131c1e';
export const PAPER = '#e8eeed';
export const SOFT = '#a3b2b0';
export const FONT = 'system-ui, -apple-system, sans-serif';

export interface Shot {
  picture: CanvasImageSource;
  size: Size;
  mirrored: boolean;
  faces: Boxed[];
  /** The number of the face whose bars are drawn, and its label. */
  chosen: number | null;
  label: string;
  bars: { name: string; probability: number }[];
}

/** As PNG. */
export async function keepsake(shot: Shot): Promise<Blob> {
  const { size, faces, mirrored, chosen } = shot;
  const width = Math.round(Math.min(Math.max(size.width, LEAST), MOST));
  const scale = width / size.width;
  const unit = width / LEAST;
  const height = Math.round(size.height * scale);
  const panel = Math.round((shot.bars.length ? 66 + 30 * Math.ceil(shot.bars.length / 2) : 56) * unit);
  const context = new OffscreenCanvas(width, height + panel).getContext('2d', { alpha: false })!;
  context.save();
  if (mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(shot.picture, 0, 0, width, height);
  context.restore();
  context.fillStyle = PANEL;
  context.fillRect(0, height, width, panel);
  for (const face of faces) drawFace(context, face, scale, unit, { width, height }, mirrored, face.number === chosen);
  drawPanel(context, shot, unit, height, width);
  return context.canvas.convertToBlob({ type: 'image/png' });
}

export type Context = OffscreenCanvasRenderingContext2D;

function drawFace(context: Context, face: Boxed, scale: number, unit: number, size: Size, mirrored: boolean, chosen: boolean): void {
  const [left, top, w, h] = face.box.map((n) => n * scale) as [number, number, number, number];
  const x = mirrored ? size.width - left - w : left;
  const { colour } = lookOf(face.name);
  const line = (chosen ? 4 : 2.5) * unit;
  for (const [style, wide] of [['rgb(0 0 0 / 55%)', line + 2 * unit], [colour, line]] as const) {
    Object.assign(context, { strokeStyle: style, lineWidth: wide });
    context.beginPath();
    context.roundRect(x, top, w, h, 12 * unit);
    context.stroke();
  }
  if (!face.name) return;
  const text = [look(face.name), face.confidence !== null && percent(face.confidence)].filter(Boolean).join(' ');
  context.font = `600 ${16 * unit}px ${FONT}`;
  const [wide, high] = [context.measureText(text).width + 42 * unit, 28 * unit];
  const chipX = Math.min(Math.max(x, 4 * unit), Math.max(size.width - wide - 4 * unit, 0));
  const above = top - high - 6 * unit;
  const chipY = above < 2 * unit ? Math.min(top + h + 6 * unit, size.height - high) : above;
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(chipX, chipY, wide, high, 8 * unit);
  context.fill();
  drawIcon(context, face.name, chipX + 6 * unit, chipY + 3 * unit, 22 * unit, INK);
  write(context, text, chipX + 33 * unit, chipY + high / 2, INK);
}

/** Label and bars of the chosen face, and the mark. */
function drawPanel(context: Context, { bars, label }: Shot, unit: number, top: number, width: number): void {
  const middle = top + 28 * unit;
  context.font = `700 ${22 * unit}px ${FONT}`;
  if (bars.length) {
    drawIcon(context, label, 20 * unit, middle - 14 * unit, 28 * unit, PAPER);
    write(context, capital(look(label)), 58 * unit, middle, PAPER);
  }
  context.font = `600 ${15 * unit}px ${FONT}`;
  const mark = t('keep.mark');
  write(context, mark, width - context.measureText(mark).width - 20 * unit, middle, SOFT);
  const half = Math.ceil(bars.length / 2);
  context.font = `${15 * unit}px ${FONT}`;
  const long = 246 * unit - Math.max(...bars.map(({ name }) => context.measureText(look(name)).width), 66 * unit);
  bars.forEach(({ name, probability }, n) => {
    const [x, y] = [(n < half ? 20 : LEAST / 2 + 10) * unit, top + (66 + 30 * (n % half)) * unit];
    drawIcon(context, name, x, y - 10 * unit, 20 * unit, PAPER);
    write(context, look(name), x + 28 * unit, y, PAPER);
    const from = x + 284 * unit - long;
    for (const [style, share] of [['#2a3537', 1], [lookOf(name).colour, probability]] as const) {
      context.fillStyle = style;
      context.fillRect(from, y - 6 * unit, long * share, 12 * unit);
    }
    write(context, percent(probability), from + long + 10 * unit, y, PAPER);
  });
}

export const capital = (words: string) => words.charAt(0).toUpperCase() + words.slice(1);

export function drawIcon(context: Context, name: string, x: number, y: number, side: number, colour: string): void {
  context.save();
  context.translate(x, y);
  context.scale(side / 24, side / 24);
  Object.assign(context, { strokeStyle: colour, lineWidth: 2, lineCap: 'round', lineJoin: 'round' });
  context.stroke(new Path2D(drawing(name)));
  context.restore();
}

export function write(context: Context, text: string, x: number, y: number, colour: string): void {
  Object.assign(context, { fillStyle: colour, textAlign: 'left', textBaseline: 'middle' }); // also where words run to the left
  context.fillText(text, x, y);
}
