/** Steadies what is shown: probabilities are averaged over time, whatever the frame rate. */

const TIME_CONSTANT = 250; // ms
const FORGET_AFTER = 600; // ms without a face

export class Smoother {
  private value: number[] | null = null;
  private last = -Infinity;
  private previous: { value: number[] | null; last: number } = { value: null, last: -Infinity };

  /** Probabilities of a frame at a time in ms -> their running average. */
  update(probabilities: number[], now: number): number[] {
    const before = this.current(now);
    this.previous = { value: before, last: this.last };
    const share = before ? 1 - Math.exp(-(now - this.last) / TIME_CONSTANT) : 1;
    this.value = probabilities.map((p, k) => (before ? before[k]! + share * (p - before[k]!) : p));
    this.last = now;
    return this.value;
  }

  /** Forgets the last update: what was read was no face. */
  takeBack(): void {
    ({ value: this.value, last: this.last } = this.previous);
  }

  /** The average, or null where no face was seen for long. */
  current(now: number): number[] | null {
    if (now - this.last > FORGET_AFTER) this.value = null;
    return this.value;
  }

  reset(): void {
    this.value = null;
  }
}
