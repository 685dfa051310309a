/** Collects labelled faces from the camera, and hands them out as the class folders that training reads. */
import { zipSync } from 'fflate';

import { save } from './keeping';
import { element } from './page';
import { look, plural, show, t } from './texts';

const BURST = 10;
const BURST_PAUSE = 500; // ms
const SHOWN = 24; // thumbnails

interface Taken {
  expression: string;
  /** CLASS/PERSON-TIME.png: data=webcam takes the person from the name to keep their faces in one split. */
  path: string;
  picture: Blob;
  url: string;
}

/** `grab` gives the face in sight, cut as the classifier sees it, or null where there is none. */
export class Capture {
  private readonly taken: Taken[] = [];
  private saved = true;
  private busy = false;
  private live = false;
  private missed: { missed: number; all: number } | null = null;

  constructor(
    private readonly expressions: string[],
    private readonly grab: () => Promise<Blob | null>,
  ) {
    element('classes').replaceChildren(...expressions.map((name, k) => this.choice(name, k === 0)));
    element('take').onclick = () => void this.take(1);
    element('burst').onclick = () => void this.take(BURST);
    element('undo').onclick = () => this.undo();
    element('download').onclick = () => void this.download();
    element<HTMLInputElement>('subject').oninput = () => this.enable();
    addEventListener('beforeunload', (event) => {
      if (!this.saved) event.preventDefault();
    });
    this.report();
  }

  /** Whether there is a running camera to take pictures of. */
  set running(live: boolean) {
    this.live = live;
    this.enable();
  }

  /** Pictures of a person that were taken elsewhere, with the expressions that they show. */
  keep(subject: string, pictures: { expression: string; picture: Blob }[]): void {
    for (const { expression, picture } of pictures) this.add(subject.toLowerCase(), expression, picture);
  }

  private choice(name: string, checked: boolean): HTMLElement {
    const label = document.createElement('label');
    const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'class', value: name, checked });
    const count = Object.assign(document.createElement('span'), { className: 'count', textContent: '0' });
    count.dataset.expression = name;
    const words = document.createElement('span');
    show(words, () => look(name));
    label.append(input, words, count);
    return label;
  }

  private async take(many: number): Promise<void> {
    const subject = element<HTMLInputElement>('subject').value.toLowerCase();
    const expression = document.querySelector<HTMLInputElement>('input[name=class]:checked')!.value;
    this.busy = true;
    this.enable();
    let missed = 0;
    for (let n = 0; n < many && this.live; n++) {
      if (n) await new Promise((resolve) => setTimeout(resolve, BURST_PAUSE));
      const picture = await this.grab();
      if (picture) this.add(subject, expression, picture);
      else if (this.live) missed++;
    }
    this.busy = false;
    this.missed = missed ? { missed, all: many } : null;
    this.report();
  }

  private add(subject: string, expression: string, picture: Blob): void {
    const path = `${expression}/${subject}-${Date.now()}.png`;
    this.taken.push({ expression, path, picture, url: URL.createObjectURL(picture) });
    this.saved = false;
    this.missed = null;
    this.report();
  }

  private undo(): void {
    const last = this.taken.pop();
    if (last) URL.revokeObjectURL(last.url);
    this.missed = null;
    this.report();
  }

  /** All that was taken, as one file. */
  async download(): Promise<void> {
    const files: Record<string, Uint8Array> = {};
    for (const { path, picture } of this.taken) files[`webcam/${path}`] = new Uint8Array(await picture.arrayBuffer());
    const zip = zipSync(files, { level: 0 }); // PNGs are packed already
    save(new Blob([zip as Uint8Array<ArrayBuffer>], { type: 'application/zip' }), 'webcam.zip');
    this.saved = true;
  }

  private report(): void {
    for (const name of this.expressions) {
      const count = this.taken.filter(({ expression }) => expression === name).length;
      document.querySelector(`.count[data-expression="${CSS.escape(name)}"]`)!.textContent = String(count);
    }
    const images = this.taken.slice(-SHOWN).reverse();
    element('thumbs').replaceChildren(
      ...images.map(({ url, expression }) =>
        Object.assign(new Image(64, 64), { src: url, alt: t('capture.picture', { look: look(expression) }) }),
      ),
    );
    this.enable();
  }

  private enable(): void {
    const set = (id: string, on: boolean) => (element<HTMLButtonElement>(id).disabled = !on);
    const subject = element<HTMLInputElement>('subject');
    const named = subject.value !== '' && subject.checkValidity();
    const ready = this.live && !this.busy && named;
    set('take', ready);
    set('burst', ready);
    set('undo', !this.busy && this.taken.length > 0);
    set('download', !this.busy && this.taken.length > 0);
    show(element('taken'), () => this.words());
  }

  private words(): string {
    const people = new Set(this.taken.map(({ path }) => path.split('/')[1]!.split('-')[0])).size;
    const total = this.taken.length;
    const counts = { pictures: plural('capture.pictures', total), people: plural('capture.people', people) };
    const words = [this.missed && t('capture.missed', this.missed), total && t('capture.taken', counts)].filter(Boolean);
    return words.join(' ') || (this.live ? '' : t('capture.idle'));
  }
}
