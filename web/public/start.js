/**
 * Chooses the page's language and starts its worker, so that the networks come while the page's script does. Says so where the page's script does not come or did not start, and loads the page once more:
 * after a redeploy a browser's cache may hold the old page, whose script is gone from the server. In plain JavaScript, with a
 * name that stays. LANGUAGES, WORKER and MODELS are filled in by vite.config.ts.
 */
/* global LANGUAGES, WORKER, MODELS */
const RELOADED = 'ferlab-reloaded';
const root = document.documentElement;

root.lang = languageOf([keptIn('localStorage')?.getItem('ferlab-language'), ...navigator.languages]);
root.dir = LANGUAGES[root.lang].dir;
if (root.lang !== 'en') root.classList.add('translating'); // until the words are here: src/texts.ts

if (WORKER) {
  const model = MODELS.find((name) => name === keptIn('localStorage')?.getItem('ferlab-model')) ?? MODELS[0];
  const worker = new Worker(WORKER, { type: 'module' });
  // src/engine.ts takes it over, with what it has said until then.
  const early = (window.ferlabEarly = { worker, model, url: new URL(WORKER, document.baseURI).href, heard: [], dead: false });
  worker.onmessage = ({ data }) => early.heard.push(data);
  worker.onerror = () => (early.dead = true);
  worker.postMessage({ id: -1, kind: 'load', base: document.baseURI, model });
}

addEventListener('DOMContentLoaded', async () => {
  const kept = keptIn('sessionStorage');
  if (root.dataset.started) return kept?.removeItem(RELOADED);
  root.classList.remove('translating');
  const again = kept && !kept.getItem(RELOADED);
  document.getElementById('status').textContent = LANGUAGES[root.lang][again ? 'again' : 'still'];
  if (!again) return;
  kept.setItem(RELOADED, 'yes');
  // What the service worker kept does not work either; online, all of it comes from the server again.
  const workers = navigator.onLine ? ((await navigator.serviceWorker?.getRegistrations()) ?? []) : [];
  await Promise.all(workers.map((worker) => worker.unregister()));
  location.reload();
});

/** The first of the wanted languages that the page speaks, whatever its country. */
function languageOf(wanted) {
  const short = (tag) => tag?.split('-')[0];
  return wanted.map((tag) => Object.keys(LANGUAGES).find((known) => short(known) === short(tag))).find(Boolean) ?? 'en';
}

/** What the browser keeps for the page; null where its settings forbid it. */
function keptIn(storage) {
  try {
    return window[storage];
  } catch {
    return null;
  }
}
