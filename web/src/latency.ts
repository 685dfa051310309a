/** The last durations of one stage, in ms, and what half and nearly all of them stay below. */

const KEPT = 150; // frames

export class Latency {
  private readonly kept: number[] = [];

  add(ms: number): void {
    this.kept.push(ms);
    if (this.kept.length > KEPT) this.kept.shift();
  }

  /** The q-quantile by nearest rank; null before the first frame. */
  quantile(q: number): number | null {
    const sorted = [...this.kept].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null;
  }

  clear(): void {
    this.kept.length = 0;
  }
}
