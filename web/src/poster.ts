/** The sheet of the faces that were made in the game, as one picture to keep or share. */
import type { Round } from './game';
import { FONT, PANEL, PAPER, SOFT, capital, drawIcon, write, type Context } from './keepsake';
import { INK, lookOf } from './looks';
import { look, percent, t } from './texts';

const COLUMNS = 4;
const [CELL, GAP, CAPTION] = [290, 8, 44]; // px

/** As PNG: a cell for each expression, and a last one with the mean and the mark. */
export async function poster(rounds: Round[]): Promise<Blob> {
  const rows = Math.ceil((rounds.length + 1) / COLUMNS);
  const [width, height] = [COLUMNS * (CELL + GAP) + GAP, rows * (CELL + CAPTION + GAP) + GAP];
  const context = new OffscreenCanvas(width, height).getContext('2d', { alpha: false })!;
  context.fillStyle = PANEL;
  context.fillRect(0, 0, width, height);
  const place = (n: number) => [GAP + (n % COLUMNS) * (CELL + GAP), GAP + Math.floor(n / COLUMNS) * (CELL + CAPTION + GAP)] as const;
  for (const [n, round] of rounds.entries()) await drawRound(context, round, ...place(n));
  drawEnd(context, rounds, ...place(rows * COLUMNS - 1));
  return context.canvas.convertToBlob({ type: 'image/png' });
}

async function drawRound(context: Context, { expression, score, portrait }: Round, x: number, y: number): Promise<void> {
  const { colour } = lookOf(expression);
  context.save();
  context.beginPath();
  context.roundRect(x, y, CELL, CELL + CAPTION, 14);
  context.clip();
  context.fillStyle = colour;
  context.fillRect(x, y, CELL, CELL + CAPTION);
  if (portrait) {
    const bitmap = await createImageBitmap(portrait);
    context.drawImage(bitmap, x, y, CELL, CELL);
    bitmap.close();
  } else drawIcon(context, expression, x + CELL / 4, y + CELL / 4, CELL / 2, INK);
  context.restore();
  const middle = y + CELL + CAPTION / 2;
  drawIcon(context, expression, x + 10, middle - 13, 26, INK);
  context.font = `600 20px ${FONT}`;
  write(context, capital(look(expression)), x + 44, middle, INK);
  const words = score === null ? '–' : percent(score);
  write(context, words, x + CELL - context.measureText(words).width - 12, middle, INK);
}

function drawEnd(context: Context, rounds: Round[], x: number, y: number): void {
  const lines: [string, number, string, number][] = [
    [t('game.play'), 30, PAPER, 92],
    [percent(meanOf(rounds)), 72, PAPER, 170],
    [t('scores.short'), 20, SOFT, 232],
    [t('keep.mark'), 17, SOFT, 300],
  ];
  for (const [words, size, colour, down] of lines) {
    context.font = `700 ${size}px ${FONT}`;
    write(context, words, x + (CELL - context.measureText(words).width) / 2, y + down, colour);
  }
}

/** Of the rounds that were played. */
export function meanOf(rounds: Round[]): number {
  const scores = rounds.flatMap(({ score }) => (score === null ? [] : [score]));
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
