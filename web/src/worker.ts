/**
 * Finds faces and reads them: pictures enter, boxes and probabilities leave. Both networks run here, so that the page
 * never waits. The classifier's graph is handed the pixels of a crop as they are; its preprocessing is inside it.
 */
import * as ort from 'onnxruntime-web/wasm';

import { pictureOf } from './canvas';
import { inPixels, letterbox, merge, overlap, same, type Found } from './detector';
import { LEAST, partOf, tiles, wholeOnes, withTiles } from './everyone';
import { CROP_SIDE, blank, crop, excessTilt, square, type Picture, type Pixels } from './framing';
import { fetchClassifier, openClassifier, openModels, type Detector, type Models } from './models';
import { covered } from './occlusion';
import type { Face, FromWorker, Located, Seen, Timing, ToWorker, Why } from './protocol';
import { Trouble, whyOf } from './trouble';

// Least overlap of where a face was read and where the detector then sees it. A crop that is 0.15 of the box beside the
// face costs two points of accuracy, no more than chance among a thousand faces; 0.2 (an overlap of 0.67) costs four and a
// half: tests/shift.py.
const HELD = 0.7;

// Of the picture's longer side, as in detector.py: the short-range detector finds few smaller faces; the long-range one's
// boxes of larger ones are too small.
const LARGE = 0.25;
const HUGE = 0.4;
const SEARCH = 500; // ms between searches for smaller faces where a near one is followed
const ALIVE = 2000; // ms between signs of life while files are waited for
// Side of a portrait in px, and by the longer side of the face's box.
const PORTRAIT_SIDE = 320;
const PORTRAIT_RATIO = 1.6;
const TELL = 100; // ms between words of what is here
const IDLE = 1000; // ms without a picture, after which the detector for smaller faces is made ready

let models: Models;
let base = '';
/** The classifier that was asked for last. */
let wanted = '';
let last = Promise.resolve();
let looked = false;
/** Faces of the picture before, one at least and the nearest first, and when that picture came. */
let known: { faces: Found[]; at: number } | null = null;
/** Why the detector for smaller faces was not there when it was last asked for; null where it was. */
let lacking: Why | null = null;
/** When all detectors were last asked in vain; long ago once a face was found. */
let nobodyAt = -Infinity;
/** When the detector for smaller faces was last asked. */
let farAt = -Infinity;
/** A picture whose faces were read where they were before; the detectors have not seen it yet. */
let kept: { bitmap: ImageBitmap; faces: Found[]; most: number; at: number } | null = null;

onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === 'model') return void handle(data); // what takes its turn is not the fetching
  last = last.then(() => handle(data)); // a session runs one thing at a time
};

async function handle(data: ToWorker): Promise<void> {
  const { id } = data;
  const alive = setInterval(() => answer({ id, kind: 'alive' }), ALIVE);
  try {
    if (data.kind === 'load') {
      base = data.base;
      models = await openModels(base, data.model, progressOf(data));
      await classify([blank(CROP_SIDE, CROP_SIDE)]); // a model that gives no probabilities is refused at once
      answer(loaded(id));
      void warmUp();
    } else if (data.kind === 'model') {
      await change(data);
      answer(loaded(id));
    } else if (data.kind === 'look') {
      looked = true;
      answer({ id, kind: 'seen', seen: await look(data) });
    } else if (data.kind === 'cut') {
      const pixels = cutOut(data);
      answer({ id, kind: 'cut', pixels });
    } else if (data.kind === 'cover') {
      const { face, squares } = data;
      answer({ id, kind: 'covered', probabilities: await classify(squares.map((n) => (n === null ? face : covered(face, n)))) });
    } else {
      answer({ id, kind: 'located', located: await locate() });
    }
  } catch (error) {
    answer({ id, kind: 'failed', why: whyOf(error) });
  } finally {
    clearInterval(alive);
  }
}

const loaded = (id: number): FromWorker => ({ id, kind: 'loaded', model: models.about, threads: ort.env.wasm.numThreads ?? 1 });

const progressOf = ({ id, model }: { id: number; model: string }) => {
  let last = -Infinity;
  return (done: number, all: number) => {
    const now = performance.now();
    if (now - last < TELL && done < all) return;
    last = now;
    answer({ id, kind: 'progress', model, done, all });
  };
};

/** Another classifier, once it is here; the one before reads until then, and goes on where this one cannot. */
async function change(data: { id: number; model: string }): Promise<void> {
  wanted = data.model;
  const file = await fetchClassifier(base, data.model, progressOf(data));
  const step = last.then(async () => {
    if (wanted !== data.model) throw new Trouble('choice.other');
    const before = models;
    models = { ...before, ...(await openClassifier(file)) };
    try {
      await classify([blank(CROP_SIDE, CROP_SIDE)]);
    } catch (error) {
      models = before;
      throw error;
    }
    await before.classifier.release();
  });
  last = step.catch(() => undefined);
  await step;
}

