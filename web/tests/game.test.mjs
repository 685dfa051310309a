/** The game "Make the face": what is asked, what is kept of it, and who is asked before. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { unzipSync } from 'fflate';
import { runnerImport } from 'vite';

import { EXPRESSIONS, askWorker, fits, fixture, open, ready, says, text, until } from './browser.mjs';

const LONG = 150_000; // ms: seven times five seconds in sight, and as much again on a busy machine
const { module: looks } = await runnerImport(join(import.meta.dirname, '../src/looks.ts'), { configFile: false });

/** Notes each probability that the worker gave for a wish, and when each prompt came and went. */
function note() {
  window.answers = [];
  window.prompts = [];
  window.heard = [];
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      this.addEventListener('message', ({ data }) => {
        const wish = this.wishes?.shift();
        if (data.kind === 'seen' && wish) window.answers.push([wish.expression, data.seen.faces[0]?.probabilities?.[wish.expression] ?? null]);
      });
    }

    postMessage(message, transfer) {
      if (message.kind === 'look') this.wishes = [message.wish]; // one look at a time
      super.postMessage(message, transfer);
    }
  };
  addEventListener('DOMContentLoaded', () => {
    const of = (id) => document.getElementById(id);
    new MutationObserver(() => window.prompts.push([of('game-name').textContent, of('game-icon').firstElementChild.getAttribute('d'), performance.now()]))
      .observe(of('game-name'), { childList: true });
    new MutationObserver(() => window.heard.push(of('announcer').textContent)).observe(of('announcer'), { childList: true });
  });
}

const playing = (options) => open({ bypassCSP: true, before: (page) => page.addInitScript(note), ...options });
const round = (page, n) =>
  until(page, (name) => document.getElementById('game-name').textContent === name, EXPRESSIONS[n], `the prompt ${EXPRESSIONS[n]}`, LONG);
const sheet = (page) => page.getByRole('dialog', { name: 'Your faces' });

async function checkLooks(page, state) {
  await fits(page, state, [[320, 640], [844, 390], [1280, 800], [390, 844]], async () => {
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('dialog[open] button, dialog[open] label, #play')].filter((target) => target.getBoundingClientRect().height < 44).map((target) => target.outerHTML),
    );
    assert.deepEqual(small.filter((html) => !html.includes('for="player"')), [], state);
  });
}

test('seven faces, five seconds each: the best picture of each is kept, scored, saved, and downloaded once that was agreed to', async () => {
  const page = await playing({ clip: 'five.mjpeg' });
  try {
    await ready(page);
    await page.focus('#play');
    await page.keyboard.press('Enter'); // starts the camera too
    await round(page, 0);
    assert.equal(await text(page, 'play'), 'Stop the game');
    await until(page, () => document.getElementById('game-line').textContent.startsWith('Best so far'), undefined, 'a first score', LONG);
    await checkLooks(page, 'game');
    assert.ok(await page.locator('#save').isHidden());
    await sheet(page).waitFor({ timeout: LONG });
    const { prompts, answers, heard } = await page.evaluate(() => ({ prompts: window.prompts, answers: window.answers, heard: window.heard }));
    assert.deepEqual(prompts.map(([name]) => name), EXPRESSIONS);
    prompts.forEach(([name, lines]) => assert.equal(lines, looks.drawing(name)));
    prompts.slice(1).forEach(([, , at], n) => assert.ok(at - prompts[n][2] > 6800, `${at - prompts[n][2]} ms`)); // 2 s to get ready, 5 s to make it
    const best = EXPRESSIONS.map((_, k) => Math.max(...answers.filter(([expression]) => expression === k).map(([, p]) => p)));
    const percents = best.map((p) => `${Math.round(100 * p)}%`);
    assert.deepEqual(await page.locator('.made .percent').allTextContents(), percents);
    const mean = Math.round((100 * best.reduce((a, b) => a + b)) / best.length);
    assert.match(await sheet(page).locator('.body > p').first().textContent(), new RegExp(`On average: ${mean}%`));
    EXPRESSIONS.forEach((name, n) => assert.equal(heard.filter((words) => words.includes(`${n + 1} of 7: make this face: ${name}.`)).length, 1, heard.join('\n')));
    assert.ok(heard.length <= 12, heard.join('\n'));
    const faces = await page.locator('.made img').evaluateAll((all) => all.map((img) => [img.naturalWidth, img.alt]));
    assert.deepEqual(faces, EXPRESSIONS.map((name) => [320, `Your face, asked to look: ${name}`]));
    await checkLooks(page, 'sheet');

    const [picture] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save sheet' }).click()]);
    await picture.saveAs(fixture('sheet.png'));
    const png = readFileSync(fixture('sheet.png'));
    assert.equal(`${png.readUInt32BE(16)} ${png.readUInt32BE(20)}`, '1200 692');

    // Nothing is kept for training before it is agreed to.
    const [keep, agreed] = [page.getByRole('button', { name: 'Download for training' }), page.getByLabel('I agree')];
    assert.ok((await keep.isDisabled()) && !(await agreed.isChecked()));
    assert.equal(await page.locator('#thumbs img').count(), 0);
    await agreed.check();
    await page.fill('#player', 'no name!');
    assert.ok(await keep.isDisabled());
    await page.fill('#player', 'P07');
    const [download] = await Promise.all([page.waitForEvent('download'), keep.click()]);
    await download.saveAs(fixture('game.zip'));
    const files = Object.entries(unzipSync(new Uint8Array(readFileSync(fixture('game.zip')))));
    assert.equal(files.length, EXPRESSIONS.length);
    assert.equal(await page.locator('#thumbs img').count(), EXPRESSIONS.length);
    // The worker reads each cut as it read the frame that it is of.
    for (const [n, [name, bytes]] of files.entries()) {
      assert.match(name, new RegExp(`^webcam/${EXPRESSIONS[n]}/p07-\\d+\\.png$`));
      writeFileSync(fixture(`cut${n}.png`), bytes);
    }
    const [, ...read] = await askWorker(page, files.map((_, n) => ({ file: fixture(`cut${n}.png`), whole: true })));
    read.forEach(({ seen }, n) => assert.ok(Math.abs(seen.faces[0].probabilities[n] - best[n]) < 1e-4, `${EXPRESSIONS[n]}: ${seen.faces[0].probabilities[n]}, ${best[n]}`));

    await page.keyboard.press('Escape');
    assert.equal(await sheet(page).count(), 0);
    assert.equal(await page.locator('#scores img').count(), 0, 'the pictures are gone with the sheet');
    assert.equal(await text(page, 'start'), 'Stop', 'the camera goes on');
    const sent = page.sent.filter((url) => !url.startsWith(page.url0) && !url.startsWith('blob:'));
    assert.deepEqual(sent, []);
    assert.deepEqual(page.faults, []);
  } finally {
    await page.end();
  }
});

