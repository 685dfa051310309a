/** How the page stands: shapes, colours and words, for eyes and for ears. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runnerImport } from 'vite';

import { EXPRESSIONS, open, openFile, percents, read, ready, says, text, until, watchShifts } from './browser.mjs';

const LONG = 90_000; // ms
const CYCLE = 8000; // ms that the camera's clip lasts

const boxOf = (page, selector) => page.evaluate((selector) => document.querySelector(selector).getBoundingClientRect().toJSON(), selector);

test('the stage has the shape of its picture and leaves room, upright and on its side', async () => {
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    const shapes = { 'upright.png': 480 / 640, 'face.jpg': 640 / 480, 'two.png': 1280 / 480 };
    for (const [name, aspect] of Object.entries(shapes)) {
      await openFile(page, name);
      await says(page, 'found');
      for (const [width, height] of [[390, 844], [844, 390], [1024, 768], [1280, 800]]) {
        await page.setViewportSize({ width, height });
        const screen = await boxOf(page, '#screen');
        assert.ok(Math.abs(screen.width / screen.height / aspect - 1) < 0.02, `${name}: ${screen.width}x${screen.height}`);
        assert.ok(screen.height <= 0.6 * height + 1, `${name}: ${screen.height} of ${height}`);
        if (name === 'two.png') continue;
        const share = name === 'upright.png' ? 300 / 640 : 300 / 480; // of the height is the head's; its box is three quarters of that
        await until(page, (share) => {
          const [face, screen] = ['.face', '#screen'].map((name) => document.querySelector(name).getBoundingClientRect());
          const middle = (face.left + face.width / 2 - screen.left) / screen.width;
          return Math.abs(middle - 0.5) < 0.03 && Math.abs(face.height / screen.height - 0.75 * share) < 0.1 * share;
        }, share, 'the box to stand in its place');
        if (width < 800) continue;
        const [result, start] = [await boxOf(page, '.result'), await boxOf(page, '#start')];
        assert.ok(result.left >= screen.right, 'two columns');
        assert.ok(Math.max(result.top, start.bottom) <= height, 'picture, button and label are in one view');
      }
    }
  } finally {
    await page.end();
  }
});

test('bars have a length in forced colours too', async () => {
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    await openFile(page, 'face.jpg');
    await says(page, 'found');
    for (const forcedColors of /** @type {const} */ (['none', 'active'])) {
      await page.emulateMedia({ forcedColors });
      const png = (await page.locator('.best meter').screenshot()).toString('base64');
      const colours = await page.evaluate(async (png) => {
        const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (c) => c.charCodeAt(0))]));
        const context = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height }).getContext('2d');
        context.drawImage(bitmap, 0, 0);
        return [0.06, 0.97].map((x) => [...context.getImageData(Math.floor(x * bitmap.width), bitmap.height >> 1, 1, 1).data]);
      }, png);
      const apart = Math.max(...colours[0].map((value, n) => Math.abs(value - colours[1][n])));
      assert.ok(apart > 60, `forced colours ${forcedColors}: ${colours.join(' and ')}`);
    }
  } finally {
    await page.end();
  }
});

test('nothing moves by itself while faces come and go, and a screen reader is told little', async () => {
  const page = await open({ before: (page) => page.addInitScript(watchShifts) });
  try {
    await ready(page);
    await page.evaluate(() => {
      [window.heard, window.seen] = [[], new Set()];
      const live = [...document.querySelectorAll('[aria-live], [role=status], [role=alert]')].filter(({ id }) => id !== 'taken');
      const note = () => window.heard.push(live.map(({ textContent }) => textContent).join(' '));
      live.forEach((element) => new MutationObserver(note).observe(element, { childList: true, subtree: true }));
      const label = document.getElementById('label');
      new MutationObserver(() => window.seen.add(label.textContent)).observe(label, { childList: true });
    });
    await page.click('#start');
    await read(page);
    const from = await page.evaluate(() => ((window.heard = []), performance.now()));
    await until(page, (end) => performance.now() > end, from + 3 * CYCLE, 'three rounds of the clip', LONG);
    const { heard, seen, moved } = await page.evaluate(() => ({ heard: window.heard, seen: [...window.seen], moved: window.moved }));
    assert.ok(seen.length > 1, `labels came and went: ${seen}`);
    assert.ok(heard.length <= 5, `in 24 s it said ${JSON.stringify(heard)}`);
    console.log(`# layout shift: ${moved.toFixed(4)}`);
    assert.ok(moved < 0.02, `layout shift ${moved}`);
  } finally {
    await page.end();
  }
});

