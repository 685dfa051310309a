/**
 * What was read of a camera or a video, as a table with the columns of ferlab.predict. Valence and arousal are derived from
 * the probabilities as in src/ferlab/inference/affect.py; nobody measured them.
 */
import type { Box } from './protocol';

const MOST = 100_000; // rows that are kept: five faces for eleven minutes
const UNCERTAIN = 'uncertain';
const NO_FACE = 'no face';

/** Russell and Mehrabian 1977, as in affect.py. */
const COORDINATES: Record<string, [valence: number, arousal: number]> = {
  angry: [-0.51, 0.59],
  disgust: [-0.6, 0.35],
  fear: [-0.64, 0.6],
  happy: [0.81, 0.51],
  sad: [-0.63, -0.27],
  surprise: [0.4, 0.67],
  neutral: [0, 0],
};

export interface Row {
  number: number;
  box: Box;
  score: number;
  probabilities: number[];
  /** Whether the page names no expression. */
  uncertain: boolean;
}

export class Sheet {
  /** In the order of the probabilities. */
  expressions: string[] = [];
  private source = '';
  private frames: { frame: number; seconds: number; rows: Row[] }[] = [];
  private count = 0;
  private total = 0;

  start(source: string): void {
    this.source = source;
    this.frames = [];
    this.count = this.total = 0;
  }

  get empty(): boolean {
    return !this.frames.length;
  }

  /** The faces of a picture that was taken at a time in s. */
  add(seconds: number, rows: Row[]): void {
    this.frames.push({ frame: this.count++, seconds, rows });
    this.total += Math.max(rows.length, 1);
    while (this.total > MOST) this.total -= Math.max(this.frames.shift()!.rows.length, 1);
  }

  /** As `python -m ferlab.predict VIDEO --out FILE.csv` writes it. */
  csv(): string {
    const where = ['source', 'frame', 'time_s', 'face', 'track', 'x', 'y', 'width', 'height', 'score'];
    const lines = [[...where, 'label', 'confidence', ...this.expressions, 'valence', 'arousal']];
    const source = cell(this.source);
    for (const { frame, seconds, rows } of this.frames) {
      const start = [source, String(frame), seconds.toFixed(4)];
      rows.forEach((row, face) => lines.push([...start, String(face), ...this.cells(row)]));
      if (!rows.length) lines.push([...start, ...Array<string>(7).fill(''), NO_FACE]);
    }
    return lines.map((line) => `${line.join(',')}\n`).join('');
  }

  private cells({ number, box, score, probabilities, uncertain }: Row): string[] {
    const confidence = Math.max(...probabilities);
    const label = uncertain ? UNCERTAIN : this.expressions[probabilities.indexOf(confidence)]!;
    const affect = affectOf(probabilities, this.expressions).map((value) => value.toFixed(4));
    const place = [...box.map((value) => value.toFixed(1)), score.toFixed(4)];
    return [String(number), ...place, label, confidence.toFixed(4), ...probabilities.map((p) => p.toFixed(6)), ...affect];
  }
}

/** Valence and arousal in -1..1: the mean of the expressions' coordinates, weighted by their probabilities. */
export function affectOf(probabilities: number[], expressions: string[]): [valence: number, arousal: number] {
  const mean = (axis: 0 | 1) => probabilities.reduce((sum, p, k) => sum + p * (COORDINATES[expressions[k]!]?.[axis] ?? 0), 0);
  return [mean(0), mean(1)];
}

/** A file's name as a cell: spreadsheets compute what begins like a formula. */
function cell(name: string): string {
  const safe = /^[=+\-@]/.test(name) ? `'${name}` : name;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
