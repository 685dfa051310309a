/** Looks at a camera or a video frame by frame: asks the worker about each, follows the faces and shows them. */
import { small } from './bars';
import { WorkerDied, type Engine } from './engine';
import type { Game } from './game';
import { Latency } from './latency';
import { element } from './page';
import type { Box, Located, Model, Seen, Timing } from './protocol';
import { Ribbon } from './ribbon';
import { Sheet } from './sheet';
import { clearSpeed, showSpeed, type Duration } from './speed';
import { plural, words, wordsOf, type Words } from './texts';
import { Tracks, type Followed } from './tracks';
import type { Size, View } from './view';

const IN_SIGHT = 6; // faces that are read
const LONGEST = 1280; // px of a frame that is read; the pixels of a 4K frame take ten times as long to read
const UNUSABLE = 40; // frames in a row that give no pixels, as a video does while it goes back to its start
const HINT_AFTER = 1500; // ms without a face
const FIRST = 1; // ms: the first picture may show somebody else than the last one that was looked at
const FOLLOW_FOR = 100; // ms in which a head moves little; where frames are further apart each is searched first

type Grab = (picture: Blob | null) => void;
/** When a face was last seen and a picture last read, and for how long faces are followed into the next one, in ms. */
type State = { seenAt: number; before: number; follow: number };

export class Live {
  readonly sheet = new Sheet();
  /** The name of the video that is watched. */
  source = '';
  private readonly tracks = new Tracks();
  private readonly ribbon: Ribbon;
  private kind: 'camera' | 'video' = 'camera';
  private startedAt = 0;
  /** The time in s up to which it was kept what was read. */
  private until = -1;
  private stages: Partial<Record<Duration, Latency>> = {};
  private fps = 0;
  private grabs: Grab[] = [];
  private size: Size = { width: 1, height: 1 };
  private mirrored = false;
  private unusable = 0;
  private canvas: OffscreenCanvas | undefined;
  private threads = 1;

  constructor(
    private readonly engine: Engine,
    private readonly video: HTMLVideoElement,
    private readonly view: View,
    private readonly game: Game,
    /** Called with the message of what cannot be gone on from. */
    private readonly fail: (message: Words) => void,
  ) {
    video.addEventListener('seeking', () => this.tracks.part());
    this.ribbon = new Ribbon((seconds) => (video.currentTime = seconds));
  }

  /** The nearest face of the next frame, cut as the classifier sees it; null where there is none. */
  grab(): Promise<Blob | null> {
    return new Promise((resolve) => this.grabs.push(resolve));
  }

  /** What was before is over. */
  reset(): void {
    this.grabs.forEach((grab) => grab(null));
    this.grabs = [];
    this.tracks.reset();
    this.fps = 0;
    Object.values(this.stages).forEach((stage) => stage.clear());
    clearSpeed();
  }

  prepare({ expressions }: Model, threads: number): void {
    this.threads = threads;
    this.sheet.expressions = this.ribbon.expressions = expressions;
  }

  /** The picture is shown as in a mirror, or not. */
  mirror(on: boolean): void {
    this.mirrored = on;
  }

  choose(number: number): void {
    this.tracks.choose(number);
  }

  /** Until `going` says no more. */
  async watch(going: () => boolean, kind: 'camera' | 'video', mirrored: boolean): Promise<void> {
    const names: Duration[] = ['speed.find', 'speed.cut', 'speed.read', `speed.${kind}`];
    this.stages = Object.fromEntries(names.map((name) => [name, new Latency()]));
    this.mirror(mirrored);
    this.start(kind);
    const state = { seenAt: performance.now(), before: 0, follow: FIRST };
    let frame = Promise.resolve(state.seenAt); // the first one is there
    while (going()) {
      const came = await frame;
      frame = this.nextFrame(); // asked for now, so that one which comes while this is searched is not missed
      if (!going() || document.hidden || !this.video.videoWidth) continue;
      const wanted = this.grabs;
      this.grabs = [];
      try {
        await this.read(going, kind, came, wanted, state);
      } catch (error) {
        wanted.forEach((grab) => grab(null)); // a promise that was kept already stays so
        if (going()) this.failed(error as Error);
      }
    }
  }

  /** Another model reads from now on: what one table holds is of one model. */
  startAgain(): void {
    this.reset();
    this.start(this.kind);
  }

  private start(kind: 'camera' | 'video'): void {
    this.kind = kind;
    this.startedAt = performance.now();
    this.until = -1;
    this.sheet.start(kind === 'camera' ? 'camera' : this.source);
    this.ribbon.start(kind === 'camera' ? null : this.video.duration);
    element<HTMLButtonElement>('table').disabled = true;
  }

