/** The faces over the picture: each a button with its outline and label, of which one is chosen, by a tap or arrow keys. */
import { icon, lookOf, setIcon } from './looks';
import { element } from './page';
import type { Box } from './protocol';
import { look, onLanguage, percent, t } from './texts';

const EVERY = 100; // ms between changes of a label's percentage
const ROOM = 34; // px that a label takes above its face
const NARROW = 72; // px below which only the icon and the percentage stand at a face that is not chosen

export interface Boxed {
  number: number;
  box: Box;
  /** An expression or why there is none; empty where the face was not read. */
  name: string;
  /** Of the name, in 0..1; null where it says nothing. */
  confidence: number | null;
}

interface Button {
  root: HTMLButtonElement;
  icon: SVGSVGElement;
  name: HTMLElement;
  percent: HTMLElement;
  at: number;
  key: string;
  place: string;
  size: string;
}

export class Boxes {
  private readonly layer = element('faces');
  private readonly buttons = new Map<number, Button>();
  private order: number[] = [];
  /** Of the screen in px; asking for it with each picture would lay out the page each time. */
  private width = 1;
  private last: Parameters<Boxes['show']> | null = null;

  /** `choose` is called with the number of a face. */
  constructor(private readonly choose: (number: number) => void) {
    this.layer.onkeydown = (event) => this.step(event);
    const screen = this.layer.parentElement!;
    new ResizeObserver(() => {
      this.width = screen.clientWidth;
      if (this.last) this.show(...this.last);
    }).observe(screen);
    onLanguage(() => {
      for (const button of this.buttons.values()) button.key = '';
      if (this.last) this.show(...this.last);
    });
  }

  /** Faces of a picture `width` x `height`; `chosen` is the number of the one whose bars are shown. */
  show(faces: Boxed[], size: { width: number; height: number }, mirrored: boolean, chosen: number | null, now: number): void {
    this.last = [faces, size, mirrored, chosen, now];
    const { width, height } = size;
    this.layer.hidden = !faces.length;
    const scale = this.width / width;
    const here = new Set(faces.map(({ number }) => number));
    const left = ({ box }: Boxed) => (mirrored ? width - box[0] - box[2] : box[0]);
    for (const face of faces) {
      const button = this.place(face, left(face) * scale, scale, face.number === chosen, now);
      button.classList.toggle('below', face.box[1] * scale < ROOM && face.box[1] < height / 2);
      button.classList.toggle('leftward', left(face) + face.box[2] / 2 > 0.66 * width);
      button.classList.toggle('narrow', face.box[2] * scale < NARROW && face.number !== chosen);
    }
    for (const [number, { root }] of this.buttons) {
      if (here.has(number)) continue;
      const focused = root === document.activeElement;
      root.remove();
      this.buttons.delete(number);
      if (focused && chosen !== null) this.buttons.get(chosen)?.root.focus();
    }
    this.order = [...faces].sort((a, b) => left(a) - left(b)).map(({ number }) => number);
    const one = chosen !== null && here.has(chosen) ? chosen : this.order[0];
    for (const [number, { root }] of this.buttons) root.tabIndex = number === one ? 0 : -1;
  }

  clear(): void {
    this.last = null;
    this.layer.hidden = true;
    this.layer.replaceChildren();
    this.buttons.clear();
  }

  private place(face: Boxed, left: number, scale: number, chosen: boolean, now: number): HTMLElement {
    const button = this.buttons.get(face.number) ?? this.add(face.number);
    const [, y, w, h] = face.box;
    const { style } = button.root;
    // Whole pixels, so that a face that holds still changes nothing.
    const place = `translate(${Math.round(left)}px, ${Math.round(y * scale)}px)`;
    const size = `${Math.round(w * scale)}px ${Math.round(h * scale)}px`;
    if (place !== button.place) style.transform = place;
    if (size !== button.size) [style.width, style.height] = size.split(' ') as [string, string];
    Object.assign(button, { place, size });
    const key = `${face.name} ${chosen}`;
    if (key === button.key && now - button.at < EVERY) return button.root;
    Object.assign(button, { key, at: now });
    button.root.setAttribute('aria-checked', String(chosen));
    style.setProperty('--colour', lookOf(face.name).colour);
    setIcon(button.icon, face.name);
    button.name.textContent = look(face.name);
    button.percent.textContent = face.confidence === null ? '' : percent(face.confidence);
    button.root.classList.toggle('unread', !face.name);
    const read = face.name ? `${look(face.name)} ${button.percent.textContent}`.trim() : t('face.unread');
    button.root.setAttribute('aria-label', t('face', { number: face.number + 1, look: read }));
    return button.root;
  }

  private add(number: number): Button {
    const root = Object.assign(document.createElement('button'), { type: 'button', className: 'face' });
    root.setAttribute('role', 'radio');
    const chip = Object.assign(document.createElement('span'), { className: 'chip' });
    const [name, percent] = ['name', 'percentage'].map((className) => Object.assign(document.createElement('span'), { className }));
    const made = { root, icon: icon(''), name: name!, percent: percent!, at: -Infinity, key: '', place: '', size: '' };
    chip.append(made.icon, name!, percent!);
    root.append(chip);
    root.onclick = () => this.choose(number);
    this.layer.append(root);
    this.buttons.set(number, made);
    return made;
  }

  private step(event: KeyboardEvent): void {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = this.order.findIndex((number) => this.buttons.get(number)?.root === document.activeElement);
    if (!by || at < 0) return;
    event.preventDefault();
    const next = this.order[(at + by + this.order.length) % this.order.length]!;
    this.choose(next);
    this.buttons.get(next)?.root.focus();
  }
}
