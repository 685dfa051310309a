/** Photos and videos, whole and broken: each is read or named, and the page goes on. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { fixture, open, openFile, read, ready, says, text } from './browser.mjs';

const page = await open({ camera: 'none' });
await ready(page);
test.after(() => page.end());

for (const name of ['face.jpg', '8k.jpg', '16bit.png', 'alpha.png', 'exif.jpg', 'grey.png']) {
  test(`${name} is read`, async () => {
    await openFile(page, name);
    await says(page, 'One face found');
    await read(page);
    const { width, height } = await page.evaluate(() => {
      const { width, height } = document.getElementById('photo');
      return { width, height };
    });
    assert.ok(Math.max(width, height) <= 2700);
    assert.ok(width > height, `${name} stands upright: ${width}x${height}`);
  });
}

/** @type {[string, string, number, string][]} */
const ALIKE = [
  ['16bit.png', 'plain.png', 0.005, 'the low byte'],
  ['alpha.png', 'white.png', 0.005, 'white behind it'],
  ['exif.jpg', 'face.jpg', 0.2, 'the loss of JPEG'], // 0.1 of a real face in Python too
];
for (const [name, plain, most, why] of ALIKE) {

  test(`${name} is read as ${plain}, but for ${why}`, async () => {
    const values = [];
    for (const file of [plain, name]) {
      await openFile(page, file);
      await says(page, 'One face found');
      values.push(await read(page));
    }
    const apart = Math.max(...values[0].map((p, k) => Math.abs(p - values[1][k])));
    assert.ok(apart < most, `they differ by ${apart}`);
  });
}

test('of two faces both are read', async () => {
  await openFile(page, 'two.png');
  await says(page, '2 faces found');
});

test('no face: said, and the whole picture can be read as one', async () => {
  await openFile(page, 'nobody.png');
  await says(page, 'No face was found');
  assert.equal(await text(page, 'label'), 'No face yet');
  await page.click('#whole');
  await says(page, 'whole picture');
  await read(page);
});

for (const [name, words] of [
  ['cut.jpg', 'cannot be read as a photo'],
  ['text.jpg', 'cannot be read as a photo'],
  ['empty.png', 'cannot be read as a photo'],
  ['1x1.png', 'too small'],
  ['noise.mp4', 'cannot be read as a video'],
  ['notes.pdf', 'neither a photo nor a video'],
]) {
  test(`${name}: ${words}, and the next photo is read`, async () => {
    await openFile(page, name);
    await says(page, words);
    assert.equal(await text(page, 'start'), 'Start camera');
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
  });
}

test('a photo can be dropped on the page', async () => {
  const bytes = [...(await import('node:fs')).readFileSync(fixture('face.jpg'))];
  await openFile(page, 'nobody.png');
  await says(page, 'No face was found');
  await page.evaluate((bytes) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(bytes)], 'face.jpg', { type: 'image/jpeg' }));
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
  }, bytes);
  await says(page, 'One face found');
});

test('a video is read', async () => {
  const camera = await open();
  let recorded;
  try {
    recorded = await camera.evaluate(async () => {
      const stream = await navigator.mediaDevices.getUserMedia({ video: true });
      const recorder = new MediaRecorder(stream, { mimeType: 'video/webm' });
      const parts = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      recorder.start(250);
      while (parts.reduce((sum, { size }) => sum + size, 0) < 20_000) await new Promise((resolve) => setTimeout(resolve, 250));
      recorder.stop();
      await new Promise((resolve) => (recorder.onstop = resolve));
      return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
    });
  } finally {
    await camera.end();
  }
  writeFileSync(fixture('clip.webm'), Buffer.from(recorded));
  await openFile(page, 'clip.webm');
  await read(page);
  assert.ok(!(await page.evaluate(() => document.getElementById('video').hidden)));
  await page.click('#start');
  assert.equal(await text(page, 'start'), 'Start camera');
});

test('nothing of all that made an error of the page itself', () => {
  assert.deepEqual(page.faults.filter((fault) => !fault.includes('ERR_REQUEST_RANGE')), []);
});