  /** Reads and shows one frame, which came at a time in ms, and keeps what was read of it. */
  private async read(going: () => boolean, kind: 'camera' | 'video', came: number, wanted: Grab[], state: State): Promise<void> {
    const { startedAt } = this;
    const seconds = kind === 'camera' ? (came - this.startedAt) / 1000 : this.video.currentTime;
    const bitmap = await this.frame();
    if (!bitmap) return void this.grabs.push(...wanted);
    // A picture that is kept for training is framed by what the detector sees in it.
    const wish = this.game.wish(this.mirrored);
    const asked = wanted.length ? { picture: true } : wish ? { wish } : { most: IN_SIGHT, follow: state.follow };
    const seen = await this.engine.look(bitmap, asked);
    const now = performance.now();
    wanted.forEach((grab) => grab(seen.picture));
    if (!going() || startedAt !== this.startedAt) return;
    this.game.saw(seen, wish, now);
    const averaged = this.tracks.update(seen.faces, now).map((face) => ({ ...face }));
    this.show(averaged, now);
    const { faces, held, detect } = await this.located(seen);
    if (!going() || startedAt !== this.startedAt) return;
    if (seen.timing.detect === null) this.show(this.tracks.settle(faces, held, now), now);
    this.keep(averaged.filter((_, i) => held[i] && seen.faces[i]!.probabilities), faces.length, seconds, now);
    if (faces.length) state.seenAt = now;
    const followed = faces.length > 0 && held.every(Boolean);
    this.note({ ...seen.timing, detect }, followed ? now - came : null, state.before ? now - state.before : 0);
    Object.assign(state, { before: now, follow: followed ? FOLLOW_FOR : FIRST });
    const nobody = now - state.seenAt > HINT_AFTER;
    if (!this.game.running) this.view.say(nobody ? words(`nobody.${kind}`) : () => plural('watching', faces.length || 1), false);
  }

  /** Of a video each moment once, though it goes round and round. */
  private keep(read: Followed[], found: number, seconds: number, now: number): void {
    const shown = this.tracks.shown(now);
    this.ribbon.add(seconds, shown && !small(shown.box) ? shown : null, now);
    if (seconds <= this.until || (found && !read.length)) return;
    this.until = seconds;
    const scale = this.video.videoWidth / this.size.width;
    this.sheet.add(
      seconds,
      read.map((face) => ({
        ...face,
        box: face.box.map((n) => n * scale) as Box,
        probabilities: face.probabilities!,
        uncertain: this.view.boxed(face).confidence === null,
      })),
    );
    element<HTMLButtonElement>('table').disabled = false;
  }

  /** The pixels of what the video shows; null where it has none just now. */
  async frame(): Promise<ImageBitmap | null> {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, LONGEST / Math.max(videoWidth, videoHeight));
    try {
      const bitmap = scale < 1 ? this.smaller(videoWidth * scale, videoHeight * scale) : await createImageBitmap(this.video);
      this.unusable = 0;
      this.size = { width: bitmap.width, height: bitmap.height };
      return bitmap;
    } catch (error) {
      if (++this.unusable > UNUSABLE) throw error;
      return null;
    }
  }

  /** By a canvas, which shrinks a 4K frame in an eighth of the time that createImageBitmap takes for it. */
  private smaller(width: number, height: number): ImageBitmap {
    this.canvas ??= new OffscreenCanvas(1, 1);
    const [w, h] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
    this.canvas.getContext('2d', { alpha: false })!.drawImage(this.video, 0, 0, w, h);
    return this.canvas.transferToImageBitmap();
  }

  private show(faces: Followed[], now: number): void {
    this.view.show(faces, this.tracks.shown(now), this.size, this.mirrored, now);
    showSpeed(this.stages, this.fps, this.threads, now);
  }

  /** Where the faces of a picture are; asked for after their labels where they were read at the place of the frame before. */
  private async located({ faces, timing: { detect } }: Seen): Promise<Located> {
    return detect === null ? this.engine.locate() : { faces, held: faces.map(() => true), detect };
  }

  private failed(error: Error): void {
    if (error instanceof WorkerDied && !this.engine.broken) {
      this.view.tell(words('worker.restarted'));
    } else this.fail(wordsOf(error));
  }

  /** Resolves when the video shows another frame, or soon where it shows none, to the time of that. */
  private nextFrame(): Promise<number> {
    const { video } = this;
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(late);
        resolve(performance.now());
      };
      const late = setTimeout(done, 250);
      if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(done);
      else requestAnimationFrame(done);
    });
  }

  /** Durations of a frame; `whole` is null where it showed no face. */
  private note({ detect, crop, classify }: Timing & { detect: number }, whole: number | null, since: number): void {
    const [found, cut, read, all] = Object.values(this.stages);
    found!.add(detect);
    if (whole !== null) {
      cut!.add(crop);
      read!.add(classify);
      all!.add(whole);
    }
    if (since) this.fps = this.fps ? 0.9 * this.fps + 100 / since : 1000 / since;
  }
}
