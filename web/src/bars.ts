/** What is shown of one face: a bar for each expression, and the label above them. */
import { element } from './page';
import { icon, lookOf, setIcon } from './looks';
import type { Box, Model } from './protocol';
import { look, onLanguage, percent, show } from './texts';

const EVERY = 100; // ms between changes of the bars: who looks at numbers reads no faster

// px of a face's longer side. The crop of such a face has 47, as many as the faces from which the nets have learnt.
export const SMALLEST = 40;
/** What a face is called that is called by no expression; the words are in texts/. */
export const NOT_SURE = 'unsure';
export const TOO_SMALL = 'small';
export const NOBODY = 'nobody';

export const small = (box: Box) => Math.max(box[2], box[3]) < SMALLEST;

export class Bars {
  private readonly rows: { row: HTMLElement; meter: HTMLMeterElement; text: HTMLElement }[];
  private readonly icon = icon('');
  private shownAt = -Infinity;
  private last: number | undefined;
  private label = NOBODY;

  constructor(public model: Model) {
    this.rows = model.expressions.map((name, k) => {
      const row = document.createElement('li');
      row.style.setProperty('--colour', lookOf(name).colour);
      const label = Object.assign(document.createElement('span'), { id: `bar-${k}` });
      show(label, () => look(name));
      const meter = Object.assign(document.createElement('meter'), { min: 0, max: 1, value: 0 });
      meter.setAttribute('aria-labelledby', label.id);
      const text = Object.assign(document.createElement('span'), { textContent: '–', className: 'percent' });
      row.append(label, icon(name), meter, text);
      return { row, meter, text };
    });
    element('bars').replaceChildren(...this.rows.map(({ row }) => row));
    element('label').before(this.icon);
    onLanguage(() => (this.shownAt = -Infinity));
  }

  /** What to call a face: its most probable expression, or that there is none. */
  name({ box, probabilities }: { box: Box; probabilities: number[] | null }): string {
    if (small(box)) return TOO_SMALL;
    if (!probabilities) return '';
    const top = probabilities.indexOf(Math.max(...probabilities));
    return probabilities[top]! < this.model.threshold ? NOT_SURE : this.model.expressions[top]!;
  }

  /** The bars of a face; none of nobody or one that is too small. */
  of(face: { box: Box; probabilities: number[] | null } | null): { name: string; probability: number }[] {
    if (!face?.probabilities || small(face.box)) return [];
    return face.probabilities.map((probability, k) => ({ name: this.model.expressions[k]!, probability }));
  }

  /** A face, or nobody, at a time in ms; at the pace of a reader where it is the same face as before. Returns the label's name. */
  show(face: { number: number; box: Box; probabilities: number[] | null } | null, now: number): string {
    const label = (face && this.name(face)) || NOBODY;
    const same = label === this.label && face?.number === this.last;
    if (same && now - this.shownAt < EVERY) return label;
    [this.shownAt, this.last] = [now, face?.number];
    const probabilities = label === NOBODY || label === TOO_SMALL ? null : face!.probabilities;
    const top = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
    this.rows.forEach(({ row, meter, text }, k) => {
      meter.value = probabilities?.[k] ?? 0;
      meter.style.setProperty('--value', String(meter.value));
      text.textContent = probabilities ? percent(probabilities[k]!) : '–';
      row.classList.toggle('best', k === top);
    });
    if (label !== this.label) {
      this.label = label;
      show(element('label'), () => look(label));
      element('label').classList.toggle('none', !probabilities);
      setIcon(this.icon, label);
    }
    return label;
  }
}
