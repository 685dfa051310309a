/** The page's end of the worker: each question is a promise. */
import type { Answer, FromWorker, Located, Model, Request, Seen, ToWorker } from './protocol';

export class Engine {
  private readonly worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  private readonly waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private next = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      const asked = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.kind === 'failed') asked?.reject(new Error(data.message));
      else asked?.resolve(data);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.waiting.values()) {
        reject(new Error('The part of the page that reads faces could not be started. Reload the page.'));
      }
      this.waiting.clear();
    };
  }

  async load(base: string): Promise<{ model: Model; threads: number }> {
    return (await this.ask({ kind: 'load', base })) as Extract<Answer, { kind: 'loaded' }>;
  }

  /** Reads up to `most` faces of a picture, which is given away. */
  async look(bitmap: ImageBitmap, { most = 1, whole = false, picture = false, follow = 0 } = {}): Promise<Seen> {
    const answer = await this.ask({ kind: 'look', bitmap, most, whole, picture, follow }, [bitmap]);
    return (answer as Extract<Answer, { kind: 'seen' }>).seen;
  }

  /** Where the faces are in the picture of the last look, which followed. */
  async locate(): Promise<Located> {
    return ((await this.ask({ kind: 'locate' })) as Extract<Answer, { kind: 'located' }>).located;
  }

  private ask(request: Request, given: Transferable[] = []): Promise<Answer> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id } satisfies ToWorker, given);
    });
  }
}
