/** A row of pictures to choose from: samples before anything was opened, then the files that were opened together. */
import { element, made } from './page';
import { onLanguage, show, words, type Words } from './texts';

const SIDE = 128; // px of a file's picture, shown at half of that
/** tests/samples.py makes them. */
const SAMPLES = {
  group: words('sample.group'),
  surprise: words('sample.surprise'),
  happy: words('sample.happy'),
  sad: words('sample.sad'),
  angry: words('sample.angry'),
  astronaut: words('sample.astronaut'),
};
const PLAY = 'M9 6l9 6-9 6z';
const UNKNOWN = 'M7 3h7l4 4v14H7zM14 3v4h4';

interface Item {
  name: Words;
  picture: Element;
  file: () => Promise<File>;
}

export class Strip {
  /** Whether it holds files that were opened together. */
  full = false;
  private readonly row = element('strip-items');
  private items: Item[] = [];
  private turn = 0;

  /** `choose` is given the file that was chosen, or why it did not come. */
  constructor(private readonly choose: (file: Promise<File>) => void) {
    this.row.onkeydown = (event) => this.step(event);
    onLanguage(() => this.name());
    this.samples();
  }

  samples(): void {
    this.full = false;
    const items = Object.entries(SAMPLES).map(([file, name]) => {
      const src = `./samples/${file}.webp`;
      const come = async () => new File([await (await fetch(src)).blob()], `${file}.webp`, { type: 'image/webp' });
      return { name, picture: made('img', { src, alt: '', width: 64, height: 64 }), file: come };
    });
    this.show(words('strip'), items);
  }

  /** Files to choose from; the first of them is chosen. */
  files(files: File[]): void {
    this.full = true;
    const drawn = files.map((file) => (file.type.startsWith('video/') ? symbol(PLAY) : made('canvas', { width: SIDE, height: SIDE })));
    this.show(words('strip.files', { n: files.length }), files.map((file, n) => ({ name: () => file.name, picture: drawn[n]!, file: async () => file })));
    void this.draw(files, drawn);
    (this.row.firstElementChild as HTMLElement).click();
  }

  hide(): void {
    this.full = false;
    this.turn++;
    element('strip').hidden = true;
  }

  private show(title: Words, items: Item[]): void {
    this.turn++;
    this.items = items;
    element('strip').hidden = false;
    show(element('strip-title'), title);
    this.row.replaceChildren(...items.map((item, n) => this.button(item, n)));
    this.name();
    this.row.scrollLeft = 0;
  }

  private name(): void {
    this.items.forEach(({ name }, n) => Object.assign(this.row.children[n]!, { title: name(), ariaLabel: name() }));
  }

  private button({ picture, file }: Item, n: number): HTMLElement {
    const button = made('button', { type: 'button', ariaPressed: 'false', tabIndex: n ? -1 : 0 }, picture);
    button.onclick = () => {
      this.point(button);
      for (const other of this.row.children) other.ariaPressed = String(other === button);
      this.choose(file());
    };
    return button;
  }

  /** Pictures of files, one after another, while these are the ones to choose from. */
  private async draw(files: File[], places: Element[]): Promise<void> {
    const { turn } = this;
    for (const [n, file] of files.entries()) {
      const place = places[n]!;
      if (!(place instanceof HTMLCanvasElement)) continue;
      const bitmap = await createImageBitmap(file).catch(() => null);
      if (turn !== this.turn) return bitmap?.close();
      if (!bitmap) {
        place.replaceWith(symbol(UNKNOWN));
        continue;
      }
      const side = Math.min(bitmap.width, bitmap.height);
      const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
      place.getContext('2d')!.drawImage(bitmap, left, top, side, side, 0, 0, SIDE, SIDE);
      bitmap.close();
    }
  }

  /** One of them is reached by Tab, the others by arrow keys. */
  private step(event: KeyboardEvent): void {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const all = [...this.row.children] as HTMLElement[];
    const at = all.findIndex((button) => button === document.activeElement);
    if (!by || at < 0) return;
    event.preventDefault();
    const way = getComputedStyle(this.row).direction === 'rtl' ? -by : by;
    const next = all[(at + way + all.length) % all.length]!;
    this.point(next);
    next.focus();
  }

  private point(button: HTMLElement): void {
    for (const other of this.row.children) (other as HTMLElement).tabIndex = other === button ? 0 : -1;
  }
}

function symbol(lines: string): SVGSVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  made.setAttribute('viewBox', '0 0 24 24');
  made.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', lines);
  made.append(path);
  return made;
}
