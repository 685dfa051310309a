/** The sheet "What this is": privacy, accuracy, limits and licences. Its words are in texts.ts. */
import { measuredOf, type Facts, type Measured } from './facts';
import { closesBeside, element, made } from './page';
import type { Model } from './protocol';
import { TEXTS, setTitle } from './texts';

const { privacy, accuracy, limits, licences } = TEXTS;
const percents = (p: number) => (100 * p).toFixed(1);

export class About {
  private readonly sheet = element<HTMLDialogElement>('about');

  /** `inUse` gives the model that reads and what was measured of it, null before it is there. */
  constructor(private readonly inUse: () => { model: Model; facts: Facts | undefined } | null) {
    element('about-open').onclick = () => this.open();
    closesBeside(this.sheet);
  }

  private open(): void {
    const close = made('button', { type: 'button', className: 'quiet', textContent: TEXTS.close, onclick: () => this.sheet.close() });
    const title = made('h2', { id: 'about-title', textContent: TEXTS.title });
    const head = made('div', { className: 'head' }, title, close);
    const found = this.inUse();
    const link = made('a', { href: './licences.txt', textContent: licences.link });
    const body = made('div', { className: 'body' }, paragraph(TEXTS.lead), ...part(privacy.title, list(privacy.lines)));
    if (found) body.append(...part(accuracy.title, ...figuresOf(found)), ...part(limits.title, list(limitsOf(found.model))));
    body.append(...part(licences.title, made('p', {}, `${licences.line} `, link)));
    this.sheet.replaceChildren(head, body);
    this.sheet.showModal();
    body.scrollTop = 0;
  }
}

function limitsOf({ expressions, threshold }: Model): string[] {
  return limits.lines(expressions.join(', '), String(Math.round(100 * threshold)));
}

function figuresOf({ model, facts }: { model: Model; facts: Facts | undefined }): Node[] {
  const measured = facts ? measuredOf(facts) : [];
  if (!measured.length) return [paragraph(accuracy.none)];
  const lead = [paragraph(accuracy.lead(model.name)), paragraph(accuracy.splits)];
  return [...lead, ...measured.flatMap(([set, of], n) => ofSet(set, of, n === 0))];
}

function ofSet(set: string, { n, correct, interval95: [low, high], alone, classes }: Measured, open: boolean): Node[] {
  const words = [accuracy.figures(percents(correct / n), n, percents(low), percents(high))];
  if (set.includes('-for-')) words.push(accuracy.shares);
  if (alone) words.push(accuracy.alone(n - alone[1], percents(alone[0] / alone[1])));
  const nodes: Node[] = [made('h4', { textContent: setTitle(set) }), paragraph(words.join(' '))];
  if (classes) nodes.push(made('details', { open }, made('summary', { textContent: accuracy.classes }), table(classes)));
  return nodes;
}

function table(classes: Record<string, [number, number]>): HTMLElement {
  const heads = accuracy.columns.map((textContent) => made('th', { textContent, scope: 'col' }));
  const rows = Object.entries(classes).map(([textContent, [correct, n]]) =>
    made(
      'tr',
      {},
      made('th', { textContent, scope: 'row' }),
      made('td', { textContent: n ? `${Math.round((100 * correct) / n)} %` : '–' }),
      made('td', { textContent: String(n) }),
    ),
  );
  return made('table', {}, made('thead', {}, made('tr', {}, ...heads)), made('tbody', {}, ...rows));
}

const paragraph = (textContent: string) => made('p', { textContent });
const part = (textContent: string, ...content: Node[]) => [made('h3', { textContent }), ...content];
const list = (lines: string[]) => made('ul', {}, ...lines.map((textContent) => made('li', { textContent })));
