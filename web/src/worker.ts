/**
 * Finds faces and reads them: pictures enter, boxes and probabilities leave. Both networks run here, so that the page
 * never waits. The classifier's graph is handed the pixels of a crop as they are; its preprocessing is inside it.
 */
import * as ort from 'onnxruntime-web/wasm';

import { inPixels, merge, overlap, placed, same, square, type Found, type Margin } from './detector';
import { openModels, type Detector, type Models } from './models';
import type { Box, Face, FromWorker, Located, Seen, Timing, ToWorker } from './protocol';

const CROP_SIDE = 96; // px, as in detector.py: twice a face's side in the data, so that the graph's resizing has the last word
// Least overlap of where a face was read and where the detector then sees it. A crop that is 0.15 of the box beside the
// face costs two points of accuracy, no more than chance among a thousand faces; 0.2 (an overlap of 0.67) costs four and a
// half: tests/shift.py.
const HELD = 0.7;

const IDLE = 1000; // ms without a picture, after which the detector for smaller faces is made ready

let models: Models;
let last = Promise.resolve();
let looked = false;
/** Faces of the picture before, one at least and the nearest first, and when that picture came. */
let known: { faces: [Found, ...Found[]]; at: number } | null = null;
/** When all detectors were last asked in vain; long ago once a face was found. */
let nobodyAt = -Infinity;
/** A picture whose face was read where it was before; the detector has not seen it yet. */
let kept: { bitmap: ImageBitmap; face: Found; at: number } | null = null;

onmessage = ({ data }: MessageEvent<ToWorker>) => {
  last = last.then(() => handle(data)); // a session runs one thing at a time
};

