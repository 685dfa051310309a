/** The page's end of the worker: each question is a promise. A worker that falls silent is replaced by a new one. */
import { GIVEN_UP, RESTARTED } from './messages';
import type { Answer, FromWorker, Located, Model, Request, Seen, ToWorker } from './protocol';

const SILENT = 15; // s without a message of a worker that was asked something; a photo takes a slow phone 3 s
const DEATHS = 3; // within a minute, after which no other worker is started
const MINUTE = 60_000; // ms

/** The worker did not answer. Another one is started, unless `Engine.broken`. */
export class WorkerDied extends Error {}

type Loaded = { model: Model; threads: number };

export class Engine {
  broken = false;
  /** Whether the present worker has opened the networks. */
  private loaded: Promise<Loaded>;
  private worker!: Worker;
  private readonly waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private next = 0;
  private silent = 0;
  private deaths: number[] = [];

  constructor(private readonly base: string) {
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

  /** Reads up to `most` faces of a picture, which is given away. */
  async look(bitmap: ImageBitmap, { most = 1, whole = false, picture = false, follow = 0 } = {}): Promise<Seen> {
    await this.ready();
    const answer = await this.ask({ kind: 'look', bitmap, most, whole, picture, follow }, [bitmap]);
    return (answer as Extract<Answer, { kind: 'seen' }>).seen;
  }

  /** Where the faces are in the picture of the last look, which followed. */
  async locate(): Promise<Located> {
    return ((await this.ask({ kind: 'locate' })) as Extract<Answer, { kind: 'located' }>).located;
  }

  private async start(): Promise<Loaded> {
    this.worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      this.silent = 0;
      if (data.kind === 'alive') return;
      const asked = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.kind === 'failed') asked?.reject(new Error(data.message));
      else asked?.resolve(data);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.died();
    };
    return (await this.ask({ kind: 'load', base: this.base })) as Extract<Answer, { kind: 'loaded' }>;
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
    lost.forEach(({ reject }) => reject(new WorkerDied(this.broken ? GIVEN_UP : RESTARTED)));
  }

  private ask(request: Request, given: Transferable[] = []): Promise<Answer> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      if (!this.waiting.size) this.silent = 0;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id } satisfies ToWorker, given);
    });
  }
}