function answer(message: FromWorker): void {
  postMessage(message);
}

async function look({ bitmap, most, whole, picture, wish, follow }: Extract<ToWorker, { kind: 'look' }>): Promise<Seen> {
  const started = performance.now();
  kept?.bitmap.close();
  kept = null;
  if (!follow) known = null;
  if (known && started - known.at <= follow) {
    // The labels come first; `locate` then finds the faces in this picture, for the next one.
    const { faces } = known;
    kept = { bitmap, faces, most, at: started };
    const timing = { detect: null, crop: 0, classify: 0 };
    const pixels = pictureOf(bitmap);
    return { faces: await readFaces(faces, pixels, most, timing), timing, picture: null, portrait: null, lacking: null };
  }
  try {
    const pixels = pictureOf(bitmap);
    if (whole) return await readWhole(pixels);
    const found = await findFaces(pixels, most, follow);
    const timing = { detect: performance.now() - started, crop: 0, classify: 0 };
    const faces = await readFaces(found, pixels, most, timing);
    remember(found, started);
    const [nearest] = found;
    const better = !!wish && (faces[0]?.probabilities?.[wish.expression] ?? -1) > wish.above;
    return {
      faces,
      timing,
      picture: (picture || better) && nearest ? await asPng(cut(pixels, nearest)) : null,
      portrait: better ? await portrait(bitmap, nearest!, wish.mirrored) : null,
      lacking,
    };
  } finally {
    bitmap.close();
  }
}

async function readWhole(pixels: Picture): Promise<Seen> {
  const { width, height } = pixels;
  const started = performance.now();
  const crops = [pixels.read(0, 0, width, height)];
  const cropped = performance.now();
  const [probabilities] = await classify(crops);
  const timing = { detect: 0, crop: cropped - started, classify: performance.now() - cropped };
  const face: Face = { box: [0, 0, width, height], tilt: 0, score: 1, probabilities: probabilities! };
  return { faces: [face], timing, picture: null, portrait: null, lacking: null };
}

/** The faces of the picture that was kept. */
async function locate(): Promise<Located> {
  if (!kept) throw new Trouble('worker.gone');
  const { bitmap, faces, most, at } = kept;
  kept = null;
  const started = performance.now();
  try {
    const found = await findFaces(pictureOf(bitmap), most, 1); // the next picture waits already
    remember(found, at);
    const held = faces.map((face) => found.some(({ box }) => overlap(box, face.box) >= HELD));
    return { faces: found.map(unread), held, detect: performance.now() - started };
  } finally {
    bitmap.close();
  }
}

function remember(faces: Found[], at: number): void {
  known = faces.length ? { faces, at } : null;
}

const unread = ({ box, keypoints, score }: Found): Face => ({ box, tilt: excessTilt(box, keypoints), score, probabilities: null });

/**
 * Faces, the nearest first: it is the one that the page is about. By the short-range detector, and where it finds none by
 * the one for smaller faces. Where more than one is wanted, the latter is asked always in a picture that stands alone
 * (`rest` 0), in tiles too, and the short-range one where that finds no large face or a huge one, as in everyone.py. Of
 * pictures in a row the short-range one is asked always, and the other where it misses a face that was there, and every
 * `SEARCH` ms: it takes several times as long. For `rest` ms after nobody was seen it is not asked; with 0 it is waited for where it is
 * not here yet.
 */
async function findFaces(picture: Picture, most: number, rest: number): Promise<Found[]> {
  const started = performance.now();
  const longest = Math.max(picture.width, picture.height);
  let faces: Found[];
  if (most > 1 && !rest) {
    const far = await farOne(true);
    faces = await facesBy(far, picture);
    const largest = Math.max(0, ...faces.map(sideOf)) / longest;
    if (largest < LARGE || largest >= HUGE) {
      const others = await facesBy(models.short, picture);
      faces = faces.filter((face) => sideOf(face) < HUGE * longest || !others.some(({ box }) => same(box, face.box)));
      join(faces, others);
    }
    faces = withTiles(faces, await facesOfTiles(far, picture));
  } else {
    faces = await facesBy(models.short, picture);
    const missed = known?.faces.some(({ box }) => !faces.some((face) => same(face.box, box)));
    const search = most > 1 && (missed || started - farAt >= SEARCH);
    if (faces.length ? search : started - nobodyAt >= rest) {
      farAt = started;
      join(faces, await facesBy(await farOne(!rest), picture));
    }
    nobodyAt = faces.length ? -Infinity : Math.max(nobodyAt, farAt);
  }
  return faces.sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
}

const sideOf = ({ box }: Found): number => Math.max(box[2], box[3]);

/** Adds those of a second detector that the first has not found. */
function join(faces: Found[], others: Found[]): void {
  faces.push(...others.filter(({ box }) => !faces.some((known) => same(box, known.box))));
}