async function handle(data: ToWorker): Promise<void> {
  const { id } = data;
  try {
    if (data.kind === 'load') {
      models = await openModels(data.base);
      await classify(new ImageData(CROP_SIDE, CROP_SIDE)); // a model that gives no probabilities is refused at once
      answer({ id, kind: 'loaded', model: models.about, threads: ort.env.wasm.numThreads ?? 1 });
      void warmUp();
    } else if (data.kind === 'look') {
      looked = true;
      answer({ id, kind: 'seen', seen: await look(data) });
    } else {
      answer({ id, kind: 'located', located: await locate() });
    }
  } catch (error) {
    answer({ id, kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}

function answer(message: FromWorker): void {
  postMessage(message);
}

type Surface = OffscreenCanvasRenderingContext2D;

/** A canvas of this size; its pixels are read back on every frame. */
function surface(width: number, height: number): Surface {
  const context = new OffscreenCanvas(width, height).getContext('2d', { alpha: false, willReadFrequently: true });
  if (!context) throw new Error('This browser gives its workers no canvas. Try a newer version of it.');
  context.imageSmoothingQuality = 'high'; // averages where it shrinks
  return context;
}

const squares = new Map<Detector, Surface>();
const crop = surface(CROP_SIDE, CROP_SIDE);

async function look({ bitmap, most, whole, picture, follow }: Extract<ToWorker, { kind: 'look' }>): Promise<Seen> {
  const started = performance.now();
  kept?.bitmap.close();
  kept = null;
  if (!follow) known = null;
  if (known && started - known.at <= follow) {
    // The label comes first; `locate` then finds the face in this picture, for the next one.
    const [face, ...others] = known.faces;
    kept = { bitmap, face, at: started };
    const timing = { detect: null, crop: 0, classify: 0 };
    const probabilities = await readFace(() => cut(bitmap, face.box, models.margin), timing);
    return { faces: [{ ...face, probabilities }, ...others.map(unread)], timing, picture: null };
  }
  try {
    const everything: Found = { box: [0, 0, bitmap.width, bitmap.height], score: 1 };
    const faces = (whole ? [everything] : await findFaces(bitmap, most > 1, follow)).map(unread);
    const timing = { detect: performance.now() - started, crop: 0, classify: 0 };
    for (const face of faces.slice(0, most)) {
      const pixels = () => (whole ? pixelsOf(bitmap) : cut(bitmap, face.box, models.margin));
      face.probabilities = await readFace(pixels, timing);
    }
    remember(faces, started);
    return { faces, timing, picture: picture && faces[0] ? await pictureOf(bitmap, faces[0].box, whole) : null };
  } finally {
    bitmap.close();
  }
}

/** The faces of the picture that was kept. */
async function locate(): Promise<Located> {
  if (!kept) throw new Error('The picture to find faces in is gone.');
  const { bitmap, face, at } = kept;
  kept = known = null;
  const started = performance.now();
  try {
    const found = await findFaces(bitmap, false, 0);
    remember(found, at);
    const held = !!found[0] && overlap(found[0].box, face.box) >= HELD;
    return { faces: found.map(unread), held, detect: performance.now() - started };
  } finally {
    bitmap.close();
  }
}

function remember([nearest, ...others]: Found[], at: number): void {
  known = nearest ? { faces: [nearest, ...others], at } : null;
}

const unread = ({ box, score }: Found): Face => ({ box, score, probabilities: null });

/**
 * Faces by the short-range detector, and where it finds none by the one for smaller faces; or by both, so that a large
 * face hides no small ones. The nearest face first: it is the one that the page is about. For `rest` ms after nobody was
 * seen the second one, which takes several times as long, is not asked.
 */
async function findFaces(bitmap: ImageBitmap, everyone: boolean, rest: number): Promise<Found[]> {
  const started = performance.now();
  const asked = started - nobodyAt < rest ? models.detectors.slice(0, 1) : models.detectors;
  const faces: Found[] = [];
  for (const open of asked) {
    if (faces.length && !everyone) break;
    const detector = await open();
    const { side } = detector;
    const context = squares.get(detector) ?? surface(side, side);
    squares.set(detector, context);
    context.clearRect(0, 0, side, side);
    context.drawImage(bitmap, ...placed(bitmap.width, bitmap.height, side));
    const rgba = context.getImageData(0, 0, side, side);
    const { boxes, scores } = await detector.session.run({ rgba: tensorOf(rgba) });
    const values = [boxes!.data as Float32Array, scores!.data as Float32Array] as const;
    const found = merge(...values, detector.scoreThreshold, detector.overlapThreshold)
      .map(({ box, score }) => ({ box: inPixels(box, bitmap.width, bitmap.height, side), score }))
      .filter(({ box }) => !faces.some((known) => same(box, known.box)));
    faces.push(...found);
  }
  if (faces.length) nobodyAt = -Infinity;
  else if (asked === models.detectors) nobodyAt = started;
  return faces.sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
}

/** The square around a face, 96 px a side; outside the picture its rim goes on. */
function cut(bitmap: ImageBitmap, box: Box, margin: Margin): ImageData {
  const [left, top, side] = square(box, margin);
  // One row and column of the picture at least, wherever the box lies.
  const x0 = Math.min(Math.max(left, 0), bitmap.width - 1);
  const y0 = Math.min(Math.max(top, 0), bitmap.height - 1);
  const x1 = Math.min(Math.max(left + side, x0 + 1), bitmap.width);
  const y1 = Math.min(Math.max(top + side, y0 + 1), bitmap.height);
  const at = (n: number) => Math.round((n * CROP_SIDE) / side);
  const [l, t] = [Math.max(at(x0 - left), 0), Math.max(at(y0 - top), 0)];
  const [r, b] = [Math.min(at(x1 - left), CROP_SIDE), Math.min(at(y1 - top), CROP_SIDE)];
  const [w, h] = [Math.max(r - l, 1), Math.max(b - t, 1)];
  crop.drawImage(bitmap, x0, y0, x1 - x0, y1 - y0, l, t, w, h);
  const { canvas } = crop;
  if (l > 0) crop.drawImage(canvas, l, t, 1, h, 0, t, l, h);
  if (r < CROP_SIDE) crop.drawImage(canvas, r - 1, t, 1, h, r, t, CROP_SIDE - r, h);
  if (t > 0) crop.drawImage(canvas, 0, t, CROP_SIDE, 1, 0, 0, CROP_SIDE, t);
  if (b < CROP_SIDE) crop.drawImage(canvas, 0, b - 1, CROP_SIDE, 1, 0, b, CROP_SIDE, CROP_SIDE - b);
  return crop.getImageData(0, 0, CROP_SIDE, CROP_SIDE);
}

function pixelsOf(bitmap: ImageBitmap): ImageData {
  const context = surface(bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** Probabilities of a face; what its crop and its reading took is added to `timing`. */
async function readFace(pixels: () => ImageData, timing: Timing): Promise<number[]> {
  const started = performance.now();
  const rgba = pixels();
  const cropped = performance.now();
  const probabilities = await classify(rgba);
  timing.crop += cropped - started;
  timing.classify += performance.now() - cropped;
  return probabilities;
}

async function classify(rgba: ImageData): Promise<number[]> {
  const { probabilities } = await models.classifier.run({ rgba: tensorOf(rgba) });
  const found = [...(probabilities!.data as Float32Array)];
  if (found.length !== models.about.expressions.length || !found.every(Number.isFinite)) {
    throw new Error(
      `The model gave ${found.length} values for ${models.about.expressions.length} expressions, or none that is a ` +
        'number. Export it again with ferlab.export.',
    );
  }
  return found;
}

function tensorOf({ data, width, height }: ImageData): ort.Tensor {
  return new ort.Tensor('uint8', new Uint8Array(data.buffer), [1, height, width, 4]);
}

async function pictureOf(bitmap: ImageBitmap, box: Box, whole: boolean): Promise<Blob> {
  const pixels = whole ? pixelsOf(bitmap) : cut(bitmap, box, models.margin);
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  canvas.getContext('2d')!.putImageData(pixels, 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Runs the detectors once while nobody waits, since a first run is slow; what fails here is said when it is needed. */
async function warmUp(): Promise<void> {
  for (const [n, open] of models.detectors.entries()) {
    await new Promise((resolve) => setTimeout(resolve, n * IDLE)); // a picture that has come meanwhile goes first
    const step = async () => {
      if (looked) return;
      const { session, side } = await open();
      await session.run({ rgba: tensorOf(new ImageData(side, side)) });
    };
    await (last = last.then(step).catch(() => undefined));
  }
}
