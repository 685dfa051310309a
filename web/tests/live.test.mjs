/** The camera, from the click to the label: a clip of two faces and nobody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EXPRESSIONS, open, percents, read, ready, says, text, until } from './browser.mjs';

test('nothing is asked of the camera before the click, and a face is read after it', async () => {
  const page = await open({
    before: (page) =>
      page.addInitScript(() => {
        window.asked = 0;
        const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = (wish) => (window.asked++, real(wish));
      }),
  });
  try {
    await ready(page);
    assert.equal(await page.evaluate(() => window.asked), 0);
    await page.click('#start');
    const shown = await read(page);
    assert.equal(await page.evaluate(() => window.asked), 1);
    assert.equal(shown.length, EXPRESSIONS.length);
    assert.ok(Math.abs(shown.reduce((a, b) => a + b) - 1) < 1e-3, `probabilities sum to ${shown}`);
    const names = await page.locator('#bars li > span:first-child').allTextContents();
    assert.deepEqual(names, EXPRESSIONS, 'bars stand in the order of the model');
    assert.ok(Math.abs((await percents(page)).reduce((a, b) => a + b) - 100) <= 4);
    assert.ok([...EXPRESSIONS, 'not sure'].includes(await text(page, 'label')));
    assert.ok(await page.evaluate(() => document.getElementById('video').classList.contains('mirrored')));
    assert.ok(await page.locator('.face').count(), 'a box is drawn');
    // Noted as it is said: the camera's picture soon has a face again.
    await page.evaluate(() => {
      const text = (id) => document.getElementById(id).textContent;
      const note = () => text('status').includes('No face in sight') && (window.unseen ??= text('label'));
      new MutationObserver(note).observe(document.getElementById('status'), { childList: true });
    });
    const label = await until(page, () => window.unseen, undefined, '"No face in sight"', 120_000);
    assert.equal(label, 'No face yet', 'the average is forgotten with the face');
    await page.click('#start');
    assert.equal(await page.evaluate(() => document.getElementById('video').srcObject), null);
    assert.deepEqual(page.faults, []);
  } finally {
    await page.end();
  }
});

test('a screen reader hears a label once, not every frame', async () => {
  const page = await open();
  try {
    await ready(page);
    await page.evaluate(() => {
      window.heard = 0;
      new MutationObserver(() => window.heard++).observe(document.getElementById('announcer'), { childList: true });
    });
    await page.click('#start');
    await until(page, () => document.getElementById('announcer').textContent);
    const [frames, heard] = [await read(page), await page.evaluate(() => window.heard)];
    assert.ok(frames && heard <= 2, `heard ${heard} times`);
    const live = await page.evaluate(() => document.getElementById('label').closest('[aria-live],[role=status]'));
    assert.equal(live, null);
  } finally {
    await page.end();
  }
});

test('an unplugged camera is said, and can be started again', async () => {
  const page = await open();
  try {
    await page.click('#start');
    await read(page);
    await page.evaluate(() =>
      document.getElementById('video').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended')),
    );
    await says(page, 'disconnected');
    assert.equal(await text(page, 'start'), 'Start camera');
    await page.click('#start');
    await read(page);
  } finally {
    await page.end();
  }
});

test('a refused camera, and none at all', async () => {
  for (const [camera, words] of [
    ['refused', 'was not allowed'],
    ['none', 'No camera was found'],
  ]) {
    const page = await open({ camera });
    try {
      await page.click('#start');
      await says(page, words);
      assert.equal(await text(page, 'start'), 'Start camera');
    } finally {
      await page.end();
    }
  }
});

test('each way in which a camera can fail has words of its own', async () => {
  const page = await open({ camera: 'none' });
  try {
    const heard = [];
    const names = ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'OverconstrainedError', 'SecurityError', 'AbortError'];
    for (const name of [...names, 'OddError']) {
      await page.evaluate((name) => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name));
      }, name);
      await page.click('#start');
      heard.push(await until(page, () => {
        const said = document.getElementById('status').textContent;
        return document.getElementById('start').textContent === 'Start camera' && said;
      }));
    }
    assert.equal(new Set(heard).size, heard.length, heard.join('\n'));
    await page.evaluate(() => Object.defineProperty(navigator, 'mediaDevices', { value: undefined }));
    await page.click('#start');
    await says(page, 'secure page');
  } finally {
    await page.end();
  }
});

test('the other camera is asked for by its side', async () => {
  const page = await open({
    before: (page) =>
      page.addInitScript(() => {
        window.wishes = [];
        const { mediaDevices } = navigator;
        const real = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = async (/** @type {any} */ wish) => {
          window.wishes.push(wish.video.facingMode);
          const stream = await real({ video: true });
          const [track] = stream.getVideoTracks();
          track.getSettings = () => ({ facingMode: wish.video.facingMode });
          return stream;
        };
        mediaDevices.enumerateDevices = async () => /** @type {any} */ ([{ kind: 'videoinput' }, { kind: 'videoinput' }]);
      }),
  });
  try {
    await page.click('#start');
    await read(page);
    await page.click('#switch');
    await until(page, () => window.wishes.length === 2);
    await read(page);
    assert.deepEqual(await page.evaluate(() => window.wishes), ['user', 'environment']);
    assert.ok(!(await page.evaluate(() => document.getElementById('video').classList.contains('mirrored'))));
  } finally {
    await page.end();
  }
});
