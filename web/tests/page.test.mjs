/** The page itself: whom it talks to, whether it works alone, for whom it works, and what it weighs. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { get } from 'node:http';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

import { DIST, axeFinds, open, openFile, read, ready, says, until } from './browser.mjs';
import { serve } from '../serve.mjs';

const MOST_BYTES = 4.5e6; // of the compressed download
const ORT = JSON.parse(readFileSync(new URL('../node_modules/onnxruntime-web/package.json', import.meta.url), 'utf8')).version;

test('the page talks to its own origin alone', async () => {
  const page = await open({ keep: true });
  try {
    await page.click('#start');
    await read(page);
    await openFile(page, 'two.png');
    await says(page, '2 faces found');
    await until(page, () => navigator.serviceWorker.controller);
    const others = page.sent.filter((url) => !url.startsWith(page.url0) && !url.startsWith('blob:'));
    assert.ok(page.sent.length > 5);
    assert.deepEqual(others, []);
    const elsewhere = await page.evaluate(async () => {
      const tried = ['https://example.com/', 'http://localhost:1/'].map((url) => fetch(url).then(() => url, () => null));
      return (await Promise.all(tried)).filter(Boolean);
    });
    assert.deepEqual(elsewhere, []);
    assert.ok(page.faults.some((fault) => fault.includes('Content Security Policy')), 'the policy forbids other origins');
  } finally {
    await page.end();
  }
});

test('a second load works with the server stopped, with threads even where it gives no headers', async () => {
  const page = await open({ keep: true, headers: {} });
  try {
    await ready(page);
    assert.equal(await page.evaluate(() => crossOriginIsolated), false);
    await until(page, () => navigator.serviceWorker.controller);
    await page.closeServer();
    await page.reload();
    await page.click('#start');
    await read(page);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
  } finally {
    await page.end();
  }
});

test('it can be installed', async () => {
  const page = await open({ keep: true, camera: 'none', lent: false });
  try {
    await until(page, () => navigator.serviceWorker.controller);
    const session = await page.context().newCDPSession(page);
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
    assert.deepEqual(installabilityErrors, []);
  } finally {
    await page.end();
  }
});

const SIZES = [
  [320, 640],
  [390, 844],
  [1280, 800],
];

test('in any size and colour scheme axe finds nothing, nothing sticks out, and targets are 44 px', async () => {
  const page = await open({ bypassCSP: true }); // axe is put into the page
  const check = async (state) => {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      assert.deepEqual(await axeFinds(page), [], `${state}, ${colorScheme}`);
    }
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${state}: sticks out ${wide} px of ${width}`);
      const small = await page.evaluate(() =>
        [...document.querySelectorAll('button, .button, summary, .classes label, input[type=text]')]
          .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
          .map((element) => element.outerHTML),
      );
      assert.deepEqual(small, [], state);
    }
  };
  try {
    await ready(page);
    await check('idle');
    await page.click('#figures summary');
    await page.click('#capture summary');
    await page.click('#start');
    await read(page);
    await check('camera');
    await openFile(page, 'two.png');
    await says(page, '2 faces found');
    await check('photo');
    await openFile(page, 'nobody.png');
    await says(page, 'No face was found');
    await check('no face');
  } finally {
    await page.end();
  }
});

test('all of it is reached by keyboard, in the order it is seen', async () => {
  const page = await open();
  try {
    await ready(page);
    const focused = [];
    for (let n = 0; n < 8; n++) {
      await page.keyboard.press('Tab');
      focused.push(await page.evaluate(() => document.activeElement.id || document.activeElement.tagName));
    }
    assert.deepEqual(focused.filter((id) => id !== 'install').slice(0, 6), ['language', 'about-open', 'BUTTON', 'start', 'file', 'play']);
    await page.focus('#start');
    await page.keyboard.press('Enter');
    await read(page);
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('#start').textContent(), 'Start camera');
  } finally {
    await page.end();
  }
});

test('who wants no motion sees none', async () => {
  const page = await open({ camera: 'none', reducedMotion: 'reduce' });
  try {
    const moving = await page.evaluate(() =>
      [...document.querySelectorAll('*')].filter((element) => getComputedStyle(element).transitionDuration !== '0s').length,
    );
    assert.equal(moving, 0);
  } finally {
    await page.end();
  }
});

test('the licences of what the page gives on come with it', async () => {
  const page = await open({ camera: 'none' });
  try {
    const response = await page.context().request.get(new URL(await page.getByRole('link', { name: 'Licences' }).getAttribute('href'), page.url0).href);
    const text = await response.text();
    for (const words of ['the ferlab authors', 'BlazeFace', 'MediaPipe', 'Version 2.0, January 2004', 'END OF TERMS AND CONDITIONS']) {
      assert.ok(text.includes(words), words);
    }
    assert.match(text, /Copyright \(c\) Microsoft Corporation\s+Permission is hereby granted/);
    assert.match(text, /fflate[^]*Arjun Barrett[^]*Permission is hereby granted/);
  } finally {
    await page.end();
  }
});

test('the compressed download of a first visit is below 4.5 MB', () => {
  const worker = readFileSync(join(DIST, 'sw.js'), 'utf8');
  const kept = JSON.parse(worker.match(/^const PAGE = (.*);$/m)[1]).map((path) => path.slice(2) || 'index.html');
  const sizes = [...kept, 'sw.js'].map((name) => {
    const file = join(DIST, name);
    return /** @type {const} */ ([name, statSync(existsSync(`${file}.br`) ? `${file}.br` : file).size]);
  });
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  console.log(`# download: ${(total / 1e6).toFixed(2)} MB`);
  assert.ok(total < MOST_BYTES, `${total} bytes: ${sizes.map(([name, size]) => `${name} ${size}`).join(', ')}`);
});

test('a server gives the smallest form that is accepted, and it is the file', async () => {
  const server = await serve(DIST);
  const path = `ort-${ORT}/ort-wasm-simd-threaded.wasm`;
  const ask = (accepted) =>
    new Promise((resolve, reject) => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      get({ port, path: `/${path}`, headers: { 'Accept-Encoding': accepted } }, async (response) => {
        const parts = [];
        for await (const part of response) parts.push(part);
        resolve({ body: Buffer.concat(parts), encoding: response.headers['content-encoding'], type: response.headers['content-type'] });
      }).on('error', reject);
    });
  try {
    const file = readFileSync(join(DIST, path));
    for (const [accepted, encoding, unpack] of /** @type {const} */ ([
      ['gzip, deflate, br, zstd', 'br', brotliDecompressSync],
      ['gzip', 'gzip', gunzipSync],
      ['identity', undefined, (body) => body],
    ])) {
      const found = await ask(accepted);
      assert.deepEqual([found.encoding, found.type], [encoding, 'application/wasm'], accepted);
      assert.ok(unpack(found.body).equals(file), accepted);
    }
  } finally {
    server.close();
  }
});
