/** The worker: what happens where it dies, never starts or lacks a part. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WORKER, open, openFile, read, ready, says, text, until } from './browser.mjs';

const LONG = 90_000; // ms

/** Keeps the page's workers where a test can end them; `silent` ones are asked and never answer. */
function watchWorkers() {
  window.workers = [];
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      window.workers.push(this);
    }

    postMessage(message, transfer) {
      if (!window.silent) super.postMessage(message, transfer);
    }
  };
}

/** The page waits 15 s for a sign of life. */
const silence = (page) => page.clock.runFor(17_000);

const watched = (options) =>
  open({
    before: async (page) => {
      await page.addInitScript(watchWorkers);
      await page.clock.install();
    },
    ...options,
  });
const status = (part) => document.getElementById('status').textContent.includes(part);

test('a worker that died under a photo is started again, and the photo is read', async () => {
  const page = await watched({ camera: 'none' });
  try {
    await ready(page);
    await page.evaluate(() => window.workers[0].terminate());
    await openFile(page, 'face.jpg');
    await says(page, 'Reading the photo');
    await silence(page);
    await until(page, status, 'One face found', 'the photo', LONG);
    await read(page);
    assert.equal(await page.evaluate(() => window.workers.length), 2);
  } finally {
    await page.end();
  }
});

test('one that died under the camera too: it is said, and the camera goes on', async () => {
  const page = await watched();
  try {
    await page.click('#start');
    await read(page);
    await page.evaluate(() => {
      window.said = [];
      const status = document.getElementById('status');
      new MutationObserver(() => window.said.push(status.textContent)).observe(status, { childList: true });
      window.workers[0].terminate();
    });
    await silence(page);
    await until(page, () => window.said.some((text) => text.includes('started again')), undefined, 'words', LONG);
    await until(page, () => !document.getElementById('label').classList.contains('none'), undefined, 'a label', LONG);
    assert.equal(await text(page, 'start'), 'Stop');
  } finally {
    await page.end();
  }
});

test('one that never answers is not started for ever', async () => {
  const page = await watched({ camera: 'none' });
  try {
    await ready(page);
    await page.evaluate(() => (window.silent = true));
    await openFile(page, 'face.jpg');
    await says(page, 'Reading the photo');
    for (let n = 0; n < 3; n++) await silence(page);
    await until(page, status, 'again and again', 'words', LONG);
    assert.ok(await page.locator('#start').isDisabled());
    assert.equal(await page.evaluate(() => window.workers.length), 3);
  } finally {
    await page.end();
  }
});

test('a script of the worker that does not come is said', async () => {
  const page = await open({
    camera: 'none',
    before: (page) => page.route(`**/${WORKER}`, (route) => route.fulfill({ status: 404, body: '' })),
  });
  try {
    await says(page, 'does not start');
    assert.ok(await page.locator('#start').isDisabled());
  } finally {
    await page.end();
  }
});

test('the detector for smaller faces is not needed to start; without it larger ones are found, and it is said', async () => {
  const page = await open({
    camera: 'none',
    before: (page) => page.route('**/face_back.*', (route) => route.fulfill({ status: 404, body: '' })),
  });
  try {
    await ready(page);
    await openFile(page, 'face.jpg');
    await says(page, 'Smaller faces were not searched for. face_back.onnx is missing');
    await openFile(page, 'far.png');
    await says(page, 'No face was found');
    await page.unroute('**/face_back.*');
    let found = false; // it is asked for again a little later
    for (let n = 0; n < 20 && !found; n++) {
      await openFile(page, 'far.png');
      found = await until(page, status, 'One face found: ', 'the far face', 4000).catch(() => false);
    }
    assert.ok(found);
    assert.doesNotMatch(await text(page, 'status'), /Smaller/);
  } finally {
    await page.end();
  }
});

test('a slow detector for smaller faces holds up no label', async () => {
  let arrived;
  const coming = new Promise((resolve) => (arrived = resolve));
  const page = await open({
    before: (page) => page.route('**/face_back.onnx', (route) => coming.then(() => route.continue())),
  });
  try {
    await ready(page);
    await page.click('#start');
    await until(page, () => document.getElementById('label').textContent === 'No face yet' && document.getElementById('status').textContent.includes('No face'), undefined, 'a picture of nobody', LONG);
    await until(page, () => !document.getElementById('label').classList.contains('none'), undefined, 'the next face', LONG);
  } finally {
    arrived();
    await page.end();
  }
});
