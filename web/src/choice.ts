/** The choice among the models that the page was built with: what each weighs, how often it is right, how fast it is here. */
import { measuredOf, models, type Facts } from './facts';
import type { Latency } from './latency';
import { element } from './page';
import { TEXTS, setTitle } from './texts';

const KEY = 'ferlab-model'; // in the browser's storage
const EVERY = 1000; // ms between looks at the speed

const { choice } = TEXTS;
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

/** The first set of faces that all models were measured on. */
const shared = measuredOf(models[0]!).find(([set]) => models.every(({ measured }) => measured[set]))?.[0];

/** The model that was chosen the last time, else the first. */
export function remembered(): Facts {
  let file: string | null = null;
  try {
    file = localStorage.getItem(KEY);
  } catch {
    // the browser's settings forbid it
  }
  return models.find((facts) => facts.file === file) ?? models[0]!;
}

export class Choice {
  private readonly rows = new Map<string, { input: HTMLInputElement; line: HTMLElement }>();

  /** `paces` holds ms a face of each model that ran; `choose` is called with the one that the person wants. */
  constructor(
    private readonly paces: Map<string, Latency>,
    choose: (facts: Facts) => void,
  ) {
    element('choice').hidden = models.length < 2;
    element('choice-title').textContent = choice.title;
    const lead = shared ? choice.lead(setTitle(shared), models[0]!.measured[shared]!.n) : '';
    element('choice-lead').textContent = [choice.once, lead].filter(Boolean).join(' ');
    element('models').replaceChildren(...models.map((facts) => this.row(facts, choose)));
    element<HTMLDetailsElement>('choice').ontoggle = () => this.refresh();
    setInterval(() => this.refresh(), EVERY);
  }

  /** The model that reads from now on; it reads the next time too. */
  settle({ file }: Facts, remember = true): void {
    this.rows.get(file)!.input.checked = true;
    element('choice-progress').textContent = '';
    try {
      if (remember) localStorage.setItem(KEY, file);
    } catch {
      // the next visit begins with the first one
    }
  }

  /** So many bytes of a model are here. */
  progress(facts: Facts, done: number): string {
    const words = choice.progress(megabytes(done), megabytes(facts.bytes));
    element('choice-progress').textContent = words;
    return words;
  }

  private row(facts: Facts, choose: (facts: Facts) => void): HTMLElement {
    const label = document.createElement('label');
    const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'model', value: facts.file });
    const name = Object.assign(document.createElement('strong'), { textContent: choice.names[facts.name] ?? facts.name });
    const line = document.createElement('span');
    const words = document.createElement('span');
    input.onchange = () => choose(facts);
    words.append(name, line);
    label.append(input, words);
    this.rows.set(facts.file, { input, line });
    return label;
  }

  private refresh(): void {
    if (!element<HTMLDetailsElement>('choice').open) return;
    for (const facts of models) {
      const { n, correct } = (shared && facts.measured[shared]) || {};
      const ms = this.paces.get(facts.file)?.quantile(0.5) ?? null;
      const right = n ? choice.right((100 * (correct! / n)).toFixed(1)) : null;
      const pace = ms === null ? choice.unknown : choice.pace(ms.toFixed(1));
      const words = [`${megabytes(facts.bytes)} MB`, right, pace].filter(Boolean).join(' · ');
      const { line } = this.rows.get(facts.file)!;
      if (line.textContent !== words) line.textContent = words;
    }
  }
}