test('without a face the clock stands and the page says so; Escape stops the game', async () => {
  const page = await playing();
  try {
    await ready(page);
    await page.evaluate(() => {
      window.clock = [];
      const line = document.getElementById('game-line');
      setInterval(() => window.clock.push([line.textContent.includes('the clock waits'), document.getElementById('game-left').value]), 30);
    });
    await page.click('#play');
    await until(page, () => window.heard.some((words) => words.startsWith('No face in sight')), undefined, 'that nobody is there', LONG);
    await until(page, () => window.clock.filter(([waits]) => waits).length > 10, undefined, 'the clock to stand', LONG);
    const stood = await page.evaluate(() => {
      const from = window.clock.findIndex(([waits]) => waits);
      const until = window.clock.findIndex(([waits], n) => n > from && !waits);
      return window.clock.slice(from, until < 0 ? undefined : until).map(([, left]) => left);
    });
    assert.ok(stood.length > 5);
    assert.equal(new Set(stood).size, 1, stood.join());
    assert.equal(await page.evaluate(() => window.heard.filter((words) => words.startsWith('No face in sight')).length), 1);
    await page.keyboard.press('Escape');
    await until(page, () => document.getElementById('game').hidden);
    assert.equal(await text(page, 'play'), 'Make the face');
    assert.equal(await text(page, 'start'), 'Stop');
    assert.deepEqual(page.faults, []);
  } finally {
    await page.end();
  }
});

test('a camera that is lost ends the game with what was made, and the game goes on from there', async () => {
  const page = await playing({ clip: 'five.mjpeg' });
  try {
    await ready(page);
    await page.click('#play');
    await round(page, 1);
    await page.waitForTimeout(500);
    await page.evaluate(() => document.getElementById('video').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended')));
    await sheet(page).waitFor({ timeout: LONG });
    const words = await sheet(page).locator('.body > p').first().textContent();
    assert.match(words, /^The camera was disconnected.* 1 of 7 faces were made/);
    const [first, ...others] = await page.locator('.made .percent').allTextContents();
    assert.match(first, /^\d+%$/);
    assert.deepEqual(others, Array(6).fill('–'));
    assert.equal(await page.locator('.made img').count(), 1);
    await page.getByRole('button', { name: 'Go on' }).click();
    await round(page, 2);
    await page.keyboard.press('Escape');
    await sheet(page).waitFor({ timeout: LONG });
    assert.match(await sheet(page).locator('.body > p').first().textContent(), /^2 of 7 faces were made/);
    assert.equal((await page.locator('.made .percent').allTextContents())[0], first);
    await page.keyboard.press('Escape');
    assert.equal(await sheet(page).count(), 0);
    await page.click('#play');
    await round(page, 1);
    await page.click('#start'); // the camera is stopped by the person
    await sheet(page).waitFor({ timeout: LONG });
    assert.match(await sheet(page).locator('.body > p').first().textContent(), /^1 of 7 faces were made/);
    assert.equal(await text(page, 'status'), 'Ready. Start the camera or open a file.');
    assert.deepEqual(page.faults, []);
  } finally {
    await page.end();
  }
});

test('without a camera the game says why it cannot begin', async () => {
  const page = await open({ camera: 'none' });
  try {
    await ready(page);
    await page.click('#play');
    await says(page, 'No camera was found');
    assert.equal(await text(page, 'play'), 'Make the face');
    assert.equal(await sheet(page).count(), 0);
  } finally {
    await page.end();
  }
});