async function facesOfTiles(detector: Detector | null, picture: Picture): Promise<Found[]> {
  const faces: Found[] = [];
  for (const tile of tiles(picture.width, picture.height)) {
    faces.push(...wholeOnes(await facesBy(detector, partOf(picture, tile), LEAST), tile, picture));
  }
  return faces;
}

async function facesBy(detector: Detector | null, picture: Picture, least = detector?.scoreThreshold): Promise<Found[]> {
  if (!detector) return [];
  const { session, side, overlapThreshold } = detector;
  const { boxes, keypoints, scores } = await session.run({ rgba: tensorOf(letterbox(picture, side)) });
  const values = [boxes, keypoints, scores].map((output) => output!.data as Float32Array);
  return merge(values[0]!, values[1]!, values[2]!, least!, overlapThreshold).map((face) =>
    inPixels(face, picture.width, picture.height, side),
  );
}

/** The detector for smaller faces; null where it is not here: yet, unless it is waited for, or since it does not come. */
async function farOne(wait: boolean): Promise<Detector | null> {
  const coming = models.far().then(
    (detector) => [detector, null] as const,
    (error: unknown) => [null, whyOf(error)] as const,
  );
  const soon = new Promise<readonly [null, null]>((resolve) => setTimeout(resolve, 0, [null, null]));
  const [detector, why] = await (wait ? coming : Promise.race([coming, soon]));
  lacking = why;
  return detector;
}

/** The face as the classifier takes it: its square, upright. */
function cut(picture: Picture, { box, keypoints }: Found): Pixels {
  return crop(picture, box, models.margin, excessTilt(box, keypoints));
}

function cutOut({ bitmap, face }: Extract<ToWorker, { kind: 'cut' }>): Pixels {
  try {
    const picture = pictureOf(bitmap);
    const { width, height } = picture;
    return face ? crop(picture, face.box, models.margin, face.tilt) : picture.read(0, 0, width, height);
  } finally {
    bitmap.close();
  }
}

/** Faces, the first `most` of them read; what cutting them out and reading them took is added to `timing`. */
async function readFaces(found: Found[], picture: Picture, most: number, timing: Timing): Promise<Face[]> {
  const started = performance.now();
  const crops = found.slice(0, most).map((face) => cut(picture, face));
  const cropped = performance.now();
  const probabilities = crops.length ? await classify(crops) : [];
  timing.crop += cropped - started;
  timing.classify += performance.now() - cropped;
  return found.map((face, n) => ({ ...unread(face), probabilities: probabilities[n] ?? null }));
}

/** Probabilities of pictures of one size, read together. */
async function classify(crops: Pixels[]): Promise<number[][]> {
  const { probabilities } = await models.classifier.run({ rgba: tensorOf(...crops) });
  const found = [...(probabilities!.data as Float32Array)];
  const { length } = models.about.expressions;
  if (found.length !== crops.length * length || !found.every(Number.isFinite)) {
    const why = `${found.length} values for ${crops.length * length} expressions, or some that are no numbers`;
    throw new Trouble('file.unfit', { name: models.about.name, why });
  }
  return crops.map((_, n) => found.slice(n * length, (n + 1) * length));
}

/** Of pictures of one size. */
function tensorOf(...pictures: Pixels[]): ort.Tensor {
  const { width, height } = pictures[0]!;
  const bytes = new Uint8Array(4 * width * height * pictures.length);
  pictures.forEach(({ data }, n) => bytes.set(data, 4 * width * height * n));
  return new ort.Tensor('uint8', bytes, [pictures.length, height, width, 4]);
}

async function asPng({ data, width, height }: Pixels): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')!.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

/** A face with its surroundings, for eyes and not for networks. */
async function portrait(bitmap: ImageBitmap, { box }: Found, mirrored: boolean): Promise<Blob> {
  const [left, top, side] = square(box, { ...models.margin, sideRatio: PORTRAIT_RATIO });
  const context = new OffscreenCanvas(PORTRAIT_SIDE, PORTRAIT_SIDE).getContext('2d', { alpha: false })!;
  const within = (from: number, room: number) => Math.max(Math.min(from, room - side), Math.min(0, (room - side) / 2));
  const [x, y] = [within(left, bitmap.width), within(top, bitmap.height)];
  if (mirrored) context.setTransform(-1, 0, 0, 1, PORTRAIT_SIDE, 0);
  context.drawImage(bitmap, x, y, side, side, 0, 0, PORTRAIT_SIDE, PORTRAIT_SIDE);
  return context.canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
}

/** Runs the detectors once while nobody waits, since a first run is slow; what fails here is said when it is needed. */
async function warmUp(): Promise<void> {
  for (const [n, open] of [async () => models.short, models.far].entries()) {
    await new Promise((resolve) => setTimeout(resolve, n * IDLE)); // a picture that has come meanwhile goes first
    const detector = await open().catch(() => null);
    const step = async () => {
      if (!looked && detector) await detector.session.run({ rgba: tensorOf(blank(detector.side, detector.side)) });
    };
    await (last = last.then(step).catch(() => undefined));
  }
}
