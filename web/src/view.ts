/** What is shown of a reading: bars, label, boxes and speed. */
import type { Box, Face, Model } from './protocol';
import type { Latency } from './latency';

const SAY_AFTER = 1000; // ms that a label must last before a screen reader says it

export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

const percent = (p: number) => `${Math.round(100 * p)} %`;

/** One bar per expression, in the model's order, and the label above them. */
export class Reading {
  private readonly bars: { row: HTMLElement; meter: HTMLMeterElement; text: HTMLElement }[];
  private shown = '';
  private said = '';
  private since = 0;

  constructor(private readonly model: Model) {
    this.bars = model.expressions.map((name, k) => {
      const row = document.createElement('li');
      const label = Object.assign(document.createElement('span'), { id: `bar-${k}`, textContent: name });
      const meter = Object.assign(document.createElement('meter'), { min: 0, max: 1, value: 0 });
      meter.setAttribute('aria-labelledby', label.id);
      const text = Object.assign(document.createElement('span'), { textContent: '–', className: 'percent' });
      row.append(label, meter, text);
      return { row, meter, text };
    });
    element('bars').replaceChildren(...this.bars.map(({ row }) => row));
  }

  /** What to call probabilities: the most probable expression, or that there is none. */
  name(probabilities: number[]): string {
    const top = probabilities.indexOf(Math.max(...probabilities));
    return probabilities[top]! < this.model.threshold ? 'not sure' : this.model.expressions[top]!;
  }

  show(probabilities: number[] | null, now: number): void {
    const top = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
    this.bars.forEach(({ row, meter, text }, k) => {
      meter.value = probabilities?.[k] ?? 0;
      meter.style.setProperty('--value', String(meter.value));
      text.textContent = probabilities ? percent(probabilities[k]!) : '–';
      row.classList.toggle('best', k === top);
    });
    const label = probabilities ? this.name(probabilities) : 'No face yet';
    if (label !== this.shown) {
      this.shown = element('label').textContent = label;
      element('label').classList.toggle('none', !probabilities);
      this.since = now;
    } else if (label !== this.said && now - this.since > SAY_AFTER) {
      this.said = label;
      element('announcer').textContent = probabilities ? label : '';
    }
  }

  /** As `show`, for a picture that does not change: said at once. */
  showStill(probabilities: number[] | null): void {
    this.show(probabilities, 0);
    this.said = this.shown;
    element('announcer').textContent = probabilities ? this.shown : '';
  }
}

/** Outlines of faces over a picture `width` x `height`; the first, which the bars are about, is thicker and named. */
export function drawBoxes(
  faces: Face[],
  size: { width: number; height: number },
  mirrored: boolean,
  name: (face: Face, index: number) => string,
): void {
  const canvas = element<HTMLCanvasElement>('overlay');
  if (canvas.width !== size.width) canvas.width = size.width;
  if (canvas.height !== size.height) canvas.height = size.height;
  const context = canvas.getContext('2d')!;
  context.clearRect(0, 0, size.width, size.height);
  const unit = Math.max(size.width, size.height) / 640;
  faces.forEach((face, index) => {
    const [x, y, w, h] = mirrored ? mirror(face.box, size.width) : face.box;
    context.lineWidth = (index ? 2 : 4) * unit;
    context.strokeStyle = 'rgb(0 0 0 / 45%)';
    context.beginPath();
    context.roundRect(x, y, w, h, 14 * unit);
    context.stroke();
    context.lineWidth -= 1.5 * unit;
    context.strokeStyle = '#5eead4';
    context.stroke();
    const text = name(face, index);
    if (text) drawName(context, text, x, y, unit);
  });
}

function drawName(context: CanvasRenderingContext2D, text: string, x: number, y: number, unit: number): void {
  context.font = `600 ${20 * unit}px system-ui, sans-serif`;
  const [width, height] = [context.measureText(text).width + 18 * unit, 30 * unit];
  const left = Math.min(Math.max(x, 4 * unit), context.canvas.width - width - 4 * unit);
  const top = Math.max(y - height - 6 * unit, 4 * unit);
  context.fillStyle = '#0b2b29';
  context.beginPath();
  context.roundRect(left, top, width, height, 8 * unit);
  context.fill();
  context.fillStyle = '#d8fffa';
  context.textBaseline = 'middle';
  context.fillText(text, left + 9 * unit, top + height / 2 + unit);
}

const mirror = ([x, y, w, h]: Box, width: number): Box => [width - x - w, y, w, h];

export function clearBoxes(): void {
  const canvas = element<HTMLCanvasElement>('overlay');
  canvas.getContext('2d')!.clearRect(0, 0, canvas.width, canvas.height);
}

/** The table of durations; only when it is open, since it changes the layout's text every time. */
export function showSpeed(stages: Record<string, Latency>, fps: number, threads: number): void {
  if (!element<HTMLDetailsElement>('figures').open) return;
  const ms = (value: number | null) => (value === null ? '–' : `${value.toFixed(1)} ms`);
  const rows = Object.entries(stages).map(([name, latency]) => {
    const row = document.createElement('tr');
    const head = Object.assign(document.createElement('th'), { scope: 'row', textContent: name });
    const cells = [0.5, 0.95].map((q) =>
      Object.assign(document.createElement('td'), { textContent: ms(latency.quantile(q)) }),
    );
    row.append(head, ...cells);
    return row;
  });
  element('stages').replaceChildren(...rows);
  element('rate').textContent = `${Math.round(fps)} frames a second, ${threads} thread${threads > 1 ? 's' : ''}`;
}
