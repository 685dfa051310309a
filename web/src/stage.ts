/** What is looked at, one thing at a time, and the room that it has on the page. */
import { element } from './page';
import { onLanguage, show, t, words, type Words } from './texts';

export type State = 'idle' | 'opening' | 'camera' | 'video' | 'photo';

const [CAMERA, STOP] = [words('start.camera'), words('start.stop')];
const START = { idle: CAMERA, opening: words('start.opening'), camera: STOP, video: STOP, photo: CAMERA };

export class Stage {
  readonly video = element<HTMLVideoElement>('video');
  readonly photo = element<HTMLCanvasElement>('photo');
  state: State = 'idle';
  private turn = 0;
  private url = '';
  private readonly names = new Map<HTMLElement, Words>();

  constructor() {
    const full = element('full');
    const label = () => (full.title = full.ariaLabel = document.fullscreenElement ? t('full.off') : t('full.on'));
    full.onclick = () => void (document.fullscreenElement ? document.exitFullscreen() : full.closest('section')!.requestFullscreen());
    document.onfullscreenchange = label;
    onLanguage(() => {
      this.names.forEach((name, picture) => (picture.ariaLabel = name()));
      label();
    });
    label();
    this.video.onresize = () => this.video.videoWidth && this.fit(this.video.videoWidth, this.video.videoHeight);
  }

  /** Something else is looked at from now on. Returns whether that is still so. */
  enter(next: State): () => boolean {
    const mine = ++this.turn;
    this.state = next;
    element('screen').dataset.state = next;
    this.video.hidden = next !== 'camera' && next !== 'video';
    this.photo.hidden = next !== 'photo';
    show(element('start'), START[next]);
    for (const id of ['whole', 'switch', 'mirror', 'save', 'share']) element(id).hidden = true;
    element('full').hidden = !document.fullscreenEnabled || (next === 'idle' && !document.fullscreenElement);
    if (next === 'idle') this.fit(4, 3);
    return () => mine === this.turn;
  }

  /** The stage takes the shape of its picture. */
  fit(width: number, height: number): void {
    element('screen').style.setProperty('--aspect', String(width / height));
    element('screen').toggleAttribute('data-low', width > 2 * height);
  }

  /** Plays a camera's stream, or a video file's address. */
  async play(source: MediaStream | string, name: Words): Promise<void> {
    const { video } = this;
    if (typeof source === 'string') {
      this.url = source;
      video.controls = video.loop = true;
      video.src = source;
    } else video.srcObject = source;
    this.name(video, name);
    await video.play();
    if (!video.videoWidth) throw new Error('no picture');
  }

  /** What a screen reader calls the video or the photo. */
  name(picture: HTMLElement, name: Words): void {
    this.names.set(picture, name);
    picture.ariaLabel = name();
  }

  /** What is looked at. */
  get picture(): HTMLVideoElement | HTMLCanvasElement {
    return this.state === 'photo' ? this.photo : this.video;
  }

  closeVideo(): void {
    const { video } = this;
    video.pause();
    video.srcObject = null;
    video.removeAttribute('src');
    video.controls = false;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = '';
  }

  draw(bitmap: ImageBitmap): void {
    Object.assign(this.photo, { width: bitmap.width, height: bitmap.height });
    this.photo.getContext('2d')!.drawImage(bitmap, 0, 0);
    this.fit(bitmap.width, bitmap.height);
  }
}
