/** What a person keeps: pictures with their labels, saved or shared. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runnerImport } from 'vite';

import { fixture, open, openFile, read, ready, says, text, until } from './browser.mjs';

const LONG = 90_000; // ms
const { module: looks } = await runnerImport(join(import.meta.dirname, '../src/looks.ts'), { configFile: false });
const rgb = (hex) => [1, 3, 5].map((n) => parseInt(hex.slice(n, n + 2), 16));

/** Width and height of a PNG, and RGB of its pixels as asked for: at places, and how many have each colour. */
function pixelsOf(page, png, places, colours = []) {
  return page.evaluate(
    async ([png, places, colours]) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (c) => c.charCodeAt(0))]));
      const { width, height } = bitmap;
      const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d');
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      const at = ([x, y]) => [0, 1, 2].map((n) => data[4 * (y * width + x) + n]);
      const many = colours.map((colour) => {
        let count = 0;
        for (let i = 0; i < data.length; i += 4) count += colour.every((value, n) => data[i + n] === value) ? 1 : 0;
        return count;
      });
      return { width, height, at: places.map(at), many };
    },
    [png.toString('base64'), places, colours],
  );
}

async function saved(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
  assert.match(download.suggestedFilename(), /^ferlab-\d{4}(-\d\d){5}\.png$/);
  await says(page, download.suggestedFilename());
  const file = fixture('kept.png');
  await download.saveAs(file);
  return readFileSync(file);
}

const near = (a, b, most) => a.every((value, n) => Math.abs(value - b[n]) <= most);

test('a photo is saved as it is, with a chip for each face and the bars of the chosen one below', async () => {
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    await openFile(page, 'upright.png');
    await says(page, 'One face found');
    const label = await text(page, 'label');
    const photo = await page.evaluate(() => {
      const { width, height } = document.getElementById('photo');
      return { width, height, corner: [...document.getElementById('photo').getContext('2d').getImageData(20, 20, 1, 1).data] };
    });
    const colour = rgb(looks.lookOf(label).colour);
    const kept = await pixelsOf(page, await saved(page), [[30, 30], [5, 959 + 20]], [colour]);
    assert.equal(kept.width, 720); // of 480, so that the words have room
    assert.ok(kept.height > 960 && kept.height < 960 + 300, `${kept.height}`);
    assert.ok(near(kept.at[0], photo.corner, 2), `${kept.at[0]} ${photo.corner}`);
    assert.deepEqual(kept.at[1], rgb('#131c1e'));
    assert.ok(kept.many[0] > 1500, `a chip, a box and a bar have the colour of ${label}: ${kept.many[0]} pixels`);
    assert.equal(page.faults.length, 0, page.faults.join());
  } finally {
    await page.end();
  }
});

test('the camera is saved as it is seen, in the mirror', async () => {
  const page = await open();
  try {
    await ready(page);
    await page.click('#start');
    await read(page);
    await until(page, () => document.querySelector('.face'), undefined, 'a face', LONG);
    // The wall is darker on the left of the picture, so on the right of the mirror.
    const { at, width } = await pixelsOf(page, await saved(page), [[10, 300], [700, 300]]);
    assert.equal(width, 720);
    assert.ok(at[0][0] > at[1][0] + 30, `${at.join(' and ')}`);
  } finally {
    await page.end();
  }
});

test('where a device can share, the picture is handed over, and a person who thinks better of it is left alone', async () => {
  const page = await open({
    camera: 'none',
    before: (page) =>
      page.addInitScript(() => {
        window.shared = [];
        navigator.canShare = ({ files }) => files[0].type === 'image/png';
        navigator.share = async ({ files }) => {
          window.shared.push([files[0].name, files[0].type, files[0].size]);
          if (window.shared.length > 1) throw new DOMException('', 'AbortError');
        };
      }),
  });
  try {
    await ready(page);
    assert.ok(await page.locator('#share').isHidden());
    await openFile(page, 'two.png');
    await says(page, '2 faces found');
    await page.click('#share');
    await says(page, 'was shared');
    const [[name, type, size]] = await page.evaluate(() => window.shared);
    assert.match(name, /^ferlab-.*\.png$/);
    assert.equal(type, 'image/png');
    assert.ok(size > 10_000);
    await page.click('#share');
    await says(page, 'was not shared');
    assert.ok(await page.locator('#save').isVisible());
  } finally {
    await page.end();
  }
});

test('a device that cannot share shows no button for it', async () => {
  const page = await open({ camera: 'none', before: (page) => page.addInitScript(() => (navigator.canShare = undefined)) });
  try {
    await ready(page);
    await openFile(page, 'face.jpg');
    await says(page, 'One face found');
    assert.ok(await page.locator('#share').isHidden());
  } finally {
    await page.end();
  }
});
