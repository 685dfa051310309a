/** The page's words: the same in each language, all of them used, and the page in each of them. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runnerImport } from 'vite';

import { EXPRESSIONS, axeFinds, fixture, open, read, ready, text, until } from './browser.mjs';

const WEB = join(import.meta.dirname, '..');
const module = async (name) => (await runnerImport(join(WEB, `src/${name}.ts`), { configFile: false })).module;
const { LANGUAGES } = await module('texts/languages');
const { en } = await module('texts/en');
/** @type {Record<string, Record<string, string>>} */
const OTHERS = {};
for (const tag of Object.keys(LANGUAGES).filter((tag) => tag !== 'en')) OTHERS[tag] = (await module(`texts/${tag}`)).default;
const places = (words) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('each language has all texts, with the same places to fill in', () => {
  assert.deepEqual(Object.keys(LANGUAGES), ['en', 'es', 'de', 'ur', 'zh-Hans']);
  assert.deepEqual(readdirSync(join(WEB, 'src/texts')).sort(), [...Object.keys(LANGUAGES), 'languages'].map((tag) => `${tag}.ts`).sort());
  for (const [tag, texts] of Object.entries(OTHERS)) {
    assert.deepEqual(Object.keys(texts), Object.keys(en), tag);
    for (const [key, words] of Object.entries(texts)) {
      assert.deepEqual(places(words), places(en[key]), `${tag} ${key}`);
      assert.ok(words.trim() === words && words, `${tag} ${key}`);
    }
    const same = Object.keys(en).filter((key) => texts[key] === en[key] && /[a-z]{4}/.test(en[key].replace(/\{\w+\}/g, '')));
    assert.ok(same.length <= 2, `${tag} has English words: ${same}`); // "neutral" and "Thread" are German too
  }
});

/** Names that are put together when the page runs, and where they come from. */
const COMPOSED = {
  look: [...EXPRESSIONS, 'unsure', 'small', 'nobody'],
  camera: ['NotAllowed', 'NotFound', 'NotReadable', 'Overconstrained', 'Security', 'Abort', 'InvalidState', 'Type'].map((name) => `${name}Error`),
  model: ['five_layer_world', 'accurate_world', 'five_layer'],
  set: ['wild', 'ferplus', 'fer2013', 'own'],
  split: ['test', 'val'],
  nobody: ['camera', 'video'],
  speed: ['camera', 'video'],
};

test('no text is left that nothing shows, and none is shown that is not there', () => {
  const files = readdirSync(join(WEB, 'src')).filter((name) => name.endsWith('.ts'));
  const sources = [...files.map((name) => `src/${name}`), 'index.html', 'vite.config.ts'].map((name) => readFileSync(join(WEB, name), 'utf8'));
  const all = sources.join('\n');
  const composed = Object.entries(COMPOSED).flatMap(([group, names]) => names.map((name) => `${group}.${name}`));
  const used = (key) => all.includes(`'${key}'`) || all.includes(`="${key}"`) || composed.includes(key);
  const counted = (key) => all.includes(`plural('${key.replace(/\.(one|other)$/, '')}'`);
  assert.deepEqual(Object.keys(en).filter((key) => !used(key) && !counted(key)), []);
  const named = [...sources[files.length].matchAll(/data-(?:text|label)="([^"]+)"/g)].map(([, key]) => key);
  assert.ok(named.length > 30);
  assert.deepEqual([...named, ...composed].filter((key) => !(key in en)), []);
});

/** Texts and names of what is on the page, in it or for a screen reader. */
const wordsOf = (page) =>
  page.evaluate(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) if (!walker.currentNode.parentElement.closest('script, noscript, code, option')) found.push(walker.currentNode.textContent.trim());
    const labels = [...document.querySelectorAll('[aria-label], [title], img[alt]')].flatMap((place) => ['aria-label', 'title', 'alt'].map((name) => place.getAttribute(name)));
    return [...found, ...labels].filter(Boolean);
  });

