/** The page's end of the worker: each question is a promise. A worker that falls silent is replaced by a new one. */
import { Latency } from './latency';
import type { Pixels } from './framing';
import type { Answer, Face, FromWorker, Located, Model, Request, Seen, ToWorker, Wish } from './protocol';
import { Trouble } from './trouble';
import script from './worker.ts?worker&url';

const SILENT = 15; // s without a message of a worker that was asked something; a photo takes a slow phone 3 s
const DEATHS = 3; // within a minute, after which no other worker is started
const MINUTE = 60_000; // ms

/** The worker did not answer. Another one is started, unless `Engine.broken`. */
export class WorkerDied extends Trouble<'worker.broken' | 'worker.restarted'> {}

/** The worker that public/start.js started, and asked for the model. */
interface Early {
  worker: Worker;
  model: string;
  url: string;
  heard: FromWorker[];
  dead: boolean;
}
const EARLY = -1; // the id of what start.js asked

export type Loaded = { model: Model; threads: number };

export class Engine {
  broken = false;
  /** Of the classifier that reads. */
  expressions: string[] = [];
  /** ms a face of each classifier that ran, by its name below models/. */
  readonly paces = new Map<string, Latency>();
  /** Whether the present worker has opened the networks. */
  private loaded: Promise<Loaded>;
  private worker!: Worker;
  private readonly waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private next = 0;
  private silent = 0;
  private deaths: number[] = [];

  /** `model` is the classifier's name below models/; `progress` is told how many bytes of all are here when it, or another one, is loaded. */
  constructor(
    private readonly base: string,
    private model: string,
    private readonly progress: (model: string, done: number, all: number) => void,
  ) {
    this.loaded = this.start();
    // Counted in ticks: a page that the system put to sleep does not take its own sleep for the worker's silence.
    setInterval(() => this.waiting.size && ++this.silent > SILENT && this.died(), 1000);
  }

  /** Resolves when the networks are open. Rejects with a message for the person. */
  async ready(): Promise<Loaded> {
    for (;;) {
      try {
        return await this.loaded;
      } catch (error) {
        if (!(error instanceof WorkerDied) || this.broken) throw error;
      }
    }
  }

  /** Starts again, with another classifier. */
  restart(model: string): Promise<Loaded> {
    this.worker.terminate();
    this.broken = false;
    this.deaths = [];
    this.model = model;
    this.loaded = this.start();
    return this.ready();
  }

  /** Another classifier; the one before reads until it is here. Rejects with a message for the person. */
  async choose(model: string): Promise<Loaded> {
    await this.ready();
    const loaded = (await this.ask({ kind: 'model', model })) as Extract<Answer, { kind: 'loaded' }>;
    this.model = model;
    this.loaded = Promise.resolve(loaded);
    return loaded;
  }

  /** Reads up to `most` faces of a picture, which is given away. */
  async look(bitmap: ImageBitmap, { most = 1, whole = false, picture = false, wish = null as Wish | null, follow = 0 } = {}): Promise<Seen> {
    await this.ready();
    const answer = await this.ask({ kind: 'look', bitmap, most, whole, picture, wish, follow }, [bitmap]);
    const { seen } = answer as Extract<Answer, { kind: 'seen' }>;
    const count = seen.faces.filter(({ probabilities }) => probabilities).length;
    if (!this.paces.has(this.model)) this.paces.set(this.model, new Latency());
    if (count) this.paces.get(this.model)!.add(seen.timing.classify / count);
    return seen;
  }

  /** Where the faces are in the picture of the last look, which followed. */
  async locate(): Promise<Located> {
    return ((await this.ask({ kind: 'locate' })) as Extract<Answer, { kind: 'located' }>).located;
  }

  /** A face of a picture, which is given away, as the classifier takes it; the whole picture for null. */
  async cut(bitmap: ImageBitmap, face: Pick<Face, 'box' | 'tilt'> | null): Promise<Pixels> {
    await this.ready();
    return ((await this.ask({ kind: 'cut', bitmap, face }, [bitmap])) as Extract<Answer, { kind: 'cut' }>).pixels;
  }

  /** What is read of a face with each of these squares covered, and of the face as it is for null. */
  async cover(face: Pixels, squares: (number | null)[]): Promise<number[][]> {
    await this.ready();
    return ((await this.ask({ kind: 'cover', face, squares })) as Extract<Answer, { kind: 'covered' }>).probabilities;
  }

  private async start(): Promise<Loaded> {
    const early = takeEarly(this.model);
    this.worker = early?.worker ?? new Worker(script, { type: 'module' });
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.heard(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.died();
    };
    const asked: Promise<Answer> = early ? this.answerTo(EARLY) : this.ask({ kind: 'load', base: this.base, model: this.model });
    await Promise.resolve(); // who is told of progress exists a little later
    early?.heard.forEach((data) => this.heard(data));
    return (await asked) as Extract<Answer, { kind: 'loaded' }>;
  }

  private heard(data: FromWorker): void {
    this.silent = 0;
    if (data.kind === 'alive') return;
    if (data.kind === 'progress') return this.progress(data.model, data.done, data.all);
    const asked = this.waiting.get(data.id);
    this.waiting.delete(data.id);
    if (data.kind === 'failed') asked?.reject('key' in data.why ? new Trouble(data.why.key, data.why.values as never) : new Error(data.why.message));
    else asked?.resolve(data);
  }

  /** What was asked is lost; who asked may ask again. */
  private died(): void {
    this.worker.terminate();
    const now = performance.now();
    this.deaths = [...this.deaths.filter((at) => now - at < MINUTE), now];
    this.broken = this.deaths.length >= DEATHS;
    const lost = [...this.waiting.values()];
    this.waiting.clear();
    this.silent = 0;
    if (!this.broken) {
      this.loaded = this.start();
      this.loaded.catch(() => undefined); // said to who asks next
    }
    lost.forEach(({ reject }) => reject(new WorkerDied(this.broken ? 'worker.broken' : 'worker.restarted')));
  }

  private ask(request: Request, given: Transferable[] = []): Promise<Answer> {
    const id = this.next++;
    const answer = this.answerTo(id);
    this.worker.postMessage({ ...request, id } satisfies ToWorker, given);
    return answer;
  }

  private answerTo(id: number): Promise<Answer> {
    if (!this.waiting.size) this.silent = 0;
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }
}

/** Once, and only where it is this version's and alive; a browser's cache may hold the start.js before. */
function takeEarly(model: string): Early | null {
  const kept = window as { ferlabEarly?: Early };
  const early = kept.ferlabEarly;
  delete kept.ferlabEarly;
  if (!early) return null;
  const url = new URL(script, document.baseURI).href;
  if (!early.dead && early.model === model && early.url === url) return early;
  early.worker.terminate();
  return null;
}
