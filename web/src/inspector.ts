/** "What it looked at": the face as the classifier is given it, and what covering parts of it takes from the top probability. */
import { overlap } from './detector';
import { WorkerDied, type Engine } from './engine';
import type { Pixels } from './framing';
import { PLACES, cellsOf, placeOf } from './occlusion';
import { element } from './page';
import type { Box } from './protocol';
import { look, number, percent, show, t, words, wordsOf, type Words } from './texts';
import type { View } from './view';

const ALL = PLACES * PLACES;
const LARGE = 4 * 96 * 96; // pixels from which one covered picture at a time is enough
const LEAST = 0.05; // of the probability: a scale of less would show noise
const HELD = 0.2; // least overlap of a face with where it was, as in tracks.ts
const ROWS = [words('inspect.top'), words('inspect.middle'), words('inspect.bottom')];
const COLUMNS = [words('inspect.left'), words('inspect.centre'), words('inspect.right')];

export class Inspector {
  private readonly panel = element<HTMLDetailsElement>('inspect');
  private readonly face = element<HTMLCanvasElement>('inspect-face');
  private readonly map = element<HTMLCanvasElement>('inspect-map');
  private readonly bar = element<HTMLProgressElement>('inspect-progress');
  /** Which inspection this is; an older one ends. */
  private turn = 0;
  private running = false;
  /** Where the face is that is inspected. */
  private box: Box | null = null;
  /** Whether a face was inspected since something else is looked at. */
  private done = false;

  /** `picture` gives what is looked at now; `live` says whether it goes on by itself. */
  constructor(
    private readonly engine: Engine,
    private readonly view: View,
    private readonly picture: () => Promise<ImageBitmap | null>,
    private readonly live: () => boolean,
  ) {
    this.panel.ontoggle = () => (this.panel.open ? void this.start() : this.stop());
    element('inspect-again').onclick = () => void this.start();
    this.clear();
  }

  /** Another face is shown, or none: of a photo it is inspected, of a camera on request, since faces come and go. */
  changed(): void {
    if (this.running && this.live() && this.same()) return;
    const was = this.running;
    this.stop();
    if (!this.panel.open) return;
    if (this.view.looked && (!this.live() || !this.done)) void this.start();
    else if (was) this.say(words('inspect.changed'));
  }

  /** Whether nobody else is shown: a face that was lost comes back with another number. */
  private same(): boolean {
    const { looked } = this.view;
    return !looked || (looked !== 'whole' && !!this.box && overlap(looked.box, this.box) >= HELD);
  }

  /** Something else is looked at. */
  clear(): void {
    this.stop();
    this.done = false;
    for (const canvas of [this.face, this.map]) canvas.getContext('2d')!.clearRect(0, 0, canvas.width, canvas.height);
    this.say(words('inspect.nobody'));
    this.sized({ width: 96, height: 96 });
  }

  private stop(): void {
    this.turn++;
    this.running = false;
    this.bar.hidden = true;
  }

  private say(text: Words): void {
    show(element('inspect-result'), text);
  }

  private sized({ width, height }: { width: number; height: number }): void {
    const [, , right, bottom] = placeOf(0, width, height);
    show(element('inspect-given'), words('inspect.given', { width, height }));
    show(element('inspect-how'), words('inspect.how', { n: ALL, width: right, height: bottom }));
  }

  private async start(): Promise<void> {
    this.stop();
    const { turn } = this;
    const { looked } = this.view;
    if (!looked) return this.say(words('inspect.nobody'));
    this.running = this.done = true;
    this.say(words('inspect.runs'));
    this.box = looked === 'whole' ? null : looked.box;
    try {
      const bitmap = await this.picture();
      if (!bitmap) return this.say(words('inspect.nobody'));
      const pixels = await this.engine.cut(bitmap, looked === 'whole' ? null : looked);
      if (turn === this.turn) await this.inspect(pixels, () => turn === this.turn);
    } catch (error) {
      if (turn === this.turn) this.say(error instanceof WorkerDied ? words('worker.restarted') : wordsOf(error));
    } finally {
      if (turn === this.turn) this.stop();
    }
  }

  private async inspect(pixels: Pixels, going: () => boolean): Promise<void> {
    const [whole] = await this.engine.cover(pixels, [null]);
    if (!going()) return;
    const top = whole!.indexOf(Math.max(...whole!));
    this.draw(this.face, pixels);
    this.draw(this.map, pixels);
    this.sized(pixels);
    this.bar.hidden = false;
    const drops: number[] = [];
    while (drops.length < ALL) {
      this.bar.value = drops.length / ALL;
      const many = this.live() || pixels.width * pixels.height > LARGE ? 1 : PLACES;
      const squares = Array.from({ length: Math.min(many, ALL - drops.length) }, (_, n) => drops.length + n);
      const began = performance.now();
      const read = await this.engine.cover(pixels, squares);
      // As long a rest as the work took: what is looked at goes on meanwhile.
      if (this.live()) await new Promise((resolve) => setTimeout(resolve, performance.now() - began));
      if (!going()) return;
      drops.push(...read.map((probabilities) => whole![top]! - probabilities[top]!));
    }
    this.paint(pixels, drops);
    this.say(() => this.result(top, whole![top]!, drops));
  }

  private result(top: number, probability: number, drops: number[]): string {
    const most = Math.max(...drops);
    const n = drops.indexOf(most);
    const third = (at: number) => Math.min(2, Math.floor((3 * at) / PLACES));
    const [row, column] = [ROWS[third(Math.floor(n / PLACES))]!(), COLUMNS[third(n % PLACES)]!()];
    const read = t('inspect.read', { look: look(this.engine.expressions[top]!), p: percent(probability) });
    return `${read} ${t('inspect.most', { points: number(100 * Math.max(most, 0)), row, column })}`;
  }

  private draw(canvas: HTMLCanvasElement, { data, width, height }: Pixels): void {
    Object.assign(canvas, { width, height });
    canvas.getContext('2d')!.putImageData(new ImageData(data, width, height), 0, 0);
  }

  /** Orange where covering takes away, blue where it adds, the stronger the more. */
  private paint(pixels: Pixels, drops: number[]): void {
    const { side, cells } = cellsOf(drops);
    const scale = Math.max(LEAST, ...cells.map(Math.abs));
    const heat = new ImageData(side, side);
    cells.forEach((value, n) => heat.data.set([...(value > 0 ? [255, 150, 0] : [60, 130, 255]), (220 * Math.abs(value)) / scale], 4 * n));
    const small = new OffscreenCanvas(side, side);
    small.getContext('2d')!.putImageData(heat, 0, 0);
    this.draw(this.map, dim(pixels));
    const context = this.map.getContext('2d')!;
    Object.assign(context, { imageSmoothingEnabled: true, imageSmoothingQuality: 'high' });
    context.drawImage(small, 0, 0, pixels.width, pixels.height);
    this.map.dataset.drops = drops.map((drop) => drop.toFixed(5)).join(' ');
  }
}

/** In dark greys, on which colours stand out. */
function dim({ data, width, height }: Pixels): Pixels {
  const grey = data.slice();
  for (let i = 0; i < grey.length; i += 4) grey.fill(0.2 * data[i]! + 0.4 * data[i + 1]! + 0.1 * data[i + 2]!, i, i + 3);
  return { data: grey, width, height };
}
