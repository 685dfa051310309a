/** The table of durations; it is written only while it is open, since it changes the layout's text every time. */
import type { Latency } from './latency';
import { element } from './page';
import { milliseconds, onLanguage, plural, t, words, type Words } from './texts';

const ms = (value: number | null) => (value === null ? '–' : milliseconds(value));
/** What takes its time. */
export type Duration = 'speed.find' | 'speed.cut' | 'speed.read' | 'speed.camera' | 'speed.video';
type Row = [name: Duration, ...values: (number | null)[]];
const MANY: [Words, Words] = [words('speed.median'), words('speed.below')];

const EVERY = 100; // ms between changes
let shownAt = -Infinity;

/** Of many pictures, at a time in ms: the stages' medians and 95 % quantiles, at the pace of a reader. */
export function showSpeed(stages: Partial<Record<Duration, Latency>>, fps: number, threads: number, now: number): void {
  if (now - shownAt < EVERY) return;
  shownAt = now;
  const rows = Object.entries(stages).map(([name, latency]): Row => [name as Duration, latency.quantile(0.5), latency.quantile(0.95)]);
  write(MANY, rows, () => `${t('speed.rate', { n: Math.round(fps) })} · ${plural('speed.threads', threads)}`);
}

/** Of one picture. */
export function showDurations(durations: Partial<Record<Duration, number>>, threads: number): void {
  const rows = Object.entries(durations).map(([name, value]): Row => [name as Duration, value]);
  write([words('speed.photo')], rows, () => plural('speed.threads', threads));
}

export function clearSpeed(): void {
  write(MANY, [], () => '');
}

let last: [head: Words[], rows: Row[], rate: Words] = [MANY, [], () => ''];
element('figures').ontoggle = () => write(...last);
onLanguage(() => write(...last));

function write(head: Words[], rows: Row[], rate: Words): void {
  last = [head, rows, rate];
  if (!element<HTMLDetailsElement>('figures').open) return;
  element('stages-head').replaceChildren(...cells([t('speed.stage'), ...head.map((name) => name())], 'th', 'col'));
  element('stages').replaceChildren(
    ...rows.map(([name, ...values]) => {
      const row = document.createElement('tr');
      row.append(...cells([t(name)], 'th', 'row'), ...cells(values.map(ms), 'td'));
      return row;
    }),
  );
  element('rate').textContent = rate();
}

function cells(texts: string[], kind: 'th' | 'td', scope = ''): HTMLTableCellElement[] {
  return texts.map((textContent) => Object.assign(document.createElement(kind), scope ? { textContent, scope } : { textContent }));
}
