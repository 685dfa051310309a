/**
 * ferlab's page beside face-api and human in one Chromium with one camera, in turn:
 *
 *     npm ci && node compare.mjs [ROUNDS [SECONDS]]      # after npm run build in web/, and clips.py; CLIPS=FOLDER of that
 *
 * Each turn is a browser of its own: first answer, then some seconds of one face, then of five. Others compute in wasm with one
 * thread, as ferlab does on two cores. CPU is of all the browser's processes. Prints a table for README.
 */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';

import { serve } from '../../web/serve.mjs';
import { build, sent } from './pages.mjs';

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');
const HERE = import.meta.dirname;
const CLIPS = process.env.CLIPS ?? join(HERE, 'built');
const rounds = Number(process.argv[2] ?? 3);
const seconds = Number(process.argv[3] ?? 6);
const SETTLE = 6000; // ms until V8 has compiled for good what runs often
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(q * values.length) - 1)];

/** Put into ferlab's page: starts the camera at once, and writes down what the worker answers and when a label stands. */
function watch() {
  window.seen = [];
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      this.addEventListener('message', ({ data: { seen } }) => {
        if (seen) window.seen.push({ at: performance.now(), faces: seen.faces.filter(({ probabilities }) => probabilities).length });
      });
    }
  };
  addEventListener('DOMContentLoaded', () => {
    const label = document.getElementById('label');
    new MutationObserver(() => {
      if (!label.classList.contains('none')) window.first ??= performance.now();
    }).observe(label, { attributes: true });
    document.getElementById('start').click();
  });
}

async function until(page, test) {
  for (const end = Date.now() + 120_000; Date.now() < end; await wait(25)) {
    const found = await page.evaluate(test);
    if (found) return found;
  }
  throw new Error(`waited in vain for ${test}`);
}

/** Seconds of CPU of each process of the browser. */
async function cpuOf(session) {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return new Map(processInfo.map(({ id, cpuTime }) => [id, cpuTime]));
}

/** p50 and p95 in ms from a frame to its label. Of ferlab by its own table, whose last row that is, of its last 150 frames. */
async function latency(page, name, seen) {
  if (name !== 'ferlab') return [quantile(seen.map(({ ms }) => ms), 0.5), quantile(seen.map(({ ms }) => ms), 0.95)];
  await page.evaluate(() => (document.getElementById('figures').open = true));
  const cells = await until(page, () => {
    const row = document.querySelector('#stages tr:last-child');
    return row && [...row.querySelectorAll('td')].map(({ textContent }) => parseFloat(textContent.replaceAll(',', '')));
  });
  return cells;
}

/** One turn: name of a figure -> value. */
async function measure(name, folder, five) {
  const server = await serve(folder, 0, '127.0.0.1', name === 'ferlab' ? undefined : {});
  const address = `http://localhost:${server.address().port}/`;
  const clip = join(CLIPS, five ? 'five.mjpeg' : 'one.mjpeg');
  const camera = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${clip}`];
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', ...camera] });
  try {
    const session = await browser.newBrowserCDPSession();
    const context = await browser.newContext({ locale: 'en-US', serviceWorkers: 'block', viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    const requested = new Set();
    context.on('request', (request) => request.url().startsWith(address) && requested.add(new URL(request.url()).pathname));
    page.on('pageerror', (error) => console.error(`${name}: ${error}`));
    if (name === 'ferlab') await page.addInitScript(watch);
    await page.goto(address + (five ? '#five' : ''));
    const first = await until(page, () => window.first);
    const early = [...requested];
    await wait(SETTLE);
    const [before, from] = [await cpuOf(session), await page.evaluate(() => performance.now())];
    await wait(1000 * seconds);
    const [after, { now, all }] = [await cpuOf(session), await page.evaluate(() => ({ now: performance.now(), all: window.seen }))];
    const seen = all.filter(({ at }) => at >= from && at < now);
    const [p50, p95] = await latency(page, name, seen);
    const cpu = [...after].reduce((sum, [id, time]) => sum + time - (before.get(id) ?? 0), 0);
    const size = (paths) => paths.reduce((sum, path) => sum + sent(join(folder, path === '/' ? 'index.html' : path)), 0) / 1e6;
    const faces = seen.reduce((sum, { faces }) => sum + faces, 0) / seen.length;
    const rate = (1000 * seen.length) / (now - from);
    if (five) return { 'five faces: pictures a second': rate, 'five faces: read in a picture': faces, 'five faces: CPU a picture, ms': (1000 * cpu) / seen.length };
    return {
      'frame to label, p50, ms': p50,
      'frame to label, p95, ms': p95,
      'pictures a second': rate,
      'faces read in a picture': faces,
      'CPU of the browser a picture, ms': (1000 * cpu) / seen.length,
      'first answer, s': first / 1000,
      'download until then, MB': size(early),
      'download of all, MB': size([...requested]),
    };
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}

const folders = build(join(HERE, 'built'));
const found = Object.fromEntries(Object.keys(folders).map((name) => [name, {}]));
const loads = [];
for (let n = 0; n < rounds; n++) {
  for (const five of [false, true]) {
    for (const [name, folder] of Object.entries(folders)) {
      loads.push(loadavg()[0]);
      for (const [figure, value] of Object.entries(await measure(name, folder, five))) (found[name][figure] ??= []).push(value);
    }
  }
}
const names = Object.keys(found);
const shown = (value) => (value < 100 ? value.toPrecision(3) : value.toFixed(0));
console.log(`load of the machine before each turn: ${shown(Math.min(...loads))} to ${shown(Math.max(...loads))}; median of ${rounds} turns (range)\n`);
console.log(`| | ${names.join(' | ')} |\n|---|${'---:|'.repeat(names.length)}`);
for (const figure of Object.keys(found[names[0]])) {
  const cells = names.map((name) => {
    const values = found[name][figure];
    return `${shown(quantile(values, 0.5))} (${shown(Math.min(...values))}–${shown(Math.max(...values))})`;
  });
  console.log(`| ${figure} | ${cells.join(' | ')} |`);
}