test('a name of 230 letters does not stick out', async () => {
  const page = await open({ camera: 'none', viewport: { width: 320, height: 640 } });
  try {
    await ready(page);
    for (const [name, mimeType] of [['x'.repeat(226) + '.jpg', 'image/jpeg'], ['y'.repeat(226) + '.pdf', 'application/pdf'], ['z'.repeat(226) + '.mp4', 'video/mp4']]) {
      await page.setInputFiles('#file', { name, mimeType, buffer: Buffer.from('nothing') });
      await says(page, `…${name.slice(-13)}`);
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
      assert.ok((await boxOf(page, '#status')).height < 200);
    }
  } finally {
    await page.end();
  }
});

test('of two faces in a photo both have a name, and each can be chosen by a tap or by arrow keys', async () => {
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    await openFile(page, 'two.png');
    await says(page, '2 faces found');
    const faces = page.getByRole('radiogroup', { name: 'Faces in the picture' }).getByRole('radio');
    assert.equal(await faces.count(), 2);
    const names = await faces.evaluateAll((all) => all.map((face) => face.getAttribute('aria-label')));
    for (const name of names) assert.match(name, new RegExp(`^Face [12]: ((${EXPRESSIONS.join('|')}) \\d+%|not sure)$`));
    const shown = async () => [await text(page, 'result-title'), (await percents(page)).join()];
    const first = await shown();
    assert.equal(first[0], 'How face 1 looks');
    await faces.nth(0).focus();
    await page.keyboard.press('ArrowRight');
    const second = await shown();
    assert.equal(second[0], 'How face 2 looks');
    assert.notEqual(second[1], first[1]);
    assert.equal(await faces.nth(1).getAttribute('aria-checked'), 'true');
    assert.ok(await faces.nth(1).evaluate((face) => face === document.activeElement));
    await faces.nth(0).click();
    assert.deepEqual(await shown(), first);
  } finally {
    await page.end();
  }
});

test('a face that is too small gets no label', async () => {
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    await openFile(page, 'small.png');
    await says(page, 'One face found: too small');
    assert.equal(await text(page, 'label'), 'too small');
    assert.equal(await page.locator('.chip').textContent(), 'too small');
    assert.deepEqual(await page.locator('.percent').allTextContents(), EXPRESSIONS.map(() => '–'));
  } finally {
    await page.end();
  }
});

