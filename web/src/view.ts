/** What is shown of what was read: words, boxes over the picture, and the bars of one face. */
import { Announcer } from './announcer';
import { Bars, NOBODY, NOT_SURE, small } from './bars';
import { Boxes, type Boxed } from './boxes';
import { element } from './page';
import type { Shot } from './keepsake';
import type { Model } from './protocol';
import { look, show, words, type Words } from './texts';
import type { Followed } from './tracks';

const STAYS = 4000; // ms

export interface Size {
  width: number;
  height: number;
}

export class View {
  private bars: Bars | undefined;
  private readonly boxes: Boxes;
  private readonly announcer = new Announcer();
  /** Whether labels are not said aloud. */
  quiet = false;
  private quietUntil = 0;
  private shown: Omit<Shot, 'picture'> | null = null;
  /** The face whose bars are shown, where it is large enough to be read; `whole` where the picture is one face. */
  looked: Followed | 'whole' | null = null;

  /** `choose` is called with the number of the face that was chosen. */
  constructor(
    choose: (number: number) => void,
    /** Called when `looked` is another face than before, or none. */
    private readonly changed: () => void,
  ) {
    this.boxes = new Boxes(choose);
  }

  prepare(model: Model): void {
    if (this.bars) this.bars.model = model; // of the same expressions: offered.ts
    else this.bars = new Bars(model);
  }

  /** A message below the picture; a screen reader is told too, but of what comes and goes by itself. */
  say(message: Words, aloud = true): void {
    if (!aloud && performance.now() < this.quietUntil) return;
    this.quietUntil = 0;
    const status = element('status');
    const before = status.textContent;
    show(status, message);
    if (aloud && status.textContent !== before) this.announcer.event(message());
  }

  /** A message that stays a while, whatever comes and goes by itself. */
  tell(message: Words): void {
    this.say(message);
    this.quietUntil = performance.now() + STAYS;
  }

  /** Faces in sight of a picture of this size, and the one whose bars are shown, at a time in ms. */
  show(faces: Followed[], shown: Followed | null, size: Size, mirrored: boolean, now: number): void {
    const [boxed, chosen] = [faces.map((face) => this.boxed(face)), shown?.number ?? null];
    this.boxes.show(boxed, size, mirrored, chosen, now);
    const several = shown && faces.length > 1;
    show(element('result-title'), several ? words('result.title.of', { number: shown.number + 1 }) : words('result.title'));
    const label = this.bars!.show(shown, now);
    this.shown = { size, mirrored, faces: boxed, chosen, label, bars: this.bars!.of(shown) };
    if (!this.quiet) this.announcer.routine(look(label), now);
    this.turn(shown?.probabilities && !small(shown.box) ? shown : null);
  }

  private turn(looked: Followed | 'whole' | null): void {
    const same = (face: View['looked']) => (face === null || face === 'whole' ? face : face.number);
    const before = this.looked;
    this.looked = looked;
    if (same(before) !== same(looked)) this.changed();
  }

  /** What is shown, for a picture to keep; null where nothing was read yet. */
  shot(picture: CanvasImageSource): Shot | null {
    return this.shown && { picture, ...this.shown };
  }

  /** The bars of a picture that is one face. */
  showWhole(face: Followed, size: Size): string {
    const label = this.bars!.show(face, Infinity);
    this.shown = { size, mirrored: false, faces: [], chosen: null, label, bars: this.bars!.of(face) };
    this.turn('whole');
    return label;
  }

  clear(): void {
    this.boxes.clear();
    this.shown = null;
    this.looked = null;
    show(element('result-title'), words('result.title'));
    this.bars?.show(null, Infinity);
  }

  /** What a face is called, and how sure that is. */
  boxed({ number, box, probabilities }: Followed): Boxed {
    const name = this.bars!.name({ box, probabilities });
    const sure = probabilities && !small(box) && name !== NOT_SURE && name !== NOBODY;
    return { number, box, name, confidence: sure ? Math.max(...probabilities) : null };
  }
}
