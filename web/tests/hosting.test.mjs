/** The built page on other hosts: below any path, with and without headers, for a phone, and what is given to a Space. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { renderUnicodeCompact } from 'uqr';

import { addresses, certificate } from '../phone.mjs';
import { DIST, open, read, ready, until } from './browser.mjs';

const root = mkdtempSync(join(tmpdir(), 'ferlab-host-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'x'));
symlinkSync(DIST, join(root, 'x/y'));

for (const [what, headers] of /** @type {const} */ ([['with our headers', undefined], ['without headers', {}]])) {
  test(`below /x/y/ ${what}: it reads, and works without the server, with threads`, async () => {
    const page = await open({ keep: true, folder: root, path: 'x/y/', headers });
    try {
      await ready(page);
      assert.equal(await page.evaluate(() => crossOriginIsolated), !headers);
      await page.click('#start');
      await read(page);
      const outside = page.sent.filter((url) => !url.startsWith(page.url0) && !url.startsWith('blob:'));
      assert.deepEqual(outside, []);
      await until(page, () => navigator.serviceWorker.controller);
      assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.ready).scope), page.url0);
      await page.closeServer();
      await page.reload();
      await page.click('#start');
      await read(page);
      assert.equal(await page.evaluate(() => crossOriginIsolated), true);
      assert.deepEqual(page.faults.filter((fault) => !fault.includes('ERR_CONNECTION_REFUSED')), []);
    } finally {
      await page.end();
    }
  });
}

test('by https with a certificate made here the page may use the camera and threads', async () => {
  const secret = certificate('127.0.0.1', join(root, 'certificate'));
  const made = new X509Certificate(secret.cert);
  assert.equal(made.checkIP('127.0.0.1'), '127.0.0.1');
  assert.ok(new Date(made.validTo).getTime() > Date.now() + 20 * 86_400_000);
  const page = await open({ secret, ignoreHTTPSErrors: true });
  try {
    await page.click('#start');
    await read(page);
    assert.deepEqual(await page.evaluate(() => [location.protocol, isSecureContext, crossOriginIsolated]), ['https:', true, true]);
  } finally {
    await page.end();
  }
});

test('its address is a QR code of dark and light squares, and no address is of this machine alone', () => {
  const lines = renderUnicodeCompact('https://192.168.178.20:8443/').split('\n');
  assert.ok(lines.length >= 13 && lines.every((line) => line.length === lines[0].length), lines.join('\n'));
  assert.match(lines.join(''), /^[ ▀▄█]+$/);
  for (const address of addresses()) assert.match(address, /^(?!127\.)\d+\.\d+\.\d+\.\d+$/);
});

test('a Space gets the page without what only our server reads, and the headers for threads', () => {
  const space = join(root, 'space');
  mkdirSync(join(space, '.git'), { recursive: true });
  const fill = join(import.meta.dirname, '../hosting/huggingface/fill.sh');
  execFileSync('sh', [fill, space]);
  const files = (folder) => readdirSync(folder, { recursive: true }).map(String).filter((name) => /\.\w+$/.test(name));
  const own = files(DIST).filter((name) => !/\.(br|gz)$/.test(name));
  assert.deepEqual(files(space).filter((name) => !name.startsWith('.git')).sort(), [...own, 'README.md'].sort());
  const readme = readFileSync(join(space, 'README.md'), 'utf8');
  for (const line of ['sdk: static', '  cross-origin-embedder-policy: require-corp', '  cross-origin-opener-policy: same-origin']) {
    assert.ok(readme.split('---')[1].split('\n').includes(line), line);
  }
  assert.ok(existsSync(join(space, '.gitattributes')));
  assert.throws(() => execFileSync('sh', [fill, join(root, 'x')], { stdio: 'pipe' }), /expected the clone of a Space/);
});
