/** What a visitor finds before a camera runs: samples, files to choose from, and another try where something did not come. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { axeFinds, fits, fixture, open, read, ready, says, text, until } from './browser.mjs';

const LONG = 90_000; // ms
const strip = (page) => page.getByRole('toolbar');
const looks = (page) => strip(page).getByRole('button');
const given = (...names) => names.map((name) => fixture(name));

async function check(page, state) {
  await fits(page, state, [[320, 640], [844, 390], [1280, 800], [390, 844]], async () => {
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('#strip button, .tools button, #retry')]
        .filter((target) => target.checkVisibility() && Math.min(target.getBoundingClientRect().height, target.getBoundingClientRect().width) < 44)
        .map((target) => target.outerHTML),
    );
    assert.deepEqual(small, [], state);
  });
}

test('samples are read without a camera, by keyboard too, and without a connection', async () => {
  const page = await open({ camera: 'none', keep: true, bypassCSP: true });
  try {
    await ready(page);
    await until(page, () => [...document.querySelectorAll('#strip img')].every((img) => img.complete && img.naturalWidth > 100), undefined, 'the samples');
    await check(page, 'samples');
    await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
    await looks(page).first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await says(page, 'One face found: happy');
    assert.deepEqual(await looks(page).evaluateAll((all) => all.map((button) => [button.ariaPressed, button.tabIndex]).flat().join()), 'false,-1,false,-1,true,0,false,-1,false,-1,false,-1');
    await check(page, 'a sample that is read');
    await until(page, () => navigator.serviceWorker.controller);
    await page.closeServer();
    const [group, ...others] = await looks(page).all();
    await group.click();
    await says(page, '5 faces found');
    for (const [n, label] of ['surprise', 'happy', 'sad', 'angry', 'happy'].entries()) {
      await others[n].click();
      await says(page, `One face found: ${label}.`);
    }
    assert.deepEqual(page.faults.filter((fault) => !fault.includes('ERR_CONNECTION_REFUSED')), []);
  } finally {
    await page.end();
  }
});

test('of several files one is read, the others are in the strip; one that cannot be read does not take the strip away', async () => {
  const page = await open({ camera: 'none', bypassCSP: true });
  try {
    await ready(page);
    await page.setInputFiles('#file', given('face.jpg', 'two.png', 'cut.jpg', 'nobody.png'));
    await says(page, 'One face found');
    assert.equal(await text(page, 'strip-title'), '4 files');
    assert.deepEqual(await looks(page).evaluateAll((all) => all.map((button) => button.ariaLabel)), ['face.jpg', 'two.png', 'cut.jpg', 'nobody.png']);
    await until(page, () => document.querySelectorAll('#strip canvas').length === 3, undefined, 'a sign for the damaged one');
    await until(page, () => {
      const blank = (canvas) => !canvas.getContext('2d').getImageData(64, 64, 1, 1).data[3];
      return ![...document.querySelectorAll('#strip canvas')].some(blank);
    }, undefined, 'pictures of the files');
    await check(page, 'files');
    await looks(page).nth(1).click();
    await says(page, '2 faces found');
    await looks(page).nth(2).click();
    await says(page, 'cut.jpg cannot be read as a photo');
    assert.equal(await looks(page).count(), 4);
    await looks(page).nth(0).click();
    await says(page, 'One face found');
    await page.setInputFiles('#file', given('nobody.png'));
    await says(page, 'No face was found');
    assert.ok(await strip(page).isHidden());
    await page.setInputFiles('#file', given('six_seconds.webm', 'face.jpg'));
    await until(page, () => document.getElementById('start').textContent === 'Stop' && document.querySelectorAll('.face').length, undefined, 'a face in the video', LONG);
    await page.click('#start');
    await says(page, 'Ready');
    assert.equal(await text(page, 'strip-title'), 'Try one of these');
    assert.deepEqual(page.faults, []);
  } finally {
    await page.end();
  }
});

test('a picture that is pasted is read, and files that are dropped together are a strip', async () => {
  const page = await open({ camera: 'none' });
  const give = (kind, ...names) =>
    page.evaluate(([kind, files]) => {
      const transfer = new DataTransfer();
      for (const [name, bytes] of files) transfer.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type: 'image/png' }));
      const event = kind === 'paste' ? new ClipboardEvent('paste', { clipboardData: transfer }) : new DragEvent('drop', { dataTransfer: transfer });
      window.dispatchEvent(event);
    }, /** @type {const} */ ([kind, names.map((name) => [name, readFileSync(fixture(name)).toString('base64')])]));
  try {
    await ready(page);
    await give('paste', 'two.png');
    await says(page, '2 faces found');
    await give('drop', 'nobody.png', 'two.png');
    await says(page, 'No face was found');
    assert.equal(await looks(page).count(), 2);
  } finally {
    await page.end();
  }
});

