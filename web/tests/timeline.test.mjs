/** The ribbon of what was read, and the table of it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runnerImport } from 'vite';

import { EXPRESSIONS, fixture, open, openFile, read, ready, says, until } from './browser.mjs';

const LONG = 120_000; // ms
const source = async (name) => (await runnerImport(join(import.meta.dirname, `../src/${name}.ts`), { configFile: false })).module;
const HEAD = readFileSync(fixture('sheet.csv'), 'utf8').split('\n')[0];

test('the table is what ferlab.predict writes, byte for byte', async () => {
  const { Sheet } = await source('sheet');
  const { source: name, frames } = JSON.parse(readFileSync(fixture('sheet.json'), 'utf8'));
  const sheet = new Sheet();
  sheet.expressions = EXPRESSIONS;
  sheet.start(name);
  frames.forEach(({ seconds, rows }) => sheet.add(seconds, rows));
  assert.equal(sheet.csv(), readFileSync(fixture('sheet.csv'), 'utf8'));
});

test('a long session keeps its newest rows', async () => {
  const { Sheet } = await source('sheet');
  const sheet = new Sheet();
  sheet.start('camera');
  for (let n = 0; n < 100_010; n++) sheet.add(n, []);
  const lines = sheet.csv().trimEnd().split('\n');
  assert.equal(lines.length, 100_001);
  assert.ok(lines[1].startsWith('camera,10,10.0000,'), lines[1]);
});

/** Share of the columns of each tenth of the ribbon, from the left, that have a colour. */
const coloured = (page) =>
  page.evaluate(() => {
    const canvas = document.getElementById('ribbon');
    const { width, height } = canvas;
    if (!width) return [];
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    const at = (x) => data[4 * ((height >> 1) * width + x) + 3] > 0;
    return Array.from({ length: 10 }, (_, n) => [1, 3, 5, 7, 9].filter((k) => at(Math.floor(((n + k / 10) * width) / 10))).length / 5);
  });

async function table(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#table')]);
  assert.match(download.suggestedFilename(), /^ferlab-.*\.csv$/);
  const file = fixture('kept.csv');
  await download.saveAs(file);
  const [head, ...rows] = readFileSync(file, 'utf8').trimEnd().split('\n');
  assert.equal(head, HEAD);
  return rows.map((row) => Object.fromEntries(row.split(',').map((value, n) => [HEAD.split(',')[n], value])));
}

test('the camera: its last minute as a ribbon, and a table that stays when it is stopped', async () => {
  const page = await open({ clip: 'five.mjpeg' });
  try {
    await ready(page);
    assert.ok(await page.locator('#table').isDisabled());
    await page.click('#start');
    await read(page);
    await until(page, () => document.querySelectorAll('.face').length === 5, undefined, 'five faces', LONG);
    const from = await page.evaluate(() => performance.now());
    await until(page, (end) => performance.now() > end, from + 8000, 'eight seconds', LONG);
    const tenths = await coloured(page);
    assert.ok(tenths[9] > 0, `the newest stand on the right: ${tenths}`);
    assert.equal(tenths[0], 0, 'nothing was read a minute ago');
    await page.check('input[name=ribbon][value=affect]');
    assert.ok(await page.getByText('Thick line: valence').isVisible());
    await page.click('#start');
    const rows = await table(page);
    assert.ok(rows.length > 10);
    assert.ok(rows.every(({ source }) => source === 'camera'));
    assert.ok(new Set(rows.map(({ track }) => track)).size >= 5, 'five people');
    for (const { label, confidence, time_s: time, ...row } of rows.filter(({ label }) => label !== 'no face')) {
      const sum = EXPRESSIONS.reduce((total, name) => total + Number(row[name]), 0);
      assert.ok(Math.abs(sum - 1) < 1e-3 && Number(time) >= 0 && Number(confidence) > 0);
      assert.ok([...EXPRESSIONS, 'uncertain'].includes(label), label);
    }
    const times = rows.map(({ time_s: time }) => Number(time));
    assert.deepEqual(times, [...times].sort((a, b) => a - b));
  } finally {
    await page.end();
  }
});

test('a video: its whole length as a ribbon, a tap goes there, and each moment stands in the table once', async () => {
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    await openFile(page, 'six_seconds.webm');
    await read(page);
    assert.match(await page.locator('#ribbon-title').textContent(), /whole video/);
    const { width } = await page.locator('#ribbon').boundingBox();
    await page.evaluate(() => document.getElementById('video').pause());
    await page.click('#ribbon', { position: { x: 0.75 * width, y: 20 } });
    await until(page, () => Math.abs(document.getElementById('video').currentTime - 4.5) < 0.2, undefined, 'the place', LONG);
    await page.evaluate(() => document.getElementById('video').play());
    await until(page, () => document.getElementById('video').currentTime < 2, undefined, 'the next round', LONG);
    await until(page, () => document.getElementById('video').currentTime > 2, undefined, 'more of it', LONG);
    assert.ok((await coloured(page)).filter((share) => share > 0).length >= 3);
    const times = (await table(page)).map(({ time_s: time, source }) => (assert.equal(source, 'six_seconds.webm'), Number(time)));
    assert.deepEqual(times, [...times].sort((a, b) => a - b));
    assert.ok(times.at(-1) > 4.4 && times.at(-1) <= 6.1, `${times.at(-1)}`);
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
    assert.ok(await page.locator('#ribbon').isHidden());
  } finally {
    await page.end();
  }
});
