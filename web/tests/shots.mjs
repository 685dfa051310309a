/**
 * Pictures of the page in each state, size and colour scheme, to be looked at: node tests/shots.mjs FOLDER [STATE ...]. Says what axe
 * finds in each, and how far things have moved by themselves. LOCALE=ur-PK is a visitor's whose browser asks for that language.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { axeFinds, fixture, open, openFile, read, ready, says, until, watchShifts } from './browser.mjs';

const [folder, ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const LONG = 90_000; // ms
const SIZES = { phone: { width: 390, height: 844 }, side: { width: 844, height: 390 }, desktop: { width: 1280, height: 800 } };
/** @type {Record<string, { colorScheme: 'light' | 'dark'; forcedColors?: 'active' }>} */
const SCHEMES = { light: { colorScheme: 'light' }, dark: { colorScheme: 'dark' }, forced: { colorScheme: 'light', forcedColors: 'active' } };

/** Each opens the state in a page that is ready. */
const STATES = {
  idle: async () => undefined,
  about: (page) => page.click('#about-open'),
  choice: async (page) => {
    await page.click('#start');
    await page.click('#choice-title');
    await until(page, () => document.getElementById('models').textContent.includes('a face here'), undefined, 'speed', LONG);
    await page.locator('#models input[value=accurate_world]').check();
    await until(page, () => document.getElementById('model').textContent === 'accurate_world', undefined, 'the model', LONG);
    await page.waitForTimeout(3000);
  },
  camera: async (page) => {
    await page.click('#start');
    await until(page, () => document.querySelectorAll('.face').length >= 5, undefined, 'five faces', LONG);
    await page.click('#figures summary');
    await until(page, () => document.getElementById('stages').children.length);
    await page.waitForTimeout(1500);
  },
  sample: async (page) => {
    await page.locator('#strip button').first().click();
    await says(page, '5 faces found');
  },
  files: async (page) => {
    await page.setInputFiles('#file', ['two.png', 'face.jpg', 'six_seconds.webm', 'cut.jpg', 'upright.png'].map((name) => fixture(name)));
    await says(page, '2 faces found');
  },
  nothing: async (page) => {
    await page.route('**/models/*.onnx', (route) => route.abort());
    await page.reload();
    await says(page, 'could not be loaded');
  },
  inspect: async (page) => {
    await page.locator('#strip button').nth(2).click();
    await says(page, 'One face found');
    await page.click('#inspect summary');
    await until(page, () => document.getElementById('inspect-result').textContent.startsWith('Read as'), undefined, 'a map', LONG);
  },
  game: async (page) => {
    await page.click('#play');
    await until(page, () => document.getElementById('game-line').textContent.startsWith('Best so far'), undefined, 'a score', LONG);
  },
  scores: async (page) => {
    await page.click('#play');
    await page.locator('#scores[open]').waitFor({ timeout: 2 * LONG });
  },
  lost: async (page) => {
    await page.click('#play');
    await until(page, () => document.getElementById('game-name').textContent === 'fear', undefined, 'the third prompt', LONG);
    await page.evaluate(() => document.getElementById('video').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended')));
    await page.locator('#scores[open]').waitFor({ timeout: LONG });
  },
  video: async (page) => {
    await openFile(page, 'six_seconds.webm');
    await read(page);
    await page.waitForTimeout(8000);
  },
  affect: async (page) => {
    await page.click('#start');
    await read(page);
    await page.check('input[name=ribbon][value=affect]');
    await page.waitForTimeout(8000);
  },
  capture: async (page) => {
    await page.click('#start');
    await read(page);
    await page.click('#capture summary');
    await until(page, () => {
      if (document.querySelectorAll('#thumbs img').length) return true;
      document.getElementById('take').click(); // again, where the clip showed nobody
      return false;
    });
  },
  photo: async (page) => {
    await openFile(page, 'two.png');
    await says(page, '2 faces found');
  },
  upright: async (page) => {
    await openFile(page, 'upright.png');
    await says(page, 'One face found');
  },
  small: async (page) => {
    await openFile(page, 'small.png');
    await says(page, 'One face found');
  },
  nobody: async (page) => {
    await openFile(page, 'nobody.png');
    await says(page, 'No face was found');
  },
};

for (const [name, into] of Object.entries(STATES)) {
  if (only.length && !only.includes(name)) continue;
  const page = await open({ clip: 'five.mjpeg', bypassCSP: true, locale: process.env.LOCALE, before: (page) => page.addInitScript(watchShifts) });
  await ready(page);
  await into(page);
  console.log(`${name}: layout shift ${(await page.evaluate(() => window.moved)).toFixed(4)}`);
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const [scheme, media] of Object.entries(SCHEMES)) {
      await page.emulateMedia({ forcedColors: 'none', ...media });
      await page.evaluate((id) => (document.getElementById(id)?.scrollIntoView({ block: 'center' }) ?? scrollTo(0, 0)), ['choice', 'inspect'].includes(name) ? name : '');
      await page.waitForTimeout(300); // until the boxes stand at the new size
      await page.screenshot({ path: join(folder, `${name}-${size}-${scheme}.png`) });
      for (const found of await axeFinds(page)) console.log(`${name}, ${size}, ${scheme}: ${found}`);
    }
  }
  await page.screenshot({ path: join(folder, `${name}-whole.png`), fullPage: true });
  await page.end();
}
