/** Opens and closes the camera, and knows which one faces the person. */
import type { Key } from './texts';
import { en } from './texts/en';
import { Trouble } from './trouble';

/** For whatever getUserMedia threw. */
function troubleOf(error: unknown): Trouble {
  const name = error instanceof Error || error instanceof DOMException ? error.name : 'unknown';
  const known = (key: string): key is Extract<Key, `camera.${string}Error`> => key in en && key.endsWith('Error');
  const key = `camera.${name}`;
  return known(key) ? new Trouble(key) : new Trouble('camera.other', { name });
}

export class Camera {
  private stream: MediaStream | null = null;
  private flipped = false;
  private wish: { facing: 'user' | 'environment' } | { deviceId: string } = { facing: 'user' };

  /** `lost` is called when a running camera ends by itself: unplugged, or taken away by the system. */
  constructor(private readonly lost: () => void) {}

  get running(): boolean {
    return this.stream !== null;
  }

  /** Whether the picture should be shown as in a mirror; a camera that says nothing of its side is on a desk. */
  get mirrored(): boolean {
    const away = this.stream?.getVideoTracks()[0]?.getSettings().facingMode === 'environment';
    return away === this.flipped;
  }

  /** The picture is shown the other way round, until another camera is asked for. */
  flip(): void {
    this.flipped = !this.flipped;
  }

  /** A running camera's stream. Throws a Trouble. */
  async open(): Promise<MediaStream> {
    this.close();
    if (!navigator.mediaDevices?.getUserMedia) throw new Trouble('camera.insecure');
    const which = 'facing' in this.wish ? { facingMode: this.wish.facing } : { deviceId: { exact: this.wish.deviceId } };
    try {
      const video = { ...which, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      throw troubleOf(error);
    }
    const stream = this.stream;
    for (const track of stream.getVideoTracks()) {
      track.onended = () => {
        if (this.stream !== stream) return;
        this.close();
        this.lost();
      };
    }
    return stream;
  }

  close(): void {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
  }

  async count(): Promise<number> {
    return (await this.inputs()).length;
  }

  /** Asks for another camera the next time: the other side of a phone, else the next in the list. */
  async chooseNext(): Promise<void> {
    this.flipped = false;
    const settings = this.stream?.getVideoTracks()[0]?.getSettings();
    if (settings?.facingMode) {
      this.wish = { facing: settings.facingMode === 'user' ? 'environment' : 'user' };
      return;
    }
    const inputs = await this.inputs();
    const now = inputs.findIndex(({ deviceId }) => deviceId === settings?.deviceId);
    const next = inputs[(now + 1) % inputs.length];
    if (next) this.wish = { deviceId: next.deviceId };
  }

  private async inputs(): Promise<MediaDeviceInfo[]> {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return devices.filter(({ kind }) => kind === 'videoinput');
  }
}
