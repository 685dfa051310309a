/** The sheet "What this is", and what it promises. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { DIST, axeFinds, open, read, ready, until } from './browser.mjs';

const LONG = 90_000; // ms
const MODELS = join(import.meta.dirname, '../../src/ferlab/inference/models');
const { name: MODEL } = JSON.parse(readFileSync(join(DIST, 'models/classifier.json'), 'utf8'));
const measured = join(MODELS, `${MODEL}.measured.json`);
const SIZES = [[320, 640], [390, 844], [844, 390], [1280, 800]];

const sheet = (page) => page.getByRole('dialog', { name: 'What this is' });
/** The words between a data set's heading and the next. */
const ofSet = (page, title) =>
  page.evaluate((title) => {
    const words = [];
    const heading = [...document.querySelectorAll('#about h4')].find(({ textContent }) => textContent === title);
    for (let next = heading?.nextElementSibling; next && !next.tagName.startsWith('H'); next = next.nextElementSibling) words.push(next.textContent);
    return words.join(' ');
  }, title);

test('the sheet opens and closes by keyboard and by tap, in any size and colour scheme', async () => {
  const page = await open({ camera: 'none', bypassCSP: true });
  try {
    await ready(page);
    await page.focus('#about-open');
    await page.keyboard.press('Enter');
    await sheet(page).waitFor();
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      assert.deepEqual(await axeFinds(page), [], colorScheme);
    }
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      const { left, right, top, bottom, wide, targets } = await page.evaluate(() => {
        const [dialog, body] = [document.getElementById('about'), document.querySelector('#about .body')];
        const targets = [...dialog.querySelectorAll('button, summary, a')].map((target) => target.getBoundingClientRect().height);
        return { ...dialog.getBoundingClientRect().toJSON(), wide: body.scrollWidth - body.clientWidth, targets };
      });
      assert.ok(left >= 0 && top >= 0 && right <= width && bottom <= height, `${left} ${top} ${right} ${bottom}`);
      assert.ok(wide <= 0, `${wide} px of it stick out of ${width}`);
      assert.ok(Math.min(...targets) >= 44, targets.join());
    }
    await page.keyboard.press('Escape');
    assert.equal(await sheet(page).count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'about-open');
    await page.click('#about-open');
    await sheet(page).getByRole('button', { name: 'Close' }).click();
    assert.equal(await sheet(page).count(), 0);
    await page.click('#about-open');
    const open = () => page.locator('#about details').evaluateAll((all) => all.map((details) => details.open));
    const before = await open();
    for (const summary of await page.locator('#about summary').all()) await summary.click();
    assert.deepEqual(await open(), before.map((is) => !is), 'what is in it can be used');
    await page.mouse.click(2, 2); // beside it
    assert.equal(await sheet(page).count(), 0);
  } finally {
    await page.end();
  }
});

test('its links lead to its own files alone: the model card and the licences', async () => {
  const page = await open({ camera: 'none' });
  try {
    const links = () => sheet(page).getByRole('link').evaluateAll((all) => all.map(({ href }) => href));
    const [licences, card] = ['licences.txt', 'models/classifier.card.json'].map((path) => new URL(path, page.url0).href);
    await page.click('#about-open'); // before the model is there, too
    assert.equal((await links()).at(-1), licences);
    await page.keyboard.press('Escape');
    await ready(page);
    await page.click('#about-open');
    assert.deepEqual(await links(), existsSync(measured) ? [card, licences] : [licences]);
    assert.ok(!/https?:/.test(await sheet(page).textContent()));
  } finally {
    await page.end();
  }
});

