/** The sheet "What this is": privacy, accuracy, limits and licences. Its words are in texts/. */
import { SMALLEST } from './bars';
import { measuredOf, setTitle, type Facts, type Measured, type Stored } from './facts';
import { closesBeside, element, made } from './page';
import type { Model } from './protocol';
import { list, look, number, percent, t } from './texts';

export class About {
  private readonly sheet = element<HTMLDialogElement>('about');

  /** `inUse` gives the model that reads and what was measured of it, null before it is there. */
  constructor(private readonly inUse: () => { model: Model; facts: Facts | undefined } | null) {
    element('about-open').onclick = () => this.open();
    closesBeside(this.sheet);
  }

  private open(): void {
    const close = made('button', { type: 'button', className: 'quiet', textContent: t('about.close'), onclick: () => this.sheet.close() });
    const title = made('h2', { id: 'about-title', textContent: t('about') });
    const head = made('div', { className: 'head' }, title, close);
    const found = this.inUse();
    const link = made('a', { href: './licences.txt', textContent: t('about.licences.link') });
    const body = made('div', { className: 'body' }, paragraph(t('about.lead')), ...part(t('about.privacy'), lines(privacy())));
    if (found) body.append(...part(t('about.accuracy'), ...figuresOf(found)), ...part(t('about.limits'), lines(limitsOf(found.model))));
    body.append(...part(t('about.licences'), made('p', {}, `${t('about.licences.line')} `, link)));
    this.sheet.replaceChildren(head, body);
    this.sheet.showModal();
    body.scrollTop = 0;
  }
}

const privacy = () => [t('about.privacy.1'), t('about.privacy.2'), t('about.privacy.3'), t('about.privacy.4'), t('about.privacy.5')];

function limitsOf({ expressions, threshold }: Model): string[] {
  return [
    t('about.limits.looks', { looks: list(expressions.map(look)) }),
    t('about.limits.threshold', { threshold: percent(threshold) }),
    t('about.limits.small', { side: SMALLEST }),
    t('about.limits.people'),
    t('about.limits.use'),
  ];
}

function figuresOf({ model, facts }: { model: Model; facts: Facts | undefined }): Node[] {
  const measured = facts ? measuredOf(facts) : [];
  if (!measured.length) return [paragraph(t('about.unmeasured'))];
  const card = made('a', { href: `./models/${facts!.file}.card.json`, textContent: t('about.card') });
  const stored = facts!.stored ? [paragraph(storedWords(facts!.stored))] : [];
  const lead = [paragraph(t('about.accuracy.lead', { model: model.name })), paragraph(t('about.splits'))];
  return [...lead, ...stored, ...measured.flatMap(([set, of], n) => ofSet(set, of, n === 0)), made('p', {}, card)];
}

const storedWords = ({ n, correct, before, changed }: Stored) =>
  t('about.stored', { n, changed, right: percent(correct / n, 1), before: percent(before / n, 1) });

function ofSet(set: string, { n, correct, interval95: [low, high], alone, classes }: Measured, open: boolean): Node[] {
  const words = [t('about.figures', { right: percent(correct / n, 1), n, low: number(100 * low, 1), high: number(100 * high, 1) })];
  if (set.includes('-for-')) words.push(t('about.shares'));
  if (alone) words.push(t('about.twins', { n: n - alone[1], right: percent(alone[0] / alone[1], 1) }));
  const nodes: Node[] = [made('h4', { textContent: setTitle(set) }), paragraph(words.join(' '))];
  if (classes) nodes.push(made('details', { open }, made('summary', { textContent: t('about.classes') }), table(classes)));
  return nodes;
}

function table(classes: Record<string, [number, number]>): HTMLElement {
  const heads = [t('about.expression'), t('about.found'), t('about.faces')].map((textContent) => made('th', { textContent, scope: 'col' }));
  const rows = Object.entries(classes).map(([name, [correct, n]]) =>
    made(
      'tr',
      {},
      made('th', { textContent: look(name), scope: 'row' }),
      made('td', { textContent: n ? percent(correct / n) : '–' }),
      made('td', { textContent: number(n) }),
    ),
  );
  return made('table', {}, made('thead', {}, made('tr', {}, ...heads)), made('tbody', {}, ...rows));
}

const paragraph = (textContent: string) => made('p', { textContent });
const part = (textContent: string, ...content: Node[]) => [made('h3', { textContent }), ...content];
const lines = (all: string[]) => made('ul', {}, ...all.map((textContent) => made('li', { textContent })));
