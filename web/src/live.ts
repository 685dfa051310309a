/** Looks at a camera or a video frame by frame: asks the worker about each, follows the faces and shows them. */
import { WorkerDied, type Engine } from './engine';
import { Latency } from './latency';
import { NO_FACE, RESTARTED, watching } from './messages';
import type { Located, Seen, Timing } from './protocol';
import { clearSpeed, showSpeed } from './speed';
import { Tracks } from './tracks';
import type { Size, View } from './view';

const IN_SIGHT = 6; // faces that are read
const LONGEST = 1280; // px of a frame that is read; the pixels of a 4K frame take ten times as long to read
const UNUSABLE = 40; // frames in a row that give no pixels, as a video does while it goes back to its start
const HINT_AFTER = 1500; // ms without a face
const FIRST = 1; // ms: the first picture may show somebody else than the last one that was looked at
const FOLLOW_FOR = 100; // ms in which a head moves little; where frames are further apart each is searched first

type Grab = (picture: Blob | null) => void;

export class Live {
  private readonly tracks = new Tracks();
  private stages: Record<string, Latency> = {};
  private fps = 0;
  private grabs: Grab[] = [];
  private size: Size = { width: 1, height: 1 };
  private mirrored = false;
  private unusable = 0;
  private canvas: OffscreenCanvas | undefined;
  threads = 1;

  constructor(
    private readonly engine: Engine,
    private readonly video: HTMLVideoElement,
    private readonly view: View,
    /** Called with the message of what cannot be gone on from. */
    private readonly fail: (message: string) => void,
  ) {
    video.addEventListener('seeking', () => this.tracks.reset());
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
    clearSpeed();
  }

  choose(number: number): void {
    this.tracks.choose(number);
  }

  /** Until `going` says no more. */
  async watch(going: () => boolean, kind: 'camera' | 'video', mirrored: boolean): Promise<void> {
    const names = ['find the faces', 'cut them out', 'read their expressions', `${kind} frame to label`];
    this.stages = Object.fromEntries(names.map((name) => [name, new Latency()]));
    this.mirrored = mirrored;
    let seenAt = performance.now();
    let before = 0;
    let follow = FIRST;
    let frame = Promise.resolve(seenAt); // the first one is there
    while (going()) {
      const came = await frame;
      frame = this.nextFrame(); // asked for now, so that one which comes while this is searched is not missed
      if (!going() || document.hidden || !this.video.videoWidth) continue;
      const wanted = this.grabs;
      this.grabs = [];
      try {
        const bitmap = await this.frame();
        if (!bitmap) {
          this.grabs.push(...wanted);
          continue;
        }
        // A picture that is kept for training is framed by what the detector sees in it.
        const seen = await this.engine.look(bitmap, wanted.length ? { picture: true } : { most: IN_SIGHT, follow });
        const now = performance.now();
        wanted.forEach((grab) => grab(seen.picture));
        if (!going()) return;
        this.show(this.tracks.update(seen.faces, now), now);
        const { faces, held, detect } = await this.located(seen);
        if (!going()) return;
        if (seen.timing.detect === null) this.show(this.tracks.settle(faces, held, now), now);
        if (faces.length) seenAt = now;
        const followed = faces.length > 0 && held.every(Boolean);
        this.note({ ...seen.timing, detect }, followed ? now - came : null, before ? now - before : 0);
        before = now;
        follow = followed ? FOLLOW_FOR : FIRST;
        const words = now - seenAt > HINT_AFTER ? NO_FACE[kind] : watching(faces.length);
        this.view.say(words, false);
      } catch (error) {
        wanted.forEach((grab) => grab(null)); // a promise that was kept already stays so
        if (going()) this.failed(error as Error);
      }
    }
  }

  /** The pixels of what the video shows; null where it has none just now. */
  private async frame(): Promise<ImageBitmap | null> {
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

  private show(faces: ReturnType<Tracks['update']>, now: number): void {
    this.view.show(faces, this.tracks.shown(now), this.size, this.mirrored, now);
    showSpeed(this.stages, this.fps, this.threads);
  }

  /** Where the faces of a picture are; asked for after their labels where they were read at the place of the frame before. */
  private async located({ faces, timing: { detect } }: Seen): Promise<Located> {
    return detect === null ? this.engine.locate() : { faces, held: faces.map(() => true), detect };
  }

  private failed(error: Error): void {
    if (error instanceof WorkerDied && !this.engine.broken) {
      this.view.tell(RESTARTED);
    } else this.fail(error.message);
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
