/** "What it looked at": the face as the net is given it, and what covering parts of it takes away. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { WORKER, fixture, open } from './browser.mjs';

const SAME = 1e-3; // probabilities of the same pixels, by onnxruntime here and in Python
const ROUNDED = 1e-2; // of a crop whose pixels may be a grey level apart: tests/model.test.mjs
const expected = JSON.parse(readFileSync(fixture('occluded.json'), 'utf8'));

/** Cuts a face out of a picture by the built worker and covers its squares; the whole picture where `face` is null. */
function covered(page, name, face) {
  const png = readFileSync(fixture(name)).toString('base64');
  return page.evaluate(
    async ([url, png, face]) => {
      const worker = new Worker(url, { type: 'module' });
      const ask = (message, transfer = []) =>
        new Promise((resolve, reject) => {
          worker.onmessage = ({ data }) => data.kind === 'failed' ? reject(new Error(JSON.stringify(data))) : data.kind !== 'alive' && data.kind !== 'progress' && resolve(data);
          worker.postMessage({ id: 0, ...message }, transfer);
        });
      const bitmap = () => createImageBitmap(new Blob([Uint8Array.from(atob(png), (c) => c.charCodeAt(0))]), { colorSpaceConversion: 'none' });
      await ask({ kind: 'load', base: document.baseURI, model: 'classifier' });
      if (face) {
        const given = await bitmap();
        const { seen } = await ask({ kind: 'look', bitmap: given, most: 8, whole: false, picture: false, wish: null, follow: 0 }, [given]);
        face = seen.faces.find(({ box }) => Math.abs(box[0] - face[0]) < 2 && Math.abs(box[1] - face[1]) < 2);
      }
      const given = await bitmap();
      const { pixels } = await ask({ kind: 'cut', bitmap: given, face }, [given]);
      const read = [];
      for (const squares of [[null], ...Array.from({ length: 121 }, (_, n) => [n])]) {
        read.push(...(await ask({ kind: 'cover', face: pixels, squares })).probabilities);
      }
      worker.terminate();
      return { pixels: [...pixels.data], size: [pixels.width, pixels.height], read };
    },
    [`./assets/${WORKER}`, png, face],
  );
}

const drops = (read) => {
  const top = read[0].indexOf(Math.max(...read[0]));
  return read.slice(1).map((p) => read[0][top] - p[top]);
};
const farthest = (a, b) => Math.max(...a.map((value, n) => Math.abs(value - b[n])));

test('what covering takes from the top probability is what it takes in Python', async () => {
  const page = await open({ camera: 'none' });
  try {
    for (const [name, within] of Object.entries({ 'tight.png': SAME, 'golden2.png': SAME, 'two.png': ROUNDED })) {
      const { read, box, pixels } = expected[name];
      const found = await covered(page, name, box ?? null);
      const [here, there] = [drops(found.read), drops(read)];
      assert.equal(there.length, 121);
      assert.ok(Math.max(...there) > 5 * within, `${name}: ${Math.max(...there)} says something`);
      assert.ok(farthest(here, there) < within, `${name} differs by ${farthest(here, there)}`);
      if (!pixels) continue;
      assert.deepEqual(found.size, [96, 96]);
      assert.ok(farthest(found.pixels, pixels) <= 1, `the crop differs by ${farthest(found.pixels, pixels)} grey levels`);
    }
  } finally {
    await page.end();
  }
});
