/** What the networks give here is what onnxruntime gives in Python; and models that are not what they say are refused. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runnerImport } from 'vite';

import { DIST, askWorker, fixture, open, says } from './browser.mjs';

const NEAR = 1e-3; // probabilities

const ROUNDED = 1e-2; // of a crop in which some values are a grey level apart, since OpenCV's weights have 11 bits

const HALF = 2e-2; // with weights in half precision, as conf/export.yaml allows

async function compare(by, file) {
  const vectors = JSON.parse(readFileSync(fixture('golden.json'), 'utf8'));
  const page = await open({
    camera: 'none',
    before: async (page) => {
      if (!file) return;
      await page.route('**/classifier.onnx', (route) => route.fulfill({ path: fixture(file) }));
      await page.route('**/classifier.json', (route) => route.fulfill({ path: fixture(file.replace('.onnx', '.json')) }));
    },
  });
  try {
    const questions = vectors.map(({ file }) => ({ file: fixture(file), whole: true }));
    const [loaded, ...answers] = await askWorker(page, questions);
    assert.equal(loaded.kind, 'loaded', JSON.stringify(loaded.why));
    answers.forEach(({ seen, why }, n) => {
      assert.ok(seen, JSON.stringify(why));
      const apart = farthest(seen.faces[0].probabilities, vectors[n][by]);
      assert.ok(apart <= (file === 'random16.onnx' ? HALF : NEAR), `${vectors[n].file} differs by ${apart}`);
    });
  } finally {
    await page.end();
  }
}

const farthest = (a, b) => Math.max(...a.map((p, k) => Math.abs(p - b[k])));

test('the model of this page: browser = onnxruntime', () => compare('onnxruntime'));
test('an export of random weights: browser = torch', () => compare('torch', 'random.onnx'));
test('with weights in half precision: browser = torch', () => compare('torch', 'random16.onnx'));

for (const [name, least] of Object.entries({ two: 2, tilted: 1, group: 6 })) {
  test(`from ${name}.png to its probabilities: browser = Python`, async () => {
    const expected = JSON.parse(readFileSync(fixture(`${name}.json`), 'utf8'));
    const page = await open({ camera: 'none' });
    try {
      const [, { seen }] = await askWorker(page, [{ file: fixture(`${name}.png`), most: 8 }]);
      assert.equal(seen.faces.length, expected.length);
      assert.ok(expected.length >= least, `${expected.length} faces in Python`);
      for (const { box, probabilities } of seen.faces) {
        const same = expected.find((face) => [0, 1].every((axis) => Math.abs(face.box[axis] - box[axis]) < 0.2 * box[2]));
        assert.ok(same, `${box} is nowhere in ${JSON.stringify(expected)}`);
        const beside = Math.max(...box.map((value, axis) => Math.abs(value - same.box[axis])));
        const apart = farthest(probabilities, same.probabilities);
        assert.ok(beside < 0.5, `${box} ${same.box}`);
        assert.ok(apart < ROUNDED, `probabilities differ by ${apart}`);
      }
    } finally {
      await page.end();
    }
  });
}

const golden = join(import.meta.dirname, '../../tests/golden');

test('the detector finds what the Python one finds', async () => {
  const { graphs } = JSON.parse(readFileSync(join(golden, 'detector.json'), 'utf8'));
  const page = await open({ camera: 'none' });
  try {
    const { square, faces } = graphs.short;
    const [, { seen }] = await askWorker(page, [{ file: join(golden, square), most: 1 }]);
    const largestFirst = faces.toSorted?.((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]) ?? faces;
    assert.equal(seen.faces.length, faces.length);
    seen.faces.forEach(({ box, score }, n) => {
      const expected = largestFirst[n];
      assert.ok(Math.abs(score - expected.score) < NEAR);
      box.forEach((value, axis) => assert.ok(Math.abs(value / 128 - expected.box[axis]) < NEAR, `${box}`));
    });
  } finally {
    await page.end();
  }
});

const source = (name) => runnerImport(join(import.meta.dirname, `../src/${name}.ts`), { configFile: false });
const vectorsOf = (name) => JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8'));

/** A picture of nested arrays [H][W][3], and how often a part of it was read. */
function pictureOf(rows) {
  const [width, height] = [rows[0].length, rows.length];
  const read = (left, top, w, h) => {
    assert.ok(left >= 0 && top >= 0 && w > 0 && h > 0 && left + w <= width && top + h <= height);
    const part = rows.slice(top, top + h).map((row) => row.slice(left, left + w).map((rgb) => [...rgb, 255]));
    return { data: Uint8ClampedArray.from(part.flat(2)), width: w, height: h };
  };
  return { width, height, read };
}

test('tiles are those of everyone.py', async () => {
  const { module: everyone } = await source('everyone');
  for (const { size, is } of JSON.parse(readFileSync(fixture('tiles.json'), 'utf8'))) {
    assert.deepEqual(everyone.tiles(...size), is, `${size}`);
  }
});

