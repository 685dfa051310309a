/** What is shown of what was read: words, boxes over the picture, and the bars of one face. */
import { Announcer } from './announcer';
import { Bars, NOBODY, NOT_SURE, small } from './bars';
import { Boxes, type Boxed } from './boxes';
import { element } from './page';
import type { Model } from './protocol';
import type { Followed } from './tracks';

export interface Size {
  width: number;
  height: number;
}

export class View {
  private bars: Bars | undefined;
  private readonly boxes: Boxes;
  private readonly announcer = new Announcer();

  /** `choose` is called with the number of the face that was chosen. */
  constructor(choose: (number: number) => void) {
    this.boxes = new Boxes(choose);
  }

  prepare(model: Model): void {
    this.bars = new Bars(model);
  }

  /** A message below the picture; a screen reader is told too, but of what comes and goes by itself. */
  say(message: string, aloud = true): void {
    const status = element('status');
    if (status.textContent === message) return;
    status.textContent = message;
    if (aloud) this.announcer.event(message);
  }

  /** Faces in sight of a picture of this size, and the one whose bars are shown, at a time in ms. */
  show(faces: Followed[], shown: Followed | null, size: Size, mirrored: boolean, now: number): void {
    this.boxes.show(faces.map((face) => this.boxed(face)), size, mirrored, shown?.number ?? null, now);
    const title = shown && faces.length > 1 ? `How face ${shown.number + 1} looks` : 'How the face looks';
    if (element('result-title').textContent !== title) element('result-title').textContent = title;
    this.announcer.routine(this.bars!.show(shown, now), now);
  }

  /** The bars of a picture that is one face. */
  showWhole(face: Followed): string {
    return this.bars!.show(face, Infinity);
  }

  clear(): void {
    this.boxes.clear();
    element('result-title').textContent = 'How the face looks';
    this.bars?.show(null, Infinity);
  }

  /** What a face is called, and how sure that is. */
  boxed({ number, box, probabilities }: Followed): Boxed {
    const name = this.bars!.name({ box, probabilities });
    const sure = probabilities && !small(box) && name !== NOT_SURE && name !== NOBODY;
    return { number, box, name, confidence: sure ? Math.max(...probabilities) : null };
  }
}
