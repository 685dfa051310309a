/** The end of the game: a sheet of the faces that were made, with their scores, to save, to share or to keep for training. */
import type { Capture } from './capture';
import type { Round } from './game';
import { canShare, named, save, share } from './keeping';
import { icon, lookOf } from './looks';
import { closesBeside, element, made } from './page';
import { meanOf, poster } from './poster';
import { look, percent, plural, t, type Words } from './texts';

export class Scores {
  private readonly sheet = element<HTMLDialogElement>('scores');
  private urls: string[] = [];

  /** `again` is called with the rounds to go on with, none for a new game; `capture` gives what holds faces for training. */
  constructor(
    private readonly again: (rounds?: Round[]) => void,
    private readonly capture: () => Capture,
  ) {
    closesBeside(this.sheet);
    this.sheet.onclose = () => this.forget();
  }

  /** `before` says why not all were played, where something stopped the game. */
  open(rounds: Round[], before: Words | null): void {
    const close = made('button', { type: 'button', className: 'quiet', textContent: t('about.close'), onclick: () => this.sheet.close() });
    const head = made('div', { className: 'head' }, made('h2', { id: 'scores-title', textContent: t('scores') }), close);
    const played = rounds.filter(({ score }) => score !== null);
    const part = played.length < rounds.length && t('scores.part', { played: played.length, all: rounds.length });
    const words = [before?.(), part, t('scores.mean', { mean: percent(meanOf(rounds)) })];
    const body = made(
      'div',
      { className: 'body' },
      made('p', { textContent: words.filter(Boolean).join(' ') }),
      made('ul', { className: 'made' }, ...rounds.map((round) => this.face(round))),
      this.buttons(rounds),
      made('p', { className: 'note', textContent: t('scores.note') }),
      ...this.training(played),
    );
    this.sheet.replaceChildren(head, body);
    this.sheet.showModal();
    body.scrollTop = 0;
  }

  private face({ expression, score, portrait }: Round): HTMLElement {
    const name = made('span', { textContent: look(expression) });
    const words = made('p', {}, icon(expression), name, made('span', { className: 'percent', textContent: score === null ? '–' : percent(score) }));
    const row = made('li', {}, this.picture(expression, portrait), words);
    row.style.setProperty('--colour', lookOf(expression).colour);
    return row;
  }

  /** The face, or the drawing of one that was not made. */
  private picture(expression: string, portrait: Blob | null): Element {
    if (!portrait) return made('div', { className: 'missing' }, icon(expression));
    this.urls.push(URL.createObjectURL(portrait));
    return made('img', { src: this.urls.at(-1)!, alt: t('scores.picture', { look: look(expression) }), width: 320, height: 320 });
  }

  private buttons(rounds: Round[]): HTMLElement {
    const said = made('p', { className: 'status' });
    said.setAttribute('role', 'status');
    const button = (textContent: string, onclick: () => void, className = '') => made('button', { type: 'button', textContent, onclick, className });
    const give = async (way: (file: Blob, name: string) => Promise<string>) => {
      try {
        said.textContent = await way(await poster(rounds), named('png'));
      } catch (error) {
        said.textContent = t('keep.failed', { why: (error as Error).message });
      }
    };
    const kept = async (file: Blob, name: string) => (save(file, name), t('keep.saved', { name }));
    const shared = async (file: Blob, name: string) => ((await share(file, name)) ? t('keep.shared') : t('keep.unshared'));
    const play = (some?: Round[]) => {
      this.sheet.close();
      this.again(some);
    };
    const open = rounds.some(({ score }) => score === null);
    const row = [
      ...(canShare() ? [button(t('scores.share'), () => void give(shared), 'primary')] : []),
      button(t('scores.save'), () => void give(kept), canShare() ? '' : 'primary'),
      ...(open ? [button(t('scores.resume'), () => play(rounds))] : []),
      button(t('scores.again'), () => play()),
    ];
    return made('div', {}, made('div', { className: 'controls' }, ...row), said);
  }

  /** Asks before any of the faces is kept as a labelled one. */
  private training(played: Round[]): Node[] {
    const agreed = made('input', { type: 'checkbox', id: 'agreed' });
    const person = made('input', { type: 'text', id: 'player', value: element<HTMLInputElement>('subject').value, maxLength: 16, pattern: '[A-Za-z0-9]+' });
    Object.assign(person, { autocomplete: 'off', spellcheck: false, required: true });
    const said = made('p', { className: 'status' });
    said.setAttribute('role', 'status');
    const keep = made('button', { type: 'button', textContent: t('scores.download'), disabled: true });
    let added = false;
    agreed.onchange = person.oninput = () => (keep.disabled = !agreed.checked || !person.checkValidity());
    keep.onclick = async () => {
      const capture = this.capture();
      if (!added) capture.keep(person.value, played.map(({ expression, crop }) => ({ expression, picture: crop! })));
      added = person.disabled = agreed.disabled = true;
      await capture.download();
      said.textContent = plural('scores.downloaded', played.length);
    };
    const lines = [
      made('p', { textContent: t('scores.ask') }),
      made('label', { className: 'agree' }, agreed, made('span', { textContent: t('scores.agree') })),
      made('div', { className: 'who' }, made('label', { htmlFor: 'player', textContent: t('capture.person') }), person),
      made('div', { className: 'controls' }, keep),
      said,
    ];
    return [made('h3', { textContent: t('scores.training') }), ...lines];
  }

  /** What was not saved is gone with the sheet. */
  private forget(): void {
    this.urls.forEach((url) => URL.revokeObjectURL(url));
    this.urls = [];
    this.sheet.replaceChildren();
  }
}
