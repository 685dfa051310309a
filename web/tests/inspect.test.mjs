/** "What it looked at": the face as the net is given it, and what covering parts of it takes away. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { EXPRESSIONS, WORKER, fits, fixture, open, openFile, read, ready, says, text, until } from './browser.mjs';

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

/** Notes what the worker is asked, and when. */
function note() {
  window.asked = [];
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, transfer) {
    window.asked.push([message.kind, performance.now()]);
    return post.call(this, message, transfer);
  };
}

const watched = (options) => open({ bypassCSP: true, before: (page) => page.addInitScript(note), ...options });
const LONG = 90_000; // ms
const done = (page) => until(page, () => document.getElementById('inspect-result').textContent.startsWith('Read as'), undefined, 'a result', LONG);
const shown = (page) => page.evaluate(() => document.getElementById('inspect-map').dataset.drops.split(' ').map(Number));
const asked = (page) => page.evaluate(() => window.asked.map(([kind]) => kind).filter((kind) => kind === 'cut' || kind === 'cover'));

test('of the chosen face of a photo the crop and the map are shown; another face is inspected instead', async () => {
  const page = await watched({ camera: 'none' });
  try {
    await ready(page);
    await page.click('#inspect summary');
    assert.equal(await text(page, 'inspect-result'), 'No face is read just now. Show one, then look again.');
    await openFile(page, 'two.png');
    await says(page, '2 faces found');
    await done(page);
    const { read, pixels } = expected['two.png'];
    const first = await shown(page);
    assert.ok(farthest(first, drops(read)) < ROUNDED, `differs by ${farthest(first, drops(read))}`);
    const given = await page.evaluate(() => [...document.getElementById('inspect-face').getContext('2d').getImageData(0, 0, 96, 96).data]);
    assert.ok(farthest(given, pixels) <= 1, 'the picture is the crop');
    const most = Math.max(...drops(read));
    assert.match(await text(page, 'inspect-result'), new RegExp(`^Read as (${EXPRESSIONS.join('|')}), \\d+%\\. Covering one square takes at most (\\d+) percentage points from that, (at the top|in the middle|at the bottom), (on the left|at the centre|on the right)\\.$`));
    assert.ok(Math.abs(Number((await text(page, 'inspect-result')).match(/at most (\d+)/)[1]) - 100 * most) < 1.6);
    assert.match(await text(page, 'inspect-how'), /^One square of 16 × 16 pixels .* at 121 places/);
    // The strongest orange stands where Python's map has its highest value.
    const hot = await page.evaluate(() => {
      const { data, width } = document.getElementById('inspect-map').getContext('2d').getImageData(0, 0, 96, 96);
      const warm = Array.from({ length: 96 * 96 }, (_, n) => data[4 * n] - data[4 * n + 2]);
      const at = warm.indexOf(Math.max(...warm));
      return [at % width, Math.floor(at / width)];
    });
    const best = drops(read).indexOf(most);
    [best % 11, Math.floor(best / 11)].forEach((square, axis) => assert.ok(Math.abs(hot[axis] - (8 * square + 8)) <= 16, `${hot} ${best}`));
    await fits(page, 'the map', [[320, 640], [844, 390], [1280, 800]]);

    await page.evaluate(() => {
      window.asked = [];
      const faces = document.querySelectorAll('.face');
      const other = [...faces].find((face) => face.getAttribute('aria-checked') === 'false');
      const one = [...faces].find((face) => face !== other);
      other.click();
      setTimeout(() => one.click(), 20);
      setTimeout(() => other.click(), 60);
    });
    await until(page, () => window.asked.filter(([kind]) => kind === 'cut').length === 3, undefined, 'three inspections', LONG);
    await done(page);
    const kinds = (await asked(page)).join(' ');
    assert.match(kinds, /^(cut (cover ?){0,11}){2}cut (cover ?){12}$/, 'what was begun of another face is not ended');
    assert.ok(farthest(await shown(page), first) > ROUNDED, 'another face has another map');
    assert.deepEqual(page.faults, []);
  } finally {
    await page.end();
  }
});

test('a photo that is one face is inspected as a whole', async () => {
  const page = await watched({ camera: 'none' });
  try {
    await ready(page);
    await openFile(page, 'nobody.png');
    await says(page, 'No face was found');
    await page.click('#whole');
    await says(page, 'The whole picture was read as one face');
    await page.click('#inspect summary');
    await done(page);
    assert.equal(await text(page, 'inspect-given'), 'As the net is given it: 640 × 480 pixels');
    assert.match(await text(page, 'inspect-how'), /^One square of 107 × 80 pixels/);
  } finally {
    await page.end();
  }
});

test('a video goes on while its face is inspected, also where that comes back with another number; when it is stopped that ends', async () => {
  const page = await watched({ camera: 'none' });
  const rate = (from, to) => page.evaluate(([from, to]) => (1000 * window.asked.filter(([kind, at]) => kind === 'look' && at > from && at < to).length) / (to - from), [from, to]);
  const now = () => page.evaluate(() => performance.now());
  try {
    await ready(page);
    await openFile(page, 'six_seconds.webm');
    await read(page);
    await page.waitForTimeout(1500);
    const before = await now();
    await page.waitForTimeout(3000);
    const from = await now();
    await page.click('#inspect summary');
    await until(page, () => document.getElementById('inspect-progress').value > 0.1, undefined, 'progress', LONG);
    await page.evaluate(() => document.getElementById('video').dispatchEvent(new Event('seeking'))); // faces are numbered anew
    await done(page);
    const to = await now();
    const [alone, beside] = [await rate(before, from), await rate(from, to)];
    console.log(`# pictures a second: ${alone.toFixed(1)}, while a face is inspected (${((to - from) / 1000).toFixed(1)} s) ${beside.toFixed(1)}`);
    assert.ok(beside > 0.6 * alone, `${beside} of ${alone} pictures a second`);
    assert.equal((await shown(page)).length, 121);
    await page.click('#inspect-again');
    await until(page, () => !document.getElementById('inspect-progress').hidden, undefined, 'another look', LONG);
    await page.click('#start');
    await says(page, 'Ready');
    const many = (await asked(page)).length;
    await page.waitForTimeout(1000);
    assert.equal((await asked(page)).length, many, 'nothing more is covered');
    assert.match(await text(page, 'inspect-result'), /^No face is read just now/);
    assert.deepEqual(page.faults, []);
  } finally {
    await page.end();
  }
});
