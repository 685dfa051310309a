/** What the networks give here is what onnxruntime gives in Python; and models that are not what they say are refused. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runnerImport } from 'vite';

import { DIST, askWorker, fixture, open, says } from './browser.mjs';

const NEAR = 1e-3; // probabilities

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
    assert.equal(loaded.kind, 'loaded', loaded.message);
    answers.forEach(({ seen, message }, n) => {
      assert.ok(seen, message);
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

test('from a photo to its probabilities: browser = Python, but for the resizing of canvas and OpenCV', async () => {
  const expected = JSON.parse(readFileSync(fixture('two.json'), 'utf8'));
  const page = await open({ camera: 'none' });
  try {
    const [, { seen }] = await askWorker(page, [{ file: fixture('two.png'), most: 8 }]);
    assert.equal(seen.faces.length, expected.length);
    for (const { box, probabilities } of seen.faces) {
      const same = expected.find((face) => Math.abs(face.box[0] - box[0]) < 0.2 * box[2]);
      assert.ok(same, `${box} is nowhere in ${JSON.stringify(expected)}`);
      box.forEach((value, axis) => assert.ok(Math.abs(value - same.box[axis]) < 0.04 * box[2], `${box} ${same.box}`));
      const apart = farthest(probabilities, same.probabilities);
      assert.ok(apart < 0.1, `probabilities differ by ${apart}`);
    }
  } finally {
    await page.end();
  }
});

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

test('placing, merging and framing are those of detector.py', async () => {
  const vectors = JSON.parse(readFileSync(join(golden, 'detector.json'), 'utf8'));
  const { module: detector } = await runnerImport(join(import.meta.dirname, '../src/detector.ts'), { configFile: false });
  for (const { width, height, side, is } of vectors.placed) assert.deepEqual(detector.placed(width, height, side), is);
  for (const { box, side_ratio: sideRatio, raise_ratio: raiseRatio, is } of vectors.square) {
    assert.deepEqual(detector.square(box, { sideRatio, raiseRatio }), is);
  }
  const { boxes, scores, min_score, min_overlap, faces } = vectors.merge;
  const merged = detector.merge(new Float32Array(boxes.flat()), new Float32Array(scores), min_score, min_overlap);
  assert.equal(merged.length, faces.length);
  merged.forEach(({ box, score }, n) => {
    assert.ok(Math.abs(score - faces[n].score) < 1e-6);
    box.forEach((value, axis) => assert.ok(Math.abs(value - faces[n].box[axis]) < 1e-6));
  });
  for (const { width, height, faces, faces_in_pixels } of Object.values(vectors.graphs)) {
    faces.forEach(({ box }, n) => {
      const side = width && vectors.graphs.short.faces === faces ? 128 : 256;
      detector
        .inPixels(box, width, height, side)
        .forEach((value, axis) => assert.ok(Math.abs(value - faces_in_pixels[n].box[axis]) < 1e-6));
    });
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
    'Export it again',
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
