/** A face is read where it was a frame ago, found anew after that, and what was read where none is then seen is dropped. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runnerImport } from 'vite';

import { askWorker, fixture, open, read, until } from './browser.mjs';

const LONG = 60_000; // ms, so that a slow machine follows too

/** Answers to looks at these pictures, each [name, ms to follow for], and after those that followed where faces are. */
async function look(...pictures) {
  const page = await open({ camera: 'none' });
  try {
    const questions = pictures.flatMap(([name, follow]) => [
      { file: fixture(name), most: 1, follow },
      ...(follow === LONG ? [{ kind: 'locate' }] : []),
    ]);
    const [, ...answers] = await askWorker(page, questions);
    return answers.map(({ seen, located, why }) => seen ?? located ?? why);
  } finally {
    await page.end();
  }
}

test('a face that moves is read where it was, and then found where it is', async () => {
  const [first, , still, second, found, third] = await look(['plain.png', 0], ['plain.png', LONG], ['moved.png', LONG], ['moved.png', LONG]);
  assert.ok(first.timing.detect > 0);
  assert.deepEqual(still.held, [true]);
  assert.equal(second.timing.detect, null);
  assert.deepEqual(second.faces[0].box, first.faces[0].box);
  assert.ok(Math.abs(second.faces[0].probabilities.reduce((a, b) => a + b) - 1) < 1e-3);
  assert.ok(found.detect > 0);
  const middle = ({ box: [left, , width] }) => left + width / 2;
  const went = middle(found.faces[0]) - middle(first.faces[0]);
  assert.ok(Math.abs(went - 30) < 15, `the face moved by 30 px, its box by ${went}`);
  assert.deepEqual(third.faces[0].box, found.faces[0].box);
});

test('one that went is missed in that same picture, and the next one is searched first', async () => {
  const [, read, found, next] = await look(['plain.png', 0], ['nobody.png', LONG], ['nobody.png', LONG]);
  assert.equal(read.timing.detect, null);
  assert.deepEqual(found.faces, []);
  assert.deepEqual(found.held, [false]);
  assert.ok(next.timing.detect > 0);
  assert.deepEqual(next.faces, []);
});

test('one that jumped was not read where it is', async () => {
  const [, , found] = await look(['plain.png', 0], ['jumped.png', LONG]);
  assert.deepEqual(found.held, [false]);
  assert.equal(found.faces.length, 1);
});

test('a picture of long ago, of something else or none is not followed', async () => {
  const answers = await look(['plain.png', 1], ['plain.png', 1], ['plain.png', 0]);
  for (const { timing, faces } of answers) {
    assert.ok(timing.detect > 0);
    assert.equal(faces.length, 1);
  }
  const [, , wrong] = await look(['nobody.png', 0], ['plain.png', LONG]);
  assert.equal(wrong.key, 'worker.gone');
});

test('where nobody was seen just now, smaller faces are searched a little later, and at once where all is to be', async () => {
  const [first, , kept, nobody, soon, , later] = await look(
    ['far.png', 0],
    ['far.png', LONG],
    ['nobody.png', 0],
    ['far.png', LONG],
    ['far.png', 0],
  );
  assert.equal(first.faces.length, 1);
  assert.deepEqual(kept.held, [true], 'a small face that is followed is searched by both detectors');
  assert.deepEqual([nobody.faces, soon.faces], [[], []]);
  assert.equal(later.faces.length, 1);
  const [, near] = await look(['nobody.png', 0], ['plain.png', LONG]);
  assert.equal(near.faces.length, 1);
});

test('the camera: the first frame is read at once, and the next is asked for before one is read and searched', async () => {
  const page = await open({
    before: (page) =>
      page.addInitScript(() => {
        window.asked = [];
        const real = HTMLVideoElement.prototype.requestVideoFrameCallback;
        HTMLVideoElement.prototype.requestVideoFrameCallback = function (done) {
          window.asked.push('frame');
          return real.call(this, done);
        };
        const post = Worker.prototype.postMessage;
        Worker.prototype.postMessage = function (message, transfer) {
          window.asked.push(message.kind);
          return post.call(this, message, transfer);
        };
      }),
  });
  try {
    await page.click('#start');
    await until(page, () => window.asked.filter((kind) => kind === 'locate').length > 10);
    const asked = await page.evaluate(() => window.asked);
    asked.forEach((kind, n) => {
      if (kind === 'look') assert.equal(asked[n - 1], 'frame', 'the next frame is asked for before this one is read');
    });
    assert.deepEqual(asked.slice(0, 3), ['load', 'frame', 'look'], 'the first frame is there and is not waited for');
  } finally {
    await page.end();
  }
});

const tracksOf = async () =>
  new (await runnerImport(join(import.meta.dirname, '../src/tracks.ts'), { configFile: false })).module.Tracks();

test('faces are numbered and averaged as in tracks.py', async () => {
  const tracks = await tracksOf();
  for (const { ms, boxes, read, numbers, averages } of JSON.parse(readFileSync(fixture('tracks.json'), 'utf8'))) {
    const found = tracks.update(boxes.map((box, i) => ({ box, score: 1, probabilities: read[i] })), ms);
    assert.deepEqual(found.map(({ number }) => number), numbers);
    found.forEach(({ probabilities }, i) =>
      probabilities.forEach((p, k) => assert.ok(Math.abs(p - averages[i][k]) < 1e-5, `${probabilities} ${averages[i]}`)),
    );
  }
});

