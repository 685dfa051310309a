/** The choice of model: what is said of each, and that one is downloaded once, when it is chosen, and kept. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { DIST, fits, fixture, open, openFile, percents, read, ready, says, text, until } from './browser.mjs';

const LONG = 120_000; // ms
const MODELS = join(import.meta.dirname, '../../src/ferlab/inference/models');
const NAMES = ['five_layer_world', 'accurate_world', 'five_layer'];
const options = { skip: !existsSync(join(DIST, 'models/accurate_world.onnx')) && 'a page of one given model' };

const fetched = (page, file) => page.sent.filter((url) => url.endsWith(`models/${file}.onnx`)).length;
const choose = (page, file) => page.locator(`#models input[value="${file}"]`).check();
const reads = (page, name) =>
  until(page, (name) => document.getElementById('model').textContent === name && document.body.dataset.ready, name, `the model ${name}`, LONG);
const offline = async (page) => {
  await until(page, async () => navigator.serviceWorker.controller && (await caches.keys()).length > 1, undefined, 'the caches', LONG);
  await page.closeServer();
  await page.reload();
};

test('each is offered with its size, the accuracy of its JSON and, once it ran, its speed here', options, async () => {
  const page = await open({ bypassCSP: true });
  const lines = () => page.locator('#models label > span > span').allTextContents();
  try {
    await ready(page);
    await page.click('#choice-title');
    const expected = NAMES.map((name) => {
      const { elsewhere } = JSON.parse(readFileSync(join(MODELS, `${name}.measured.json`), 'utf8'));
      const megabytes = (statSync(join(DIST, `models/${name === NAMES[0] ? 'classifier' : name}.onnx`)).size / 1e6).toFixed(1);
      return `${megabytes} MB · ${(100 * elsewhere['wild-test'].accuracy).toFixed(1)}% right · `;
    });
    await until(page, () => document.querySelector('#models label > span > span').textContent);
    assert.deepEqual(await lines(), expected.map((words) => `${words}not run here yet`));
    assert.match(await text(page, 'choice-lead'), /on 765 faces \(Press photographs, test\)/);
    await page.click('#start');
    await read(page);
    await until(page, () => document.querySelector('#models label > span > span').textContent.includes('a face here'), undefined, 'speed', LONG);
    const [first, ...others] = await lines();
    const [, ms] = first.match(/ · ([\d.]+) ms a face here$/);
    assert.ok(first.startsWith(expected[0]) && Number(ms) > 0.1 && Number(ms) < 1000, first);
    assert.deepEqual(others, expected.slice(1).map((words) => `${words}not run here yet`));
    await fits(page, 'the choice', [[320, 640], [390, 844], [1280, 800]]);
    const heights = await page.locator('#models label').evaluateAll((all) => all.map((label) => label.getBoundingClientRect().height));
    assert.ok(Math.min(...heights) >= 44, heights.join());
  } finally {
    await page.end();
  }
});

test('a first visit fetches the first alone, its service worker too', options, async () => {
  const page = await open({ keep: true, camera: 'none' });
  try {
    await ready(page);
    await until(page, () => navigator.serviceWorker.controller, undefined, 'the service worker', LONG);
    assert.ok(fetched(page, 'classifier'));
    const kept = await page.evaluate(async () => {
      const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
      return (await Promise.all(caches_.map((cache) => cache.keys()))).flat().map(({ url }) => url);
    });
    assert.ok(kept.some((url) => url.endsWith('models/classifier.onnx')), kept.join());
    for (const name of NAMES.slice(1)) assert.equal(fetched(page, name) + kept.filter((url) => url.endsWith(`${name}.onnx`)).length, 0, name);
  } finally {
    await page.end();
  }
});

test('one that is chosen reads what is looked at, is remembered, and works without a connection', options, async () => {
  const page = await open({ keep: true, camera: 'none' });
  try {
    await ready(page);
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
    const before = await percents(page);
    await page.click('#choice-title');
    await page.evaluate(() => {
      window.heard = [];
      const progress = document.getElementById('choice-progress');
      new MutationObserver(() => window.heard.push(progress.textContent)).observe(progress, { childList: true });
    });
    await choose(page, 'accurate_world');
    await reads(page, 'accurate_world');
    await until(page, (before) => {
      const now = [...document.querySelectorAll('.percent')].map(({ textContent }) => parseInt(textContent)).join();
      return !now.includes('NaN') && now !== before;
    }, before.join(), 'other percentages', LONG);
    const heard = await page.evaluate(() => window.heard);
    assert.ok(heard.some((words) => /^\d+\.\d of 11\.3 MB$/.test(words)), heard.join());
    assert.equal(heard.at(-1), '');
    assert.equal(await page.locator('.headline .icon').count(), 1);
    await page.click('#about-open');
    assert.match(await text(page, 'about'), /The model in use is accurate_world/);
    await page.keyboard.press('Escape');
    const after = await percents(page);
    const times = fetched(page, 'accurate_world');
    assert.ok(times);
    await offline(page);
    await reads(page, 'accurate_world');
    assert.ok(await page.locator('#models input[value=accurate_world]').isChecked());
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
    assert.deepEqual(await percents(page), after);
    assert.equal(fetched(page, 'accurate_world'), times);
    await page.click('#choice-title');
    await choose(page, 'classifier');
    await reads(page, NAMES[0]);
    await until(page, (before) => [...document.querySelectorAll('.percent')].map(({ textContent }) => parseInt(textContent)).join() === before, before.join(), 'the percentages before', LONG);
  } finally {
    await page.end();
  }
});

test('the camera goes on while another comes, of two that are chosen the last one reads, and the table is of it alone', options, async () => {
  const page = await open();
  try {
    await ready(page);
    await page.click('#start');
    await read(page);
    await page.click('#choice-title');
    await page.waitForTimeout(3000); // rows of the first one
    const asked = Date.now();
    await choose(page, 'accurate_world');
    await choose(page, 'five_layer');
    await reads(page, 'five_layer');
    await read(page);
    await page.waitForTimeout(3000);
    assert.equal(await text(page, 'model'), 'five_layer');
    assert.ok(await page.locator('#models input[value=five_layer]').isChecked());
    assert.match(await page.locator('#models label:has([value=five_layer])').textContent(), /ms a face here/);
    assert.equal(await page.locator('#start').textContent(), 'Stop');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#table')]);
    const rows = readFileSync(await download.path(), 'utf8').trim().split('\n').slice(1).map((row) => row.split(','));
    assert.equal(rows[0][1], '0');
    assert.ok(Number(rows.at(-1)[2]) < (Date.now() - asked) / 1000, `${rows.at(-1)[2]} s since its first row`);
  } finally {
    await page.end();
  }
});

test('one that does not come is said, and the one before reads on; the next time too', options, async () => {
  const page = await open({
    camera: 'none',
    before: (page) => page.route('**/models/five_layer.onnx', (route) => route.fulfill({ body: 'nonsense' })),
  });
  try {
    await ready(page);
    await page.click('#choice-title');
    await choose(page, 'five_layer').catch(() => undefined); // it does not stay checked
    await says(page, 'The model was not changed. five_layer.onnx is not the file that its JSON describes');
    assert.ok(await page.locator('#models input[value=classifier]').isChecked());
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    await page.evaluate(() => localStorage.setItem('ferlab-model', 'five_layer'));
    await page.reload();
    await says(page, 'The model that you chose is not here');
    await reads(page, NAMES[0]);
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
  } finally {
    await page.end();
  }
});

