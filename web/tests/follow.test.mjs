/** A face is read where it was a frame ago, found anew after that, and what was read where none is then seen is dropped. */
import assert from 'node:assert/strict';
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
    return answers.map(({ seen, located, message }) => seen ?? located ?? message);
  } finally {
    await page.end();
  }
}

test('a face that moves is read where it was, and then found where it is', async () => {
  const [first, , still, second, found, third] = await look(['plain.png', 0], ['plain.png', LONG], ['moved.png', LONG], ['moved.png', LONG]);
  assert.ok(first.timing.detect > 0);
  assert.ok(still.held);
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
  assert.equal(found.held, false);
  assert.ok(next.timing.detect > 0);
  assert.deepEqual(next.faces, []);
});

test('one that jumped was not read where it is', async () => {
  const [, , found] = await look(['plain.png', 0], ['jumped.png', LONG]);
  assert.equal(found.held, false);
  assert.equal(found.faces.length, 1);
});

test('a picture of long ago, of something else or none is not followed', async () => {
  const answers = await look(['plain.png', 1], ['plain.png', 1], ['plain.png', 0]);
  for (const { timing, faces } of answers) {
    assert.ok(timing.detect > 0);
    assert.equal(faces.length, 1);
  }
  const [, , wrong] = await look(['nobody.png', 0], ['plain.png', LONG]);
  assert.match(wrong, /is gone/);
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
  assert.ok(kept.held, 'a small face that is followed is searched by both detectors');
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

test('a reading that is taken back leaves the average as it was', async () => {
  const { module } = await runnerImport(join(import.meta.dirname, '../src/smoothing.ts'), { configFile: false });
  const smoother = new module.Smoother();
  smoother.update([1, 0], 0);
  smoother.takeBack();
  assert.equal(smoother.current(0), null);
  const before = smoother.update([1, 0], 0);
  smoother.update([0, 1], 100);
  smoother.takeBack();
  assert.deepEqual(smoother.current(100), before);
  assert.equal(smoother.current(700), null, 'it is as old as the reading before');
});

test('the camera: each face that was followed is searched before the next frame, and nobody is noticed at once', async () => {
  const page = await open({
    before: (page) =>
      page.addInitScript(() => {
        window.heard = [];
        window.Worker = class extends Worker {
          constructor(...given) {
            super(...given);
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
    const heard = (await page.evaluate(() => window.heard)).filter(({ kind }) => kind !== 'loaded');
    heard.forEach(({ seen, located }, n) => {
      if (located) assert.equal(heard[n - 1].seen.timing.detect, null);
      else if (seen.timing.detect === null && heard[n + 1]) assert.ok(heard[n + 1].located);
    });
    const at = heard.findIndex(went);
    assert.equal(heard[at].located.held, false);
    assert.deepEqual(heard[at + 1]?.seen.faces ?? [], [], 'nobody is read in the next frame');
  } finally {
    await page.end();
  }
});
