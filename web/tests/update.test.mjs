/** A host that lets browsers keep files for ten minutes, and two versions of the page on it, one after the other. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import sharedHeaders from '../headers.json' with { type: 'json' };

import { DIST, open, ready, says, until } from './browser.mjs';

const LONG = 60_000; // ms
const headers = { ...sharedHeaders, 'Cache-Control': 'max-age=600' };

/** A copy of the built page, and what turns it into its next version: the script has another name, the old one is gone. */
function site() {
  const folder = mkdtempSync(join(tmpdir(), 'ferlab-site-'));
  cpSync(DIST, folder, { recursive: true, filter: (name) => !/\.(gz|br)$/.test(name) });
  const assets = join(folder, 'assets');
  const before = readdirSync(assets).find((name) => /^index-.*\.js$/.test(name));
  const edit = (name, change) => writeFileSync(join(folder, name), change(readFileSync(join(folder, name), 'utf8')));
  const redeploy = () => {
    renameSync(join(assets, before), join(assets, 'index-second.js'));
    edit('index.html', (html) => html.replace(before, 'index-second.js').replace('<h1>', '<h1 data-version="second">'));
    edit('sw.js', (js) => js.replaceAll(before, 'index-second.js').replace(/VERSION = '.*'/, "VERSION = 'second'"));
  };
  return { folder, redeploy, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const version = (page) => page.evaluate(() => document.querySelector('h1').dataset.version ?? 'first');
const cachesOf = (page) => page.evaluate(() => caches.keys());

test('behind max-age=600 the next version comes whole, and works offline', async () => {
  const { folder, redeploy, remove } = site();
  const page = await open({ keep: true, camera: 'none', headers, folder });
  try {
    await ready(page);
    await until(page, () => navigator.serviceWorker.controller, undefined, 'the service worker', LONG);
    redeploy();
    await page.goto(page.url0); // warm: the old page, which fetches the new service worker
    await ready(page);
    await until(page, async () => (await caches.keys()).join() === 'ferlab-second', undefined, 'the next version', LONG);
    await page.goto(page.url0);
    await ready(page);
    assert.equal(await version(page), 'second');
    await page.closeServer();
    await page.goto(page.url0);
    await ready(page);
    assert.equal(await version(page), 'second');
    assert.deepEqual(await cachesOf(page), ['ferlab-second']);
  } finally {
    await page.end();
    remove();
  }
});

test('without a service worker too: the old page of the cache, whose script is gone, loads the next version once', async () => {
  const { folder, redeploy, remove } = site();
  // The page is kept for ten minutes; its script is not, as where the cache was short of room.
  const byPath = (path) => (path === '/' ? headers : { ...headers, 'Cache-Control': 'no-store' });
  const page = await open({ camera: 'none', folder, headers: byPath });
  try {
    await ready(page);
    redeploy();
    await page.goto('about:blank');
    await page.goto(page.url0);
    await until(page, () => document.body?.dataset.ready, undefined, 'the next version', LONG);
    assert.equal(await version(page), 'second');
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  } finally {
    await page.end();
    remove();
  }
});

test('a script that does not come at all is said, and the page is loaded again once', async () => {
  let pages = 0;
  const page = await open({
    camera: 'none',
    before: async (page) => {
      await page.route('**/assets/index-*.js', (route) => route.fulfill({ status: 404, body: '' }));
      page.on('request', (request) => (pages += request.isNavigationRequest() ? 1 : 0));
    },
  });
  try {
    await says(page, 'Check the connection, then reload the page');
    assert.equal(pages, 2);
  } finally {
    await page.end();
  }
});
