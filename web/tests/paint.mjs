/**
 * What showing a picture costs, without reading it: a worker that answers at once with five faces that move.
 *
 *     FIXTURES=node_modules/.fixtures node tests/paint.mjs RUNS DIST [DIST ...]    # built pages, in turn
 *
 * It prints ms of processor time a picture: of the whole browser (its processes, from /proc), and of the page's main thread.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';

import { open } from './browser.mjs';

const PICTURES = 100;
const TICK = 10; // ms
const [runs, ...folders] = process.argv.slice(2);

/** Put into the page. */
function answerAtOnce() {
  window.heard = 0;
  const expressions = ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'];
  const face = (n, k) => ({
    box: [60 + 110 * k + 4 * Math.sin(n / 7 + k), 120 + 3 * Math.cos(n / 9 + k), 90 + 2 * Math.sin(n / 11), 90],
    score: 0.9,
    probabilities: expressions.map((_, e) => (e === k ? 0.82 + 0.05 * Math.sin(n / 5) : 0.03 - 0.05 * Math.sin(n / 5) / 6)),
  });
  const faces = () => [0, 1, 2, 3, 4].map((k) => face(window.heard, k));
  const timing = () => ({ detect: window.heard > 1 ? null : 3, crop: 1, classify: 2 });
  const answers = {
    load: () => ({ kind: 'loaded', threads: 1, model: { name: 'five_layer_world', threshold: 0.5, expressions } }),
    look: () => ({ kind: 'seen', seen: { faces: faces(), timing: timing(), picture: null, portrait: null, lacking: null } }),
    locate: () => ({ kind: 'located', located: { faces: faces().map((one) => ({ ...one, probabilities: null })), held: Array(5).fill(true), detect: 3 } }),
  };
  // @ts-expect-error it has no more of a worker than the page asks for
  window.Worker = class {
    postMessage({ id, kind, bitmap }) {
      bitmap?.close();
      if (kind === 'look') window.heard++;
      // @ts-expect-error the page sets it
      setTimeout(() => this.onmessage?.({ data: { id, ...answers[kind]() } }), 4);
    }
    terminate() {}
  };
}

/** Processor time in ms that the browser started by this process has taken. */
function taken() {
  const found = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      found.set(pid, { parent: fields[1], ms: (Number(fields[11]) + Number(fields[12])) * TICK });
    } catch {
      // it has ended
    }
  }
  const ours = (pid) => pid === String(process.pid) || (found.has(pid) && ours(found.get(pid).parent));
  return [...found].filter(([pid]) => pid !== String(process.pid) && ours(pid)).reduce((sum, [, { ms }]) => sum + ms, 0);
}

async function measure(folder) {
  const page = await open({ folder, lent: false, viewport: { width: 1280, height: 800 }, before: (page) => page.addInitScript(answerAtOnce) });
  const heard = () => page.evaluate(() => window.heard);
  const pictures = async (count) => {
    while ((await heard()) < count) await page.waitForTimeout(200);
  };
  try {
    await page.click('#start');
    await pictures(20);
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const main = async () => 1000 * (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration').value;
    const [browser, thread, count] = [taken(), await main(), await heard()];
    await pictures(count + PICTURES);
    const shown = (await heard()) - count;
    return [(taken() - browser) / shown, ((await main()) - thread) / shown];
  } finally {
    await page.end();
  }
}

const found = folders.map(() => []);
for (let n = 0; n < Number(runs); n++) {
  for (const [i, folder] of folders.entries()) found[i].push(await measure(resolve(folder)));
}
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1].toFixed(1);
for (const [i, folder] of folders.entries()) {
  console.log(`${folder}: browser ${median(found[i].map(([ms]) => ms))}, main thread ${median(found[i].map(([, ms]) => ms))} ms a picture, n = ${runs}`);
}
