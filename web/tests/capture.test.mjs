/** Labelled faces: taken, counted, and handed out as the class folders that data=webcam reads. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { unzipSync } from 'fflate';

import { EXPRESSIONS, fixture, open, read, ready, text, until } from './browser.mjs';

test('faces of two people in a zip, nothing uploaded', async () => {
  const page = await open();
  try {
    await ready(page);
    await page.click('#capture summary');
    assert.equal(await text(page, 'taken'), 'Start the camera to take pictures.');
    assert.ok(await page.locator('#take').isDisabled());
    await page.click('#start');
    await read(page);
    const requests = page.sent.length;

    await page.fill('#subject', 'no name!');
    assert.ok(await page.locator('#take').isDisabled(), 'a name that file names cannot hold');
    for (const [person, expression, many] of [
      ['p01', EXPRESSIONS[0], 2],
      ['P02', EXPRESSIONS[3], 1],
    ]) {
      await page.fill('#subject', person);
      await page.check(`input[name=class][value=${expression}]`);
      for (let n = 0; n < many; n++) {
        const before = await page.locator('#thumbs img').count();
        await until(page, (before) => {
          if (document.querySelectorAll('#thumbs img').length > before) return true;
          document.getElementById('take').click(); // again, where the clip showed nobody
          return false;
        }, before);
      }
    }
    await until(page, () => !document.getElementById('undo').disabled);
    const total = await page.locator('#thumbs img').count();
    await page.click('#undo');
    assert.equal(await page.locator('#thumbs img').count(), total - 1);
    assert.match(await text(page, 'taken'), /picture/);

    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
    assert.equal(download.suggestedFilename(), 'webcam.zip');
    await download.saveAs(fixture('webcam.zip'));
    const files = unzipSync(new Uint8Array(readFileSync(fixture('webcam.zip'))));
    const names = Object.keys(files);
    assert.equal(names.length, total - 1);
    for (const name of names) assert.match(name, new RegExp(`^webcam/(${EXPRESSIONS.join('|')})/p0[12]-\\d+\\.png$`));
    assert.ok(names.some((name) => name.startsWith(`webcam/${EXPRESSIONS[0]}/p01-`)));
    for (const bytes of Object.values(files)) assert.equal(Buffer.from(bytes.slice(1, 4)).toString(), 'PNG');
    const sent = page.sent.slice(requests).filter((url) => !/^blob:|\/models\/face_back\.(onnx|json)$/.test(url));
    assert.deepEqual(sent, []);
  } finally {
    await page.end();
  }
});

test('the camera stopped within "Take ten": what was taken can be undone and downloaded', async () => {
  const page = await open();
  try {
    await ready(page);
    await page.click('#capture summary');
    await page.click('#start');
    await read(page);
    await page.click('#burst');
    await until(page, () => document.querySelectorAll('#thumbs img').length, undefined, 'a first picture', 60_000);
    await page.click('#start');
    await until(page, () => !document.getElementById('undo').disabled, undefined, 'Undo');
    assert.ok(await page.locator('#download').isEnabled());
    assert.ok(await page.locator('#burst').isDisabled());
    assert.doesNotMatch(await text(page, 'taken'), /No face in sight/);
  } finally {
    await page.end();
  }
});