for (const [tag, texts] of Object.entries(OTHERS)) {
  test(`${tag}: a visitor whose browser asks for it reads nothing in English, in any size`, async () => {
    const page = await open({ clip: 'five.mjpeg', locale: { es: 'es-MX', de: 'de-AT', ur: 'ur-PK', 'zh-Hans': 'zh-CN' }[tag], bypassCSP: true });
    try {
      await ready(page);
      await until(page, (words) => document.getElementById('start').textContent === words, texts['start.camera'], 'its words');
      assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]), [tag, LANGUAGES[tag].dir]);
      assert.equal(await page.locator('#language').inputValue(), tag);
      assert.equal(await page.title(), texts.title);
      const loaded = page.sent.map((url) => url.match(/assets\/(es|de|ur|zh-Hans)-[^/]*\.js$/)?.[1]).filter(Boolean);
      assert.deepEqual(loaded, [tag], 'no other language is loaded');
      await page.click('#start');
      await read(page);
      await until(page, () => document.querySelectorAll('.face').length >= 2);
      for (const id of ['figures', 'choice', 'capture']) await page.click(`#${id} summary`);
      await until(page, () => document.querySelector('#stages tr') && document.querySelector('#models label > span > span').textContent);
      await page.click('#about-open');
      const foreign = Object.keys(en).filter((key) => en[key] !== texts[key] && en[key].length > 2);
      const shown = new Set(await wordsOf(page));
      assert.deepEqual(foreign.filter((key) => shown.has(en[key])), []);
      assert.deepEqual(await axeFinds(page), []);
      await page.keyboard.press('Escape');
      const percentages = await page.locator('.percent').allTextContents();
      for (const words of percentages) assert.match(words, { es: /^\d+\s%$/, de: /^\d+\s%$/, ur: /^\d+%\u200e?$/, 'zh-Hans': /^\d+%$/ }[tag]);
      for (const [width, height] of [[320, 640], [390, 844], [844, 390], [1280, 800]]) {
        await page.setViewportSize({ width, height });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wide <= 0, `sticks out ${wide} px of ${width}`);
        const cut = await page.evaluate(() =>
          [...document.querySelectorAll('button:not(.face), .button, summary, .bars span, th, td')]
            .filter((place) => place.checkVisibility() && place.scrollWidth > place.clientWidth + 1 && place.clientWidth)
            .map((place) => place.textContent),
        );
        assert.deepEqual(cut, [], `${width}`);
      }
    } finally {
      await page.end();
    }
  });
}

test('another language is chosen while the camera runs, and kept; the table stays in English', async () => {
  const page = await open();
  try {
    await ready(page);
    await page.click('#start');
    await read(page);
    const box = () => page.evaluate(() => document.querySelector('.face')?.getBoundingClientRect().x - document.getElementById('screen').getBoundingClientRect().x);
    await page.selectOption('#language', 'ur');
    await until(page, (words) => document.getElementById('start').textContent === words, OTHERS.ur['start.stop'], 'Urdu');
    assert.equal(await page.evaluate(() => document.documentElement.dir), 'rtl');
    const named = [...EXPRESSIONS, 'unsure', 'nobody', 'small'].map((name) => OTHERS.ur[`look.${name}`]);
    await until(page, (named) => named.includes(document.getElementById('label').textContent), named, 'the label in Urdu');
    await until(page, (named) => named.some((name) => document.querySelector('.chip .name')?.textContent === name), named, 'the chip in Urdu');
    assert.deepEqual(await page.locator('.bars span:first-child').allTextContents(), EXPRESSIONS.map((name) => OTHERS.ur[`look.${name}`]));
    // The face of the clip stands in the middle third of the picture, whichever way the words run.
    const [x, width] = [await box(), await page.evaluate(() => document.getElementById('screen').clientWidth)];
    assert.ok(x > 0.1 * width && x < 0.6 * width, `${x} of ${width}`);
    await page.click('#start');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#table')]);
    const [head, ...rows] = readFileSync(await download.path(), 'utf8').trim().split('\n');
    assert.equal(head, readFileSync(fixture('sheet.csv'), 'utf8').split('\n')[0]);
    const label = head.split(',').indexOf('label');
    for (const row of rows) assert.ok([...EXPRESSIONS, 'uncertain', 'no face'].includes(row.split(',')[label]), row);
    await page.reload();
    await ready(page);
    assert.equal(await text(page, 'start'), OTHERS.ur['start.camera']);
    await page.selectOption('#language', 'en');
    assert.equal(await text(page, 'start'), 'Start camera');
    assert.equal(await page.evaluate(() => document.documentElement.dir), 'ltr');
  } finally {
    await page.end();
  }
});

test('a language whose words do not come leaves the page in English', async () => {
  const page = await open({
    camera: 'none',
    locale: 'de-DE',
    before: (page) => page.route('**/assets/de-*.js', (route) => route.fulfill({ status: 404, body: '' })),
  });
  try {
    await ready(page);
    assert.equal(await text(page, 'start'), 'Start camera');
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
    assert.ok(await page.locator('#start').isVisible());
  } finally {
    await page.end();
  }
});