test('a kept model of a version before is fetched anew', options, async () => {
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    await page.evaluate(async () => {
      const cache = await caches.open('ferlab-models');
      await cache.put(new URL('models/five_layer.onnx', document.baseURI).href, new Response('an older model'));
      localStorage.setItem('ferlab-model', 'five_layer');
    });
    await page.reload();
    await reads(page, 'five_layer');
    const size = await page.evaluate(async () => {
      const cache = await caches.open('ferlab-models');
      const kept = await cache.match(new URL('models/five_layer.onnx', document.baseURI).href);
      return (await kept.arrayBuffer()).byteLength;
    });
    assert.equal(size, statSync(join(MODELS, 'five_layer.onnx')).size);
  } finally {
    await page.end();
  }
});

test('a page of one given model holds that one alone, and offers no choice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ferlab-one-'));
  const web = join(import.meta.dirname, '..');
  const env = { ...process.env, MODEL: fixture('random16.onnx'), OUT: folder };
  execFileSync(process.execPath, [join(web, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'error'], { cwd: web, env });
  const page = await open({ camera: 'none', folder });
  try {
    assert.deepEqual(readdirSync(join(folder, 'models')).filter((name) => /^[^f].*onnx$/.test(name)), ['classifier.onnx']);
    await ready(page);
    assert.equal(await page.locator('#choice').isVisible(), false);
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
    await page.click('#about-open');
    assert.match(await text(page, 'about'), /Nothing was measured of this model/);
  } finally {
    await page.end();
    rmSync(folder, { recursive: true, force: true });
  }
});
