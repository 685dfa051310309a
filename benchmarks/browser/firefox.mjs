/**
 * The page in Firefox: `npm ci && node --test firefox.mjs`, after npm run build in web/ (Debian: apt install firefox-esr; FIREFOX=PATH
 * for another). Its made camera shows nobody: the faces are a picture's.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';

import { serve } from '../../web/serve.mjs';
import { DIST } from './pages.mjs';

const executablePath = process.env.FIREFOX || '/usr/bin/firefox-esr';
const PEOPLE = join(import.meta.dirname, '../../docs/pictures/app-wide-light.png');
const LONG = { timeout: 120_000 }; // ms
let [server, browser, page] = [];
const faults = [];

before(async () => {
  server = await serve(DIST);
  if (!existsSync(executablePath)) throw new Error(`expected Firefox at ${executablePath}, found none; install it or type FIREFOX=PATH`);
  const extraPrefsFirefox = { 'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true };
  browser = await puppeteer.launch({ browser: 'firefox', executablePath, extraPrefsFirefox });
  page = await browser.newPage();
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  await page.goto(`http://localhost:${server.address().port}/`);
  await page.waitForSelector('body[data-ready]', LONG);
});
after(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
});

test('it starts, with threads', async () => {
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  assert.equal(await page.$eval('#start', ({ disabled }) => disabled), false);
});

test('the faces of a photo get labels', async () => {
  const input = await page.$('#file');
  await input.uploadFile(PEOPLE);
  await page.waitForSelector('.face', LONG);
  const [faces, bars] = await page.evaluate(() => [document.querySelectorAll('.face').length, [...document.querySelectorAll('meter')].map(({ value }) => value)]);
  assert.equal(faces, 3);
  assert.ok(Math.abs(bars.reduce((sum, value) => sum + value) - 1) < 1e-3, `${bars}`);
});

test('the sheet "What this is" opens and closes', async () => {
  await page.click('#about-open');
  await page.waitForSelector('#about[open]', { visible: true });
  await page.keyboard.press('Escape');
  await page.waitForSelector('#about', { hidden: true });
});

test('the camera runs', async () => {
  await page.click('#start');
  await page.waitForFunction(() => document.querySelector('video').videoWidth > 0, LONG);
  await page.waitForFunction(() => !document.getElementById('table').disabled, LONG); // pictures were read
});

test('without an error of the page', () => assert.deepEqual(faults, []));
