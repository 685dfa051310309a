/** Reads a photo once, and shows its faces. */
import { WorkerDied, type Engine } from './engine';
import { element } from './page';
import type { Seen } from './protocol';
import { showDurations } from './speed';
import type { Stage } from './stage';
import { look, plural, t, words, wordsFor } from './texts';
import type { Followed } from './tracks';
import type { View } from './view';

const MOST = 32; // faces that are read

export class Still {
  threads = 1;
  private faces: Followed[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly stage: Stage,
    private readonly view: View,
  ) {}

  /** Reads what the stage shows while `going` says yes; `whole` as one face. Throws an Error. */
  async read(going: () => boolean, whole: boolean): Promise<void> {
    const { photo } = this.stage;
    for (let again = false; ; again = true) {
      this.view.say(() => (again ? `${t('worker.restarted')} ${t('photo.reading')}` : t('photo.reading')));
      try {
        const seen = await this.engine.look(await createImageBitmap(photo), { most: MOST, whole });
        if (going()) this.show(seen, whole);
        return;
      } catch (error) {
        if (!going() || !(error instanceof WorkerDied) || this.engine.broken || again) throw error;
      }
    }
  }

  /** The face that was chosen, else the largest. */
  choose(number: number): void {
    const now = performance.now();
    this.view.show(this.faces, this.faces[number] ?? this.faces[0] ?? null, this.stage.photo, false, now);
  }

  private show({ faces, timing, lacking }: Seen, whole: boolean): void {
    const { detect, crop, classify } = timing;
    this.faces = faces.map((face, number) => ({ ...face, number }));
    element('whole').hidden = faces.length > 0;
    if (whole) {
      const label = this.view.showWhole(this.faces[0]!, this.stage.photo);
      this.view.say(() => t('photo.whole', { look: look(label) }));
    } else {
      this.choose(0);
      const first = this.faces[0] && this.view.boxed(this.faces[0]).name;
      const found = first === undefined ? words('photo.nobody') : () => plural('photo.found', faces.length, { look: look(first) });
      this.view.say(() => (lacking ? `${found()} ${t('far.lacking', { why: wordsFor(lacking)() })}` : found()));
    }
    showDurations({ 'speed.find': detect!, 'speed.cut': crop, 'speed.read': classify }, this.threads);
  }
}