test('its figures are those of the JSON beside the model', { skip: !existsSync(measured) && 'not a model of the package' }, async () => {
  const expected = JSON.parse(readFileSync(measured, 'utf8'));
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    await page.click('#about-open');
    const small = join(import.meta.dirname, `../models/${MODEL}.json`);
    const own = JSON.parse(readFileSync(existsSync(small) ? small : join(MODELS, `${MODEL}.json`), 'utf8'));
    assert.equal(own.sha256, JSON.parse(readFileSync(join(DIST, 'models/classifier.json'), 'utf8')).sha256);
    assert.equal(expected.sha256, own.made_from?.sha256 ?? own.sha256, 'measured of this model');
    if (own.made_from) {
      const words = `changed the answer for ${own.val.against.changed} of ${own.val.n.toLocaleString('en')} validation faces; ${(100 * own.val.accuracy).toFixed(1)}% are right`;
      assert.ok((await page.locator('#about').textContent()).includes(words), words);
    }
    const labels = { ferplus: 'FER+: small grey faces from the web, each labelled by ten people', fer2013: 'FER2013: small grey faces from the web' };
    const of = labels[own.data.split('+')[0]];
    const sets = { 'Press photographs, test': expected.elsewhere['wild-test'], [`${of}, test`]: expected.test, [`${of}, validation`]: expected.val };
    for (const [title, { n, accuracy, interval95 }] of Object.entries(sets)) {
      const words = await ofSet(page, title);
      const [right, low, high] = [accuracy, ...interval95].map((p) => (100 * p).toFixed(1));
      assert.ok(words.startsWith(`${right}% of ${n.toLocaleString('en')} faces right`), `${title}: ${words}`);
      assert.ok(words.includes(`(${low} to ${high})`), words);
    }
    assert.equal(await page.locator('#about h4').count(), 2 + Object.keys(expected.elsewhere).length);
    const { recall, support } = expected.elsewhere['wild-test'];
    const rows = await page.locator('#about details').first().locator('tbody tr').evaluateAll((all) => all.map((row) => [...row.children].map(({ textContent }) => textContent)));
    assert.deepEqual(rows, Object.keys(support).map((name) => [name, `${Math.round(100 * recall[name])}%`, support[name].toLocaleString('en')]));
    const card = await page.context().request.get(await sheet(page).getByRole('link', { name: 'Model card' }).evaluate(({ href }) => href));
    assert.deepEqual(await card.json(), { ...own, measured: expected });
    assert.ok((await page.locator('#about').textContent()).includes(`Below ${Math.round(100 * own.threshold)}% of certainty`));
  } finally {
    await page.end();
  }
});

/** As when another tab is in front, which a browser without a window never does. */
const hide = (page, hidden) =>
  page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
const AWAY = 3000; // ms; a camera that shows nobody is read several times a second all the same
const tracks = (page) => page.evaluate(() => document.getElementById('video').srcObject.getTracks().map(({ readyState }) => readyState));

test('while the page is hidden the camera is off; then it goes on with the same table', async () => {
  const page = await open();
  try {
    await ready(page);
    await page.click('#start');
    await read(page);
    assert.deepEqual(await tracks(page), ['live']);
    await hide(page, true);
    assert.deepEqual(await tracks(page), ['ended']);
    await page.waitForTimeout(AWAY);
    await hide(page, false);
    await until(page, () => document.getElementById('video').srcObject.getTracks()[0].readyState === 'live', undefined, 'the camera', LONG);
    const came = await page.evaluate(() => new Promise((resolve) => document.getElementById('video').requestVideoFrameCallback(() => resolve(true))));
    assert.ok(came);
    await read(page);
    await page.waitForTimeout(1000);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#table')]);
    const rows = readFileSync(await download.path(), 'utf8').trim().split('\n').slice(1);
    const times = rows.map((row) => Number(row.split(',')[2]));
    const gap = Math.max(...times.slice(1).map((time, n) => time - times[n]));
    assert.ok(gap > (0.9 * AWAY) / 1000, `before and after are in the table, ${gap} s apart`);
    await page.click('#start');
    await hide(page, true);
    await hide(page, false);
    assert.equal(await page.evaluate(() => document.getElementById('video').srcObject), null, 'one that was stopped stays off');
  } finally {
    await page.end();
  }
});
