/** A stacked ribbon of what the bars showed: the last minute of a camera, or the whole length of a video. */
import { lookOf } from './looks';
import { element } from './page';
import { affectOf } from './sheet';
import { show, words } from './texts';

const MINUTE = 60; // s of a camera
const BINS = 240; // at most
const SHORTEST = 0.25; // s of a bin, so that each has a picture in it
const EVERY = 250; // ms between drawings

interface Bin {
  probabilities: number[];
  count: number;
  number: number;
  /** Which stretch of `length` it is of, so that what is older is not drawn. */
  round: number;
}

export class Ribbon {
  expressions: string[] = [];
  private readonly canvas = element<HTMLCanvasElement>('ribbon');
  private bins: (Bin | undefined)[] = [];
  private length = MINUTE;
  private count = BINS;
  private rolling = true;
  private now = 0;
  private drawnAt = -Infinity;

  /** `seek` is called with the time in s of a video that was tapped. */
  constructor(seek: (seconds: number) => void) {
    this.canvas.onclick = ({ offsetX }) => this.rolling || seek((offsetX / this.canvas.clientWidth) * this.length);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    for (const radio of document.querySelectorAll<HTMLInputElement>('input[name=ribbon]')) radio.onchange = () => this.draw();
  }

  /** Of a video's length in s; null for a camera. */
  start(length: number | null): void {
    this.rolling = length === null || !Number.isFinite(length);
    this.length = this.rolling ? MINUTE : length!;
    this.count = Math.max(1, Math.min(BINS, Math.round(this.length / SHORTEST)));
    this.canvas.classList.toggle('seeks', !this.rolling);
    show(element('ribbon-title'), this.rolling ? words('ribbon.minute') : words('ribbon.video'));
    this.clear();
  }

  clear(): void {
    this.bins = [];
    this.draw();
  }

  /** What the bars show of face `number` at a time in s of the camera or video, or that nothing is seen. */
  add(seconds: number, shown: { number: number; probabilities: number[] | null } | null, now: number): void {
    this.now = seconds;
    const place = Math.floor((seconds / this.length) * this.count);
    const [at, round] = [place % this.count, Math.floor(place / this.count)];
    const bin = this.bins[at];
    if (shown?.probabilities) {
      const { probabilities, number } = shown;
      if (bin && bin.round === round && bin.number === number) {
        bin.count++;
        bin.probabilities.forEach((p, k) => (bin.probabilities[k] = p + (probabilities[k]! - p) / bin.count));
      } else this.bins[at] = { probabilities: [...probabilities], count: 1, number, round };
    } else if (bin && bin.round !== round) this.bins[at] = undefined;
    if (now - this.drawnAt >= EVERY) this.draw(now);
  }

  private draw(now = this.drawnAt): void {
    this.drawnAt = now;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(this.canvas.clientWidth * ratio), Math.round(this.canvas.clientHeight * ratio)];
    if (!width || !height) return;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext('2d')!;
    context.clearRect(0, 0, width, height);
    const affect = document.querySelector<HTMLInputElement>('input[name=ribbon]:checked')?.value === 'affect';
    const last = Math.floor((this.now / this.length) * this.count);
    let before: Bin | undefined;
    for (let n = 0; n < this.count; n++) {
      const place = this.rolling ? last - this.count + 1 + n : n;
      const bin = place < 0 ? undefined : this.bins[place % this.count];
      const current = bin && (!this.rolling || bin.round === Math.floor(place / this.count)) ? bin : undefined;
      const [x, next] = [Math.round((n * width) / this.count), Math.round(((n + 1) * width) / this.count)];
      if (current && affect) this.drawAffect(context, current, before, x, next - x, height);
      else if (current) this.drawStack(context, current, x, next - x, height);
      if (current && before && before.number !== current.number) context.clearRect(x, 0, Math.ceil(ratio), height); // another face
      before = current;
    }
    if (!this.rolling) {
      context.fillStyle = getComputedStyle(this.canvas).color;
      context.fillRect(Math.min((this.now / this.length) * width, width - 2 * ratio), 0, 2 * ratio, height);
    }
  }

  private drawStack(context: CanvasRenderingContext2D, { probabilities }: Bin, x: number, width: number, height: number): void {
    let y = 0;
    probabilities.forEach((p, k) => {
      context.fillStyle = lookOf(this.expressions[k]!).colour;
      context.fillRect(x, y, width, p * height + 0.5);
      y += p * height;
    });
  }

  /** Valence as a thick line, arousal as a thin one, from -1 at the bottom to 1 at the top. */
  private drawAffect(context: CanvasRenderingContext2D, bin: Bin, before: Bin | undefined, x: number, width: number, height: number): void {
    const of = ({ probabilities }: Bin) => affectOf(probabilities, this.expressions).map((value) => ((1 - value) / 2) * height);
    const [values, old] = [of(bin), of(before ?? bin)];
    context.strokeStyle = getComputedStyle(this.canvas).color;
    values.forEach((y, n) => {
      context.lineWidth = (n ? 1.5 : 4) * devicePixelRatio;
      context.beginPath();
      context.moveTo(x - width / 2, old[n]!);
      context.lineTo(x + width / 2, y);
      context.stroke();
    });
  }
}
