/**
 * Lighthouse over the built page, as it loads and in its main states, on a phone and on a desktop:
 *
 *     npm ci && node lighthouse.mjs [FOLDER]     # after the same; FOLDER gets the reports
 *
 * Prints a line for each state: performance where the page is loaded, accessibility, best practices and search engines, and what
 * was found. Ends with 1 where one of them is below 100.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { desktopConfig, startFlow } from 'lighthouse';
import puppeteer from 'puppeteer-core';

import { serve } from '../../web/serve.mjs';
import { DIST } from './pages.mjs';

const HERE = import.meta.dirname;
const clip = join(process.env.CLIPS ?? join(HERE, 'built'), 'five.mjpeg');
const folder = process.argv[2];
const shown = (selector) => (page) => page.waitForSelector(selector, { visible: true, timeout: 120_000 });

/** Each opens the state, from that of the one before. */
const STATES = {
  sheet: async (page) => {
    await page.click('#about-open');
    await shown('#about[open]')(page);
  },
  camera: async (page) => {
    await page.keyboard.press('Escape');
    await page.click('#start');
    await shown('.face')(page);
  },
  photo: async (page) => {
    const [input] = await page.$$('#file');
    await input.uploadFile(join(HERE, '../../docs/pictures/app-wide-light.png')); // drawn people
    await shown('#photo')(page);
    await shown('.face')(page);
  },
};

const server = await serve(DIST);
const address = `http://localhost:${server.address().port}/`;
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${clip}`],
});
let all = true;
try {
  for (const [device, config] of Object.entries({ phone: undefined, desktop: desktopConfig })) {
    const page = await browser.newPage();
    const flow = await startFlow(page, { config, name: device });
    await flow.navigate(address, { name: 'load' });
    await page.waitForSelector('body[data-ready]', { timeout: 120_000 });
    for (const [name, open] of Object.entries(STATES)) {
      await open(page);
      await flow.snapshot({ name });
    }
    const { steps } = await flow.createFlowResult();
    for (const { name, lhr } of steps) {
      // Of a state that is not loaded Lighthouse says how many audits it passed, which is no score.
      const scores = Object.values(lhr.categories).filter(({ id }) => name === 'load' || id !== 'performance');
      const below = Object.values(lhr.categories).flatMap(({ auditRefs }) =>
        auditRefs.filter(({ id, weight }) => weight && lhr.audits[id].score !== null && lhr.audits[id].score < 0.9).map(({ id }) => `${id} ${lhr.audits[id].displayValue ?? ''}`.trim()),
      );
      all &&= scores.every(({ score }) => score === 1);
      console.log(`${device} ${name}: ${scores.map(({ title, score }) => `${title} ${Math.round(100 * score)}`).join(', ')}${below.length ? `; ${below.join('; ')}` : ''}`);
    }
    if (folder) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `lighthouse-${device}.html`), await flow.generateReport());
    }
    await page.close();
  }
  console.log(`load of the machine: ${loadavg()[0].toFixed(1)}`);
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
process.exitCode = all ? 0 : 1;
