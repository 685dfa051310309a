/** Chromium, the built page and what it looks at, for the tests. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { serve } from '../serve.mjs';

export const DIST = join(import.meta.dirname, '../dist');
export const FIXTURES = process.env.FIXTURES;
export const EXPRESSIONS = JSON.parse(readFileSync(join(DIST, 'models/classifier.json'), 'utf8')).expressions;
export const WORKER = readdirSync(join(DIST, 'assets')).find((name) => /^worker-.*\.js$/.test(name));
export const fixture = (name) => join(FIXTURES, name);

const showing = (clip) => [
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  `--use-file-for-fake-video-capture=${fixture(clip)}`,
];

const CAMERAS = { none: () => [], clip: showing, refused: () => ['--use-fake-device-for-media-stream', '--deny-permission-prompts'] };
// The pages behind the address bar, which nobody sees, take a fifth of the processor's time of a test.
const UNSEEN = '--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,MediaRouter,Translate,OptimizationHints';
const started = (args) => ({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', UNSEEN, ...args] });

/** Browsers by their arguments. Pages share one, with a profile each in memory; it ends soon after the last of them. */
const browsers = new Map();

async function shared(args, options) {
  const key = args.join(' ');
  if (!browsers.has(key)) browsers.set(key, { users: 0, launched: chromium.launch(started(args)) });
  const browser = browsers.get(key);
  browser.users++;
  const leave = () =>
    setTimeout(async () => {
      if (--browser.users) return;
      browsers.delete(key);
      await (await browser.launched).close();
    }, 100);
  return { context: await (await browser.launched).newContext(options), leave };
}

/** A browser of its own, whose profile is a folder. */
async function alone(args, options) {
  const profile = mkdtempSync(join(tmpdir(), 'ferlab-web-'));
  const context = await chromium.launchPersistentContext(profile, { ...started(args), ...options });
  return { context, leave: () => rmSync(profile, { recursive: true, force: true }) };
}

/**
 * A page with a profile and a server of its own. `camera`: 'clip', 'none' or 'refused'; `clip` is what it shows. `keep` lets the
 * service worker in. `lent` is false where the profile has to be a folder. `before` gets the page before it loads; `folder` is what
 * is served, the page from `path`, by https with `secret`. Everything is closed with `page.end()`.
 *
 * @param {Record<string, any>} [options] more of them are Playwright's
 */
export async function open({ camera = 'clip', clip = 'camera.mjpeg', keep = false, lent = true, before, headers, folder = DIST, path = '', secret = null, ...options } = {}) {
  const server = await serve(folder, 0, '127.0.0.1', headers, secret);
  const url = `${secret ? 'https' : 'http'}://localhost:${server.address().port}/${path}`;
  const { context, leave } = await (lent ? shared : alone)(CAMERAS[camera](clip), {
    serviceWorkers: keep ? 'allow' : 'block',
    viewport: { width: 390, height: 844 },
    ...options,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.sent = [];
  page.faults = [];
  context.on('request', (request) => page.sent.push(request.url()));
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.faults.push(message.text()));
  page.closeServer = () =>
    new Promise((done) => {
      server.closeAllConnections();
      server.close(done);
    });
  page.end = async () => {
    await context.close();
    if (server.listening) await page.closeServer();
    leave();
  };
  page.url0 = url;
  try {
    await before?.(page);
    await page.goto(url);
  } catch (error) {
    await page.end();
    throw error;
  }
  return page;
}

/** Waits until `test` (run in the page) gives something true, and returns it. The content policy forbids waitForFunction. */
export async function until(page, test, argument, what = String(test), ms = 60_000) {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    const found = await page.evaluate(test, argument).catch((error) => {
      if (!String(error).includes('context was destroyed')) throw error; // another page came meanwhile
    });
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`waited ${ms} ms in vain for ${what}; the page says: ${await text(page, 'status')}`);
}

export const ready = (page) => until(page, () => document.body.dataset.ready);
export const text = (page, id) => page.evaluate((id) => document.getElementById(id).textContent, id);
export const says = (page, part) =>
  until(page, (part) => document.getElementById('status').textContent.includes(part), part, `"${part}"`);
export const percents = (page) =>
  page.evaluate(() => [...document.querySelectorAll('.percent')].map(({ textContent }) => parseInt(textContent)));
/** Probabilities on show, once there are some. */
export const read = (page) =>
  until(page, () => {
    const shown = [...document.querySelectorAll('meter')].map(({ value }) => value);
    return shown.some((value) => value > 0) && shown;
  });

/** Put into a page: `window.moved` is how far its parts have moved by themselves, the sum of its layout shifts. */
export function watchShifts() {
  window.moved = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((/** @type {any} */ entry) => entry.hadRecentInput || (window.moved += entry.value)))
    .observe({ type: 'layout-shift', buffered: true });
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong; the page is opened with `bypassCSP`. */
export async function axeFinds(page) {
  await page.evaluate(`window.axe || (() => {${axe}})()`);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
}

/** In either colour scheme axe finds nothing, and in each size nothing sticks out, nor what `atEach` looks at. */
export async function fits(page, state, sizes, atEach = async () => {}) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await axeFinds(page), [], `${state}, ${colorScheme}`);
  }
  for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height });
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `${state}: ${width}`);
    await atEach();
  }
}

export async function openFile(page, name) {
  await page.setInputFiles('#file', fixture(name));
}

/** Sends the built worker messages of src/protocol.ts, looks with pictures from PNG files, and returns its answers. */
export function askWorker(page, questions) {
  const given = questions.map(({ file, ...rest }) => ({ ...rest, png: file && readFileSync(file).toString('base64') }));
  return page.evaluate(
    async ([url, given]) => {
      const worker = new Worker(url, { type: 'module' });
      const ask = (message, transfer = []) =>
        new Promise((resolve) => {
          worker.onmessage = ({ data }) => data.kind !== 'alive' && data.kind !== 'progress' && resolve(data);
          worker.postMessage({ id: 0, ...message }, transfer);
        });
      const answers = [await ask({ kind: 'load', base: document.baseURI, model: 'classifier' })];
      for (const { png, ...rest } of given) {
        if (!png) {
          answers.push(await ask(rest));
          continue;
        }
        const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: 'none' });
        answers.push(await ask({ kind: 'look', most: 8, whole: false, picture: false, follow: 0, ...rest, bitmap }, [bitmap]));
      }
      worker.terminate();
      return answers;
    },
    [`./assets/${WORKER}`, given],
  );
}