test('a reading where no face is then seen leaves the average as it was', async () => {
  const face = (probabilities, left = 0) => ({ box: [left, 0, 100, 100], score: 1, probabilities });
  const tracks = await tracksOf();
  tracks.update([face([1, 0])], 0);
  tracks.settle([], [false], 0);
  assert.equal(tracks.shown(0).probabilities, null);
  tracks.update([face([1, 0])], 100);
  const [{ probabilities: before }] = tracks.settle([face(null)], [true], 100);
  tracks.update([face([0, 1])], 200);
  const [{ probabilities: after }] = tracks.settle([face(null, 60)], [false], 200);
  assert.deepEqual(after, before);
  assert.equal(tracks.shown(801), null, 'it is lost');
});

test('the chosen face is shown as long as it is in sight, else the nearest, which is not left for one as near', async () => {
  const face = (left, side) => ({ box: [left, 0, side, side], score: 1, probabilities: [1, 0] });
  const tracks = await tracksOf();
  tracks.update([face(0, 100), face(300, 80)], 0);
  assert.equal(tracks.shown(0).number, 0);
  tracks.update([face(0, 100), face(300, 102)], 33);
  assert.equal(tracks.shown(33).number, 0);
  tracks.update([face(0, 100), face(300, 120)], 66);
  assert.equal(tracks.shown(66).number, 1);
  tracks.choose(0);
  tracks.update([face(300, 120)], 500);
  assert.equal(tracks.shown(500).number, 0, 'it may come back');
  tracks.update([face(300, 120)], 700);
  assert.equal(tracks.shown(700).number, 1);
});

test('the bars of a face are never a mixture with those of another', async () => {
  const page = await open({
    clip: 'beside.mjpeg',
    before: (page) =>
      page.addInitScript(() => {
        window.heard = [];
        window.Worker = class extends Worker {
          constructor(url, options) {
            super(url, options);
            this.addEventListener('message', ({ data }) => data.seen && window.heard.push(data.seen.faces));
          }
        };
      }),
  });
  try {
    await page.click('#start');
    await read(page);
    await page.evaluate(() => {
      window.shown = [];
      const note = () => window.shown.push([...document.querySelectorAll('meter')].map(({ value }) => value));
      new MutationObserver(note).observe(document.getElementById('bars'), { attributes: true, subtree: true, attributeFilter: ['style'] });
    });
    const turned = () => {
      const at = window.heard.map((faces) => faces.length === 2 && faces[0].box[0] < faces[1].box[0]);
      return at.lastIndexOf(true) >= 0 && at.slice(at.indexOf(true)).includes(false) && at.slice(at.indexOf(false)).includes(true);
    };
    await until(page, turned, undefined, 'each face nearer once', LONG);
    await until(page, () => document.querySelectorAll('.face').length === 2, undefined, 'both faces', LONG);
    await until(page, () => window.shown.length > 30, undefined, 'bars', LONG);
    const { heard, shown } = await page.evaluate(() => ({ heard: window.heard, shown: window.shown }));
    const pairs = heard.filter((faces) => faces.length === 2).map((faces) => faces.toSorted?.((a, b) => a.box[0] - b.box[0]) ?? faces);
    const readings = [0, 1].map((side) => pairs.map((faces) => faces[side].probabilities).filter(Boolean));
    // Between what was read of one face from its least to its greatest probability of each expression, never between both.
    const within = (bars, of) => bars.every((p, k) => p >= Math.min(...of.map((q) => q[k])) - 1e-6 && p <= Math.max(...of.map((q) => q[k])) + 1e-6);
    const whole = shown.filter((bars) => Math.abs(bars.reduce((a, b) => a + b) - 1) < 1e-3);
    assert.ok(whole.length > 10);
    for (const bars of whole) assert.ok(readings.some((of) => within(bars, of)), `${bars} is of neither face`);
  } finally {
    await page.end();
  }
});

test('the camera: each face that was followed is searched before the next frame, and nobody is noticed at once', async () => {
  const page = await open({
    before: (page) =>
      page.addInitScript(() => {
        window.heard = [];
        window.Worker = class extends Worker {
          constructor(url, options) {
            super(url, options);
            this.addEventListener('message', ({ data }) => window.heard.push(data));
          }
        };
      }),
  });
  try {
    await page.click('#start');
    await read(page);
    const went = ({ located }) => located && !located.faces.length;
    await until(page, () => window.heard.some(({ located }) => located && !located.faces.length));
    await until(page, () => document.getElementById('label').textContent === 'No face yet');
    const heard = (await page.evaluate(() => window.heard)).filter(({ kind }) => ['seen', 'located'].includes(kind));
    heard.forEach(({ seen, located }, n) => {
      if (located) assert.equal(heard[n - 1].seen.timing.detect, null);
      else if (seen.timing.detect === null && heard[n + 1]) assert.ok(heard[n + 1].located);
    });
    const at = heard.findIndex(went);
    assert.deepEqual(heard[at].located.held, [false]);
    assert.deepEqual(heard[at + 1]?.seen.faces ?? [], [], 'nobody is read in the next frame');
  } finally {
    await page.end();
  }
});
