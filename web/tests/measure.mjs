/**
 * Durations of the stages over the made camera, and how long the first answer takes, each run in a browser of its own:
 *
 *     node tests/measure.mjs [RUNS [FOLDER ...]]
 *
 * Each FOLDER is a built web/ (this one if none is given); they are measured in turn, so that what else the machine does
 * falls on all of them.
 */
import { join, resolve } from 'node:path';

const FRAMES = 150; // that the page's own table looks back on
const runs = Number(process.argv[2] ?? 3);
const folders = process.argv.length > 3 ? process.argv.slice(3) : [join(import.meta.dirname, '..')];
const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(q * values.length) - 1)];

/** Put into the page: starts the camera at once, and writes down what the worker answers and when the first label stands. */
function watch() {
  window.heard = [];
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      this.addEventListener('message', ({ data }) => window.heard.push({ at: performance.now(), ...data }));
    }
  };
  addEventListener('load', () => (window.loaded = performance.now()));
  addEventListener('DOMContentLoaded', () => {
    const label = document.getElementById('label');
    new MutationObserver(() => {
      if (!label.classList.contains('none')) window.first ??= performance.now();
    }).observe(label, { attributes: true });
    document.getElementById('start').click();
  });
}

/** Durations between answers to looks in a row that both showed a face. */
const between = (seen) =>
  seen.flatMap(({ at, seen: { faces } }, n) => (n && faces.length && seen[n - 1].seen.faces.length ? [at - seen[n - 1].at] : []));

/** Stages of one run: name -> durations in ms. */
async function measure(folder) {
  const { open, read, until } = await import(join(resolve(folder), 'tests/browser.mjs'));
  const page = await open({ before: (page) => page.addInitScript(watch) });
  try {
    await read(page);
    await page.waitForTimeout(2000); // until V8 has compiled for good what runs often
    await page.click('#figures summary');
    const from = await page.evaluate(() => performance.now());
    await page.waitForTimeout((FRAMES / 30) * 1000);
    const cells = await until(page, () => {
      const rows = [...document.querySelectorAll('#stages tr')].map((row) => [...row.children].map((cell) => cell.textContent));
      return rows.length && rows;
    });
    const { heard, first, loaded, now } = await page.evaluate(() => ({ heard, first, loaded, now: performance.now() }));
    const since = heard.filter(({ at }) => at >= from);
    const seen = since.filter(({ seen }) => seen?.faces.some(({ probabilities }) => probabilities)).map(({ seen }) => seen.timing);
    const total = cells.find(([name]) => name === 'camera frame to label');
    return {
      'first answer after navigation': [first],
      'first answer after the load event': [first - loaded],
      detect: since.map(({ seen, located }) => seen?.timing.detect ?? located?.detect).filter((ms) => ms != null),
      crop: seen.map(({ crop }) => crop),
      classify: seen.map(({ classify }) => classify),
      'camera frame to label, median of a run': [parseFloat(total[1].replaceAll(',', ''))],
      'camera frame to label, 95 % of a run below': [parseFloat(total[2].replaceAll(',', ''))],
      'pictures looked at in a second': [(1000 * since.filter(({ seen }) => seen).length) / (now - from)],
      'ms between pictures that show a face': between(since.filter(({ seen }) => seen)),
    };
  } finally {
    await page.end();
  }
}

const found = folders.map(() => ({}));
for (let n = 0; n < runs; n++) {
  for (const [i, folder] of folders.entries()) {
    for (const [name, values] of Object.entries(await measure(folder))) (found[i][name] ??= []).push(...values);
  }
}
for (const [i, folder] of folders.entries()) {
  console.log(`${folder}, ${runs} runs`);
  for (const [name, values] of Object.entries(found[i])) {
    const [p50, p95, least, most] = [quantile(values, 0.5), quantile(values, 0.95), Math.min(...values), Math.max(...values)];
    const spread = values.length > runs ? `95 % below ${p95.toFixed(2)}` : `${least.toFixed(1)} to ${most.toFixed(1)}`;
    console.log(`  ${name}: median ${p50.toFixed(2)}, ${spread}, n = ${values.length}`);
  }
}