test('placing and merging are those of detector.py', async () => {
  const vectors = vectorsOf('detector');
  const { module: detector } = await source('detector');
  for (const { width, height, side, is } of vectors.placed) assert.deepEqual(detector.placed(width, height, side), is);
  const near = (face, expected, within) => {
    const values = ({ box, keypoints, score }) => [...box, ...keypoints.flat(), score];
    const apart = farthest(values(face), values(expected));
    assert.ok(apart < within, `${apart}`);
  };
  const { boxes, keypoints, scores, min_score, min_overlap, faces } = vectors.merge;
  const flat = [boxes.flat(), keypoints.flat(2), scores].map((values) => new Float32Array(values));
  const merged = detector.merge(...flat, min_score, min_overlap);
  assert.equal(merged.length, faces.length);
  merged.forEach((face, n) => near(face, faces[n], 1e-6));
  for (const [name, side] of [['short', 128], ['back', 256]]) {
    const { width, height, faces, faces_in_pixels } = vectors.graphs[name];
    faces.forEach((face, n) => near(detector.inPixels(face, width, height, side), faces_in_pixels[n], 1e-6));
  }
});

test('resizing and cutting out are those of framing.py', async () => {
  const vectors = vectorsOf('framing');
  const { module: framing } = await source('framing');
  const picture = pictureOf(vectors.picture);
  const colours = ({ data }) => [...data].filter((_, n) => n % 4 < 3);
  for (const { width, height, is } of vectors.resized) {
    const whole = picture.read(0, 0, picture.width, picture.height);
    for (const from of [picture, whole]) {
      const found = framing.resized(from, width, height);
      assert.ok(farthest(colours(found), is) <= 0.51, `${width}x${height}`); // half a grey level of rounding
    }
  }
  for (const { box, side_ratio: sideRatio, raise_ratio: raiseRatio, is } of vectorsOf('detector').square) {
    assert.deepEqual(framing.square(box, { sideRatio, raiseRatio }), is);
  }
  for (const { box, eyes, is } of vectors.excess_tilt) {
    assert.ok(Math.abs(framing.excessTilt(box, eyes) - is) < 1e-9, `${box} ${eyes}`);
  }
  for (const { box, side_ratio: sideRatio, raise_ratio: raiseRatio, tilt, every, is } of vectors.crop) {
    const { data } = framing.crop(picture, box, { sideRatio, raiseRatio }, tilt);
    const places = Array.from({ length: 96 * 96 }, (_, n) => n);
    const few = places.filter((n) => n % 96 % every === 0 && Math.floor(n / 96) % every === 0);
    const found = few.flatMap((n) => [...data.subarray(4 * n, 4 * n + 3)]);
    assert.ok(farthest(found, is.flat()) <= 1.5, `${box} by ${tilt}`); // rounded twice
  }
});

const sidecar = () => JSON.parse(readFileSync(join(DIST, 'models/classifier.json'), 'utf8'));
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
const detectorBytes = readFileSync(join(DIST, 'models/face_short.onnx'));

for (const [what, replies, words] of [
  ['no JSON', { 'classifier.json': { status: 404, body: 'not here' } }, 'classifier.json is missing'],
  ['a web page in place of the JSON', { 'classifier.json': { contentType: 'text/html', body: '<p>' } }, 'missing on the server'],
  ['a damaged JSON', { 'classifier.json': { body: '{"sha' } }, 'is no JSON'],
  ['a JSON without checksum', { 'classifier.json': { body: '{}' } }, 'names no checksum'],
  ['another file than the JSON says', { 'classifier.onnx': { body: 'nonsense' } }, 'not the file that its JSON describes'],
  [
    'six classes',
    { 'classifier.json': { json: { ...sidecar(), expressions: sidecar().expressions.slice(1) } } },
    'its description says rgba and 6',
  ],
  ['no margin', { 'classifier.json': { json: { ...sidecar(), margin: undefined } } }, 'lacks expressions or margin'],
  ['another format', { 'classifier.json': { json: { ...sidecar(), format: 99 } } }, 'format 99'],
  [
    'a file that is no network',
    { 'classifier.onnx': { body: 'nonsense' }, 'classifier.json': { json: { ...sidecar(), sha256: hash('nonsense') } } },
    'cannot be opened',
  ],
  [
    'a network without our metadata',
    {
      'classifier.onnx': { body: detectorBytes },
      'classifier.json': { json: { ...sidecar(), sha256: hash(detectorBytes) } },
    },
    'Export the model again',
  ],
  ['no wasm', { 'ort-wasm-simd-threaded.wasm': { status: 404, body: '' } }, 'could not be started'],
]) {
  test(`refused: ${what}`, async () => {
    const page = await open({
      before: (page) =>
        Promise.all(Object.entries(replies).map(([name, reply]) => page.route(`**/${name}`, (route) => route.fulfill(reply)))),
    });
    try {
      await says(page, words);
      assert.ok(await page.evaluate(() => document.getElementById('start').disabled));
    } finally {
      await page.end();
    }
  });
}
