/** Two hundred faces, alone and in groups: what the page reads of each picture is what Python reads. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { EXPRESSIONS, askWorker, fixture, open } from './browser.mjs';

const SURE = 0.5; // above which the top class has to be the same
const ROUNDED = 1e-2; // as in model.test.mjs
const MISSED = 0.02; // share of faces that only one of them finds, by scores on either side of a threshold

const top = (probabilities) => probabilities.indexOf(Math.max(...probabilities));
const near = (a, b) => a.every((value, axis) => Math.abs(value - b[axis]) < 0.15 * Math.max(b[2], b[3]));

/** @param {any[]} pictures */
async function readAll(pictures) {
  const page = await open({ camera: 'none' });
  try {
    const [, ...answers] = await askWorker(page, pictures.map(({ file }) => ({ file: fixture(file), most: 32 })));
    return answers.map(({ seen, message }) => seen?.faces ?? assert.fail(message));
  } finally {
    await page.end();
  }
}

for (const [kind, least] of /** @type {const} */ ([['alone', 115], ['group', 70], ['people', 9]])) {
  test(`${kind}: the same faces and the same top class as in Python`, async () => {
    const pictures = JSON.parse(readFileSync(fixture('parity.json'), 'utf8')).filter(({ file }) => file.includes(`/${kind}`));
    const seen = await readAll(pictures);
    let [both, one, sure, farthest] = [0, 0, 0, 0];
    pictures.forEach(({ file, faces: expected }, n) => {
      const left = [...seen[n]];
      for (const { box, turned, probabilities } of expected) {
        const at = left.findIndex((face) => near(face.box, box));
        const [same] = at < 0 ? [] : left.splice(at, 1);
        if (turned) continue;
        if (!same) one++;
        if (!same) continue;
        both++;
        farthest = Math.max(farthest, ...probabilities.map((p, k) => Math.abs(p - same.probabilities[k])));
        if (Math.max(...probabilities) <= SURE) continue;
        sure++;
        const [here, there] = [top(same.probabilities), top(probabilities)].map((k) => EXPRESSIONS[k]);
        assert.equal(here, there, `${file}, box ${box}: ${same.probabilities} and ${probabilities}`);
      }
      one += left.length;
    });
    console.log(`# ${kind}: ${both} faces in both, ${one} in one alone, ${sure} above ${SURE}, probabilities within ${farthest.toFixed(4)}`);
    assert.ok(both >= least, `${both} faces`);
    assert.ok(one <= Math.max(1, MISSED * both), `${one} faces are found by one alone`);
    assert.ok(farthest < ROUNDED, `probabilities differ by ${farthest}`);
  });
}
