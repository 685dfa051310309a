/** Canvases whose pixels are read: bitmaps in, their pixels as they are out. */
import type { Picture } from './framing';
import { Trouble } from './trouble';

/** A picture that is opaque before `behind`, read through one canvas that grows. */
export function pictureOf(bitmap: ImageBitmap, behind = 'black'): Picture {
  return {
    width: bitmap.width,
    height: bitmap.height,
    read: (left, top, width, height) => {
      const context = surface(width, height);
      context.fillStyle = behind;
      context.fillRect(0, 0, width, height);
      context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
      return context.getImageData(0, 0, width, height);
    },
  };
}

let kept: OffscreenCanvasRenderingContext2D | undefined;

function surface(width: number, height: number): OffscreenCanvasRenderingContext2D {
  if (!kept || kept.canvas.width < width || kept.canvas.height < height) {
    const most = (before = 0, now: number) => Math.max(before, now);
    const canvas = new OffscreenCanvas(most(kept?.canvas.width, width), most(kept?.canvas.height, height));
    const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    if (!context) throw new Trouble('worker.canvas');
    context.imageSmoothingEnabled = false;
    kept = context;
  }
  return kept;
}