test('durations and words are of what is looked at: camera, photo or video', async () => {
  const page = await open();
  const rows = () => page.locator('#stages th').allTextContents();
  try {
    await ready(page);
    await page.click('#figures summary');
    await page.click('#start');
    await until(page, () => document.getElementById('stages').textContent.includes('camera frame to label'), undefined, 'rows', LONG);
    assert.equal(await page.getByLabel('Picture of the camera').count(), 1);
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
    assert.deepEqual(await rows(), ['find the faces', 'cut them out', 'read their expressions']);
    assert.match(await text(page, 'stages-head'), /this photo/);
    assert.equal(await page.getByLabel('The photo face.jpg').count(), 1);
    const recorded = await page.evaluate(async () => {
      const stream = document.getElementById('photo').captureStream(10);
      const recorder = new MediaRecorder(stream, { mimeType: 'video/webm' });
      const parts = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      recorder.start();
      const context = document.getElementById('photo').getContext('2d');
      for (let n = 0; n < 30; n++) {
        context.fillStyle = `rgb(90 90 ${90 + n})`;
        context.fillRect(0, 0, 640, 480); // nobody
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      recorder.stop();
      await new Promise((resolve) => (recorder.onstop = resolve));
      return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
    });
    await page.setInputFiles('#file', { name: 'nobody.webm', mimeType: 'video/webm', buffer: Buffer.from(recorded) });
    await until(page, () => document.getElementById('status').textContent.includes('this part of the video'), undefined, 'words', LONG);
    assert.ok((await rows()).includes('video frame to label'), (await rows()).join());
    assert.equal(await page.getByLabel('The video nobody.webm').count(), 1);
  } finally {
    await page.end();
  }
});

test('a 4K video is shrunk before it is read', async () => {
  const page = await open({
    camera: 'none',
    before: (page) =>
      page.addInitScript(() => {
        window.sizes = [];
        const post = Worker.prototype.postMessage;
        Worker.prototype.postMessage = function (message, transfer) {
          if (message.bitmap) window.sizes.push([message.bitmap.width, message.bitmap.height]);
          return post.call(this, message, transfer);
        };
      }),
  });
  try {
    await ready(page);
    await openFile(page, '4k.webm');
    await until(page, () => document.querySelectorAll('.face').length, undefined, 'a face', LONG);
    assert.deepEqual((await page.evaluate(() => window.sizes))[0], [1280, 720]);
    const [face, screen] = [await boxOf(page, '.face'), await boxOf(page, '#screen')];
    assert.ok(face.height > 0.35 * screen.height && face.height < 0.7 * screen.height, 'the box has the size of the face');
  } finally {
    await page.end();
  }
});

/** Linear RGB as people of each kind of colour vision see it: Machado, Oliveira and Fernandes 2009, severity 1. */
const VISION = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const linear = (hex) => [1, 3, 5].map((n) => parseInt(hex.slice(n, n + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
const times = (matrix, vector) => matrix.map((row) => row.reduce((sum, m, n) => sum + m * vector[n], 0));
const XYZ = [[0.4124564, 0.3575761, 0.180437], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]];
const luminance = (hex) => times(XYZ, linear(hex))[1];

/** CIE L*a*b* of D65. */
function lab(rgb) {
  const [x, y, z] = times(XYZ, rgb.map((c) => Math.min(Math.max(c, 0), 1))).map((value, n) => {
    const t = value / [0.95047, 1, 1.08883][n];
    return t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27) * t / 116 + 16 / 116;
  });
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

test('colours of expressions are far apart for every kind of colour vision, and dark letters stand out on them', async () => {
  const { module } = await runnerImport(join(import.meta.dirname, '../src/looks.ts'), { configFile: false });
  const { lookOf, INK } = module;
  for (const [vision, matrix] of Object.entries(VISION)) {
    const seen = EXPRESSIONS.map((name) => lab(times(matrix, linear(lookOf(name).colour))));
    seen.forEach((a, i) =>
      seen.slice(0, i).forEach((b, j) => {
        const apart = Math.hypot(...a.map((value, n) => value - b[n]));
        assert.ok(apart > 20, `${vision}: ${EXPRESSIONS[i]} and ${EXPRESSIONS[j]} are ${apart} apart`); // 2 is just seen
      }),
    );
  }
  for (const name of EXPRESSIONS) {
    const contrast = (luminance(lookOf(name).colour) + 0.05) / (luminance(INK) + 0.05);
    assert.ok(contrast > 4.5, `${name}: ${contrast}`); // WCAG 2.2, 1.4.3
  }
  assert.equal(new Set(EXPRESSIONS.map((name) => lookOf(name).lines)).size, EXPRESSIONS.length);
});
