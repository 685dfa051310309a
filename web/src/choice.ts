/** The choice among the models that the page was built with: what each weighs, how often it is right, how fast it is here. */
import { measuredOf, models, setTitle, type Facts } from './facts';
import type { Latency } from './latency';
import { element } from './page';
import { called, megabytes, milliseconds, onLanguage, percent, show, t, type Words } from './texts';

const KEY = 'ferlab-model'; // in the browser's storage
const EVERY = 1000; // ms between looks at the speed


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
    const measured = () => (shared ? t('choice.measured', { set: setTitle(shared), n: models[0]!.measured[shared]!.n }) : '');
    show(element('choice-lead'), () => `${t('choice.once')} ${measured()}`.trim());
    element('models').replaceChildren(...models.map((facts) => this.row(facts, choose)));
    element<HTMLDetailsElement>('choice').ontoggle = () => this.refresh();
    setInterval(() => this.refresh(), EVERY);
    onLanguage(() => this.refresh());
  }

  /** The model that reads from now on; it reads the next time too. */
  settle({ file }: Facts, remember = true): void {
    this.rows.get(file)!.input.checked = true;
    show(element('choice-progress'), () => '');
    try {
      if (remember) localStorage.setItem(KEY, file);
    } catch {
      // the next visit begins with the first one
    }
  }

  /** How much of a model is here. */
  progress(words: Words): void {
    show(element('choice-progress'), words);
  }

  private row(facts: Facts, choose: (facts: Facts) => void): HTMLElement {
    const label = document.createElement('label');
    const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'model', value: facts.file });
    const [name, line, both] = ['strong', 'span', 'span'].map((tag) => document.createElement(tag)) as [HTMLElement, HTMLElement, HTMLElement];
    show(name, () => called('model', facts.name));
    input.onchange = () => choose(facts);
    both.append(name, line);
    label.append(input, both);
    this.rows.set(facts.file, { input, line });
    return label;
  }

  private refresh(): void {
    if (!element<HTMLDetailsElement>('choice').open) return;
    for (const facts of models) {
      const { n, correct } = (shared && facts.measured[shared]) || {};
      const ms = this.paces.get(facts.file)?.quantile(0.5) ?? null;
      const right = n ? t('choice.right', { right: percent(correct! / n, 1) }) : null;
      const pace = ms === null ? t('choice.unknown') : t('choice.pace', { time: milliseconds(ms) });
      const words = [megabytes(facts.bytes), right, pace].filter(Boolean).join(' · ');
      const { line } = this.rows.get(facts.file)!;
      if (line.textContent !== words) line.textContent = words;
    }
  }
}
