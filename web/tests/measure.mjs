/** Durations of the stages over the made camera, and how long the first answer takes: node tests/measure.mjs [REPEATS] */
import { open, read, until } from './browser.mjs';

const FRAMES = 150;
const repeats = Number(process.argv[2] ?? 3);
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const rows = {};

for (let n = 0; n < repeats; n++) {
  const page = await open({
    before: (page) =>
      page.addInitScript(() =>
        addEventListener('DOMContentLoaded', () => {
          const label = document.getElementById('label');
          new MutationObserver(() => {
            if (!label.classList.contains('none')) window.first ??= performance.now();
          }).observe(label, { attributes: true });
          document.getElementById('start').click();
        }),
      ),
  });
  await read(page);
  const first = await page.evaluate(() => window.first);
  await page.click('#figures summary');
  await page.waitForTimeout((FRAMES / 30) * 1000);
  const shown = await until(page, () => {
    const cells = [...document.querySelectorAll('#stages tr')].map((row) => [...row.children].map((cell) => cell.textContent));
    return cells.length && { cells, rate: document.getElementById('rate').textContent };
  });
  (rows['first answer'] ??= []).push([first]);
  for (const [name, ...values] of shown.cells) (rows[name] ??= []).push(values.map(parseFloat));
  console.log(shown.rate);
  await page.end();
}
for (const [name, runs] of Object.entries(rows)) {
  const of = (column) => runs.map((run) => run[column]);
  const spread = (column) => `${median(of(column)).toFixed(1)} ms (${Math.min(...of(column)).toFixed(1)} to ${Math.max(...of(column)).toFixed(1)})`;
  console.log(`${name}: median ${spread(0)}${runs[0].length > 1 ? `, 95 % below ${spread(1)}` : ''}; ${repeats} runs`);
}
