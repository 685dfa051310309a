/** Pictures of the page in each state, size and colour scheme, to be looked at: node tests/shots.mjs FOLDER */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { open, openFile, read, ready, says, until } from './browser.mjs';

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark']) {
    const shot = (name) => page.screenshot({ path: join(folder, `${size}-${colorScheme}-${name}.png`), fullPage: true });
    const page = await open({ viewport, colorScheme });
    await ready(page);
    await shot('idle');
    await page.click('#start');
    await read(page);
    await page.click('#figures summary');
    await until(page, () => document.getElementById('stages').children.length);
    await page.waitForTimeout(1500);
    await shot('camera');
    await page.click('#figures summary');
    await page.click('#capture summary');
    await until(page, () => {
      if (document.querySelectorAll('#thumbs img').length) return true;
      document.getElementById('take').click(); // again, where the clip showed nobody
      return false;
    });
    await shot('capture');
    await page.click('#capture summary');
    await openFile(page, 'two.png');
    await read(page);
    await shot('photo');
    await openFile(page, 'nobody.png');
    await says(page, 'No face was found');
    await shot('nobody');
    await page.end();
  }
}
