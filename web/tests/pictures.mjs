/**
 * Pictures of the page for the documentation, of drawn people alone, the same bytes each time on one machine:
 *
 *     npm run pictures                          # in web/, after a build; writes ../docs/pictures
 *     node tests/pictures.mjs FOLDER            # writes FOLDER
 *
 * PYTHON names the Python that has ferlab, ../.venv/bin/python by default. The page's clock stands still and is moved on
 * by hand, and its camera is a canvas: what is read depends on neither the machine's speed nor the browser's camera.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { EXPRESSIONS, open, ready, until } from './browser.mjs';

const HERE = import.meta.dirname;
const folder = resolve(process.argv[2] ?? join(HERE, '../../docs/pictures'));
const python = (...words) => execFileSync(process.env.PYTHON ?? join(HERE, '../../.venv/bin/python'), words, { stdio: 'inherit' });
const NOON = Date.UTC(2026, 0, 1, 12);
const STEP = 100; // ms between frames
const SETTLED = 3; // answers of the worker, after which none is of the frame before
const WIDE = { viewport: { width: 1180, height: 760 }, deviceScaleFactor: 1 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };

/** Put into the page: a camera that shows what `window.show(name)` says, and the number of pictures that were read. */
function standIn(frames) {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  const images = new Map();
  let track;
  window.read = 0;
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      this.addEventListener('message', ({ data }) => (window.read += data.seen ? 1 : 0));
    }
  };
  window.show = async (n) => {
    if (!images.has(n)) {
      const bytes = Uint8Array.from(atob(frames[n]), (c) => c.charCodeAt(0));
      images.set(n, await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' })));
    }
    const { width, height } = images.get(n);
    if (canvas.width !== width) Object.assign(canvas, { width, height });
    context.drawImage(images.get(n), 0, 0);
    track?.requestFrame();
  };
  navigator.mediaDevices.getUserMedia = async () => {
    const stream = canvas.captureStream(0);
    [track] = stream.getVideoTracks();
    return stream;
  };
  navigator.mediaDevices.enumerateDevices = async () => [];
  addEventListener('beforeinstallprompt', (event) => event.stopImmediatePropagation(), true); // now sooner, now later
}

/** A page whose camera shows the first frame, at noon. */
async function filming(frames, options) {
  const page = await open({
    camera: 'none',
    reducedMotion: 'reduce',
    ...options,
    before: async (page) => {
      await page.addInitScript(standIn, frames.map((file) => readFileSync(file).toString('base64')));
      await page.clock.install({ time: NOON });
    },
  });
  await ready(page);
  await page.clock.pauseAt(NOON + 600_000); // later than any machine is ready
  await page.evaluate(() => window.show(0));
  return page;
}

/** Shows a frame until some pictures of it were read. */
async function show(page, n, many) {
  const from = await page.evaluate(() => window.read);
  await until(page, async ([n, enough]) => {
    await window.show(n);
    return window.read >= enough;
  }, [n, from + many], `frame ${n}`);
}

/** Shows a frame, and lets time go on by some ms with it. */
async function step(page, n, ms = STEP) {
  await show(page, n, SETTLED);
  await page.clock.runFor(ms);
  await show(page, n, 1);
}

/** The camera for a minute, at a third of the scene's pace, which ends with frame `last`: the ribbon is full. */
async function minute(page, count, last) {
  for (let ms = 60_000; ms > 0; ms -= 250) await step(page, (((last - Math.floor(ms / 3 / STEP)) % count) + count) % count, 250);
}

/** The page with its camera, light and dark; `shots` is a folder for a round of the scene, a picture each frame. */
async function camera(device, files, last, options, shots) {
  const page = await filming(files, options);
  await page.click('#start');
  await step(page, 0, 125); // so that no step ends where a bar of the ribbon does
  await minute(page, files.length, last);
  for (const colorScheme of /** @type {const} */ (['dark', 'light'])) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await step(page, last, 250);
    await page.screenshot({ path: join(folder, `app-${device}-${colorScheme}.png`) });
  }
  for (let n = 0; shots && n < files.length; n++) {
    await step(page, (last + n) % files.length);
    await page.screenshot({ path: join(shots, `${String(n).padStart(3, '0')}.png`), clip: { x: 0, y: 60, width: 1180, height: 700 } });
  }
  await page.end();
}

/** The sheet of a game, whose player makes the face that is asked for. */
async function game(files) {
  const page = await filming(files, WIDE);
  await page.click('#play');
  for (let n = 0; n >= 0; ) {
    await step(page, n, 500);
    n = await page.evaluate((names) => {
      if (document.getElementById('scores').open) return -1;
      return Math.max(0, names.indexOf(document.getElementById('game-name').textContent.toLowerCase()));
    }, EXPRESSIONS);
  }
  await page.locator('#scores .made').screenshot({ path: join(folder, 'app-game.png') });
  await page.end();
}

mkdirSync(folder, { recursive: true });
const frames = mkdtempSync(join(tmpdir(), 'ferlab-frames-'));
try {
  python(join(HERE, 'portraits.py'), frames);
  const of = (scene) => readdirSync(join(frames, scene)).sort().map((name) => join(frames, scene, name));
  const shots = join(frames, 'shots');
  mkdirSync(shots);
  await game(of('seven'));
  await camera('phone', of('one'), 4, PHONE);
  await camera('wide', of('three'), 12, WIDE, shots);
  python(join(HERE, 'moving.py'), shots, join(folder, 'app-moving.webp'), String(STEP));
} finally {
  rmSync(frames, { recursive: true, force: true });
}
