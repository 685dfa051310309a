/** The table of durations; it is written only while it is open, since it changes the layout's text every time. */
import type { Latency } from './latency';
import { element } from './page';

const ms = (value: number | null) => (value === null ? '–' : `${value.toFixed(1)} ms`);

/** Of many pictures: the stages' medians and 95 % quantiles. */
export function showSpeed(stages: Record<string, Latency>, fps: number, threads: number): void {
  const rows = Object.entries(stages).map(([name, latency]) => [name, ms(latency.quantile(0.5)), ms(latency.quantile(0.95))]);
  write(['median', '95 % below'], rows, `${Math.round(fps)} pictures a second, ${threads} thread${threads > 1 ? 's' : ''}`);
}

/** Of one picture. */
export function showDurations(durations: Record<string, number>, threads: number): void {
  const rows = Object.entries(durations).map(([name, value]) => [name, ms(value)]);
  write(['this photo'], rows, `${threads} thread${threads > 1 ? 's' : ''}`);
}

export function clearSpeed(): void {
  write(['median', '95 % below'], [], '');
}

let last: [head: string[], rows: string[][], rate: string] = [[], [], ''];
element('figures').ontoggle = () => write(...last);

function write(head: string[], rows: string[][], rate: string): void {
  last = [head, rows, rate];
  if (!element<HTMLDetailsElement>('figures').open) return;
  element('stages-head').replaceChildren(...cells(['Stage', ...head], 'th', 'col'));
  element('stages').replaceChildren(
    ...rows.map(([name, ...values]) => {
      const row = document.createElement('tr');
      row.append(...cells([name!], 'th', 'row'), ...cells(values, 'td'));
      return row;
    }),
  );
  element('rate').textContent = rate;
}

function cells(texts: string[], kind: 'th' | 'td', scope = ''): HTMLTableCellElement[] {
  return texts.map((textContent) => Object.assign(document.createElement(kind), scope ? { textContent, scope } : { textContent }));
}
