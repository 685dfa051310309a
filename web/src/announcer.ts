/** What a screen reader is told: events at once; labels when they last, and not more of them than one can listen to. */
import { element } from './page';

const LASTS = 1000; // ms that a label must last
const PAUSE = 6000; // ms after anything that was said

export class Announcer {
  private label = '';
  private since = 0;
  private said = '';
  private saidAt = -Infinity;

  /** Something that the person did or must know. */
  event(text: string, now = performance.now()): void {
    this.say(text, now);
  }

  /** What the face looks like at a time in ms, or that there is none. */
  routine(label: string, now: number): void {
    if (label !== this.label) [this.label, this.since] = [label, now];
    else if (label !== this.said && now - this.since >= LASTS && now - this.saidAt >= PAUSE) this.say(label, now);
  }

  private say(text: string, now: number): void {
    [this.said, this.saidAt] = [text, now];
    element('announcer').textContent = text;
  }
}