test('where the networks do not come, the page says so, and another try works', async () => {
  const page = await open({ camera: 'none', bypassCSP: true, before: (page) => page.route('**/models/*.onnx', (route) => route.abort()) });
  try {
    await says(page, 'could not be loaded');
    assert.ok(await page.locator('#start').isDisabled());
    await check(page, 'nothing came');
    await page.unroute('**/models/*.onnx');
    await page.click('#retry');
    await ready(page);
    await says(page, 'Ready');
    assert.ok(await page.locator('#retry').isHidden());
    await looks(page).nth(2).click();
    await says(page, 'One face found: happy');
  } finally {
    await page.end();
  }
});

test('the camera can be shown without a mirror and on the full screen', async () => {
  const page = await open({ bypassCSP: true, viewport: { width: 1280, height: 800 } });
  try {
    await ready(page);
    assert.ok(await page.locator('#full').isHidden());
    await page.click('#start');
    await read(page);
    assert.ok(await strip(page).isHidden());
    const mirror = page.getByRole('button', { name: 'Mirror' });
    assert.equal(await mirror.getAttribute('aria-pressed'), 'true');
    await mirror.click();
    assert.equal(await mirror.getAttribute('aria-pressed'), 'false');
    assert.equal(await page.evaluate(() => getComputedStyle(document.getElementById('video')).transform), 'none');
    // The picture that is kept is not in the mirror either: the wall is darker on its left.
    await page.waitForTimeout(300); // for the next frame
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
    const png = readFileSync(await download.path()).toString('base64');
    const [left, right] = await page.evaluate(async (png) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (c) => c.charCodeAt(0))]));
      const context = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height }).getContext('2d');
      context.drawImage(bitmap, 0, 0);
      return [10, 700].map((x) => context.getImageData(x, 300, 1, 1).data[0]);
    }, png);
    assert.ok(left < right - 30, `${left} ${right}`);
    await page.getByRole('button', { name: 'Full screen', exact: true }).click();
    await until(page, () => document.fullscreenElement && document.querySelector('.screen').getBoundingClientRect().height > 0.7 * innerHeight, undefined, 'the full screen');
    assert.deepEqual(await axeFinds(page), []);
    await until(page, () => {
      const [face, screen] = ['.face', '#screen'].map((name) => document.querySelector(name)?.getBoundingClientRect());
      return face && Math.abs((face.left + face.width / 2 - screen.left) / screen.width - 0.5) < 0.1;
    }, undefined, 'the box in its place', LONG);
    await page.getByRole('button', { name: 'Leave full screen' }).click();
    await until(page, () => !document.fullscreenElement);
    await check(page, 'camera');
  } finally {
    await page.end();
  }
});

test('until all is here the page says how many of the megabytes that are sent have come', async () => {
  const sent = {};
  const page = await open({
    camera: 'none',
    before: (page) => {
      page.on('response', (response) => {
        const [name] = response.url().match(/(classifier\.onnx|face_short\.onnx|[^/]*\.wasm)$/) ?? [];
        if (name) sent[name] = Number(response.headers()['content-length']);
      });
      return page.addInitScript(() => {
        window.heard = [];
        addEventListener('DOMContentLoaded', () => {
          const status = document.getElementById('status');
          new MutationObserver(() => window.heard.push(status.textContent)).observe(status, { childList: true });
        });
      });
    },
  });
  try {
    await ready(page);
    const heard = await page.evaluate(() => window.heard);
    const counts = heard.map((words) => words.match(/^Preparing the model… ([\d.]+) of ([\d.]+) MB$/)).filter(Boolean).map(([, done, all]) => [Number(done), Number(all)]);
    assert.ok(counts.length > 1, heard.join('\n'));
    assert.equal(Object.keys(sent).length, 3, Object.keys(sent).join());
    const all = Object.values(sent).reduce((sum, bytes) => sum + bytes, 0) / 1e6;
    assert.ok(Math.abs(counts.at(-1)[1] - all) < 0.06, `${counts.at(-1)} of ${all}`);
    counts.slice(1).forEach(([done], n) => assert.ok(done >= counts[n][0], counts.join(' ')));
    assert.ok(counts.at(-1)[0] > 0.9 * all, counts.join(' '));
    assert.equal(heard.at(-1), 'Ready. Start the camera or open a file.');
  } finally {
    await page.end();
  }
});
