/**
 * The game "Make the face": each expression is asked for in turn, and the picture that shows it best stays in memory.
 * Its clock is the camera's pictures: it stands while nobody is in sight.
 */
import { small } from './bars';
import { setIcon } from './looks';
import { element } from './page';
import type { Seen, Wish } from './protocol';
import { look, percent, show, t, words, type Words } from './texts';
import type { View } from './view';

const SECONDS = 5; // a face
const LEAD = 2000; // ms to get ready
const LONGEST = 1000; // ms between pictures that count; a slow model takes half a second
const UNSEEN = 1000; // ms without a face, after which the clock stands and the page says so

export interface Round {
  expression: string;
  /** The highest probability of it, or null where it was not asked for yet. */
  score: number | null;
  /** The face as the classifier saw it, and one to look at. */
  crop: Blob | null;
  portrait: Blob | null;
}

export class Game {
  running = false;
  private rounds: Round[] = [];
  private at = 0;
  /** ms that are left to get ready and to make the face. */
  private lead = 0;
  private left = 0;
  private before = 0;
  private seenAt = 0;
  private waiting = false;
  /** What is said with the next picture: before the first, the page asks for the camera. */
  private unsaid: Words | null = null;

  /** `ended` is called with the rounds when all are played or the game was stopped within them. */
  constructor(
    private readonly view: View,
    private readonly ended: (rounds: Round[]) => void,
  ) {}

  /** From the first expression on, or from the first of `rounds` that was not played. */
  start(expressions: string[], rounds?: Round[]): void {
    this.rounds = rounds ?? expressions.map((expression) => ({ expression, score: null, crop: null, portrait: null }));
    this.running = true;
    this.show(true);
    this.ask(this.rounds.findIndex(({ score }) => score === null), null);
  }

  stop(): void {
    if (!this.running) return;
    this.running = false;
    this.show(false);
    const now = this.rounds[this.at]!;
    if (this.left > 0) Object.assign(now, { score: null, crop: null, portrait: null });
    if (this.rounds.some(({ score }) => score !== null)) this.ended(this.rounds);
    else this.view.tell(words('game.stopped'));
  }

  /** What is wanted of the next picture; null while nothing is. */
  wish(mirrored: boolean): Wish | null {
    if (!this.running || this.lead > 0) return null;
    return { expression: this.at, above: this.rounds[this.at]!.score ?? -1, mirrored };
  }

  /** A picture that was read for a wish, at a time in ms. */
  saw({ faces, picture, portrait }: Seen, wish: Wish | null, now: number): void {
    if (!this.running) return;
    const since = this.before ? Math.min(now - this.before, LONGEST) : 0;
    this.before = now;
    if (this.unsaid) this.view.tell(this.unsaid);
    this.unsaid = null;
    const face = faces[0];
    const visible = !!face && !small(face.box);
    if (visible) this.seenAt = now;
    if (this.lead > 0) this.lead -= since;
    else if (visible && wish?.expression === this.at && face.probabilities) {
      this.left -= since;
      const [round, score] = [this.rounds[this.at]!, face.probabilities[wish.expression]!];
      if (picture && portrait && score > wish.above) Object.assign(round, { score, crop: picture, portrait });
    }
    this.wait(!visible && now - this.seenAt > UNSEEN);
    if (this.left <= 0) this.next();
    else this.tick();
  }

  private next(): void {
    const { expression, score } = this.rounds[this.at]!;
    if (this.at + 1 < this.rounds.length) {
      return this.ask(this.at + 1, () => t('game.scored', { look: look(expression), score: percent(score!) }));
    }
    this.stop();
  }

  private ask(at: number, before: Words | null): void {
    const { expression } = this.rounds[at]!;
    Object.assign(this, { at, lead: LEAD, left: 1000 * SECONDS, before: 0, seenAt: performance.now(), waiting: false });
    setIcon(element('game-icon') as Element as SVGSVGElement, expression);
    show(element('game-name'), () => look(expression));
    this.tick();
    const prompt = () => t('game.prompt', { n: at + 1, all: this.rounds.length, look: look(expression) });
    this.unsaid = before ? () => `${before()} ${prompt()}` : prompt;
  }

  /** Says once that nobody is in sight. */
  private wait(waiting: boolean): void {
    if (waiting && !this.waiting) this.view.tell(words('game.nobody'));
    this.waiting = waiting;
  }

  private tick(): void {
    const { score } = this.rounds[this.at]!;
    const best = score === null ? words('game.now') : () => t('game.best', { score: percent(score) });
    show(element('game-line'), this.waiting ? words('game.waits') : this.lead > 0 ? words('game.ready') : best);
    element<HTMLProgressElement>('game-left').value = this.left / 1000 / SECONDS;
  }

  private show(on: boolean): void {
    document.body.toggleAttribute('data-playing', on);
    this.view.quiet = on;
    element('game').hidden = !on;
    show(element('play'), on ? words('game.stop') : words('game.play'));
  }
}
