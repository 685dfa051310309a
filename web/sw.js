/**
 * Keeps the whole page, so that it opens without a connection, and gives it the headers that let wasm use threads
 * where the server gives none. PAGE, SCRIPT, VERSION and HEADERS are filled in by vite.config.ts.
 */
/* global PAGE, SCRIPT, VERSION, HEADERS */
const CACHE = `ferlab-${VERSION}`;
const MODELS = 'ferlab-models'; // of src/models.ts, checked there: a model that was chosen outlives a version

self.addEventListener('install', (event) => {
  event.waitUntil(fill().then(() => self.skipWaiting()));
});

/** Keeps every file of this version, or throws and leaves the version before in charge. */
async function fill() {
  const cache = await caches.open(CACHE);
  const files = await Promise.all(
    PAGE.map(async (path) => {
      // The server is asked about each: for as long as max-age says, the browser's own cache may hold the version before.
      const response = await fetch(path, { cache: 'no-cache' });
      if (!response.ok) throw new Error(`${path} answered ${response.status}, expected 200`);
      return [path, response];
    }),
  );
  const html = await files[0][1].clone().text();
  if (!html.includes(SCRIPT)) throw new Error(`the page of another version came, expected one with ${SCRIPT}`);
  await Promise.all(files.map(([path, response]) => cache.put(path, response)));
}

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith('ferlab-') && name !== CACHE && name !== MODELS).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(answer(request));
});

async function answer(request) {
  const cache = await caches.open(CACHE);
  const found = await cache.match(request, { ignoreSearch: request.mode === 'navigate', ignoreVary: true });
  const response = found ?? (await fetch(request));
  if (response.type === 'opaque' || response.status === 0) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const empty = [204, 205, 304].includes(response.status);
  return new Response(empty ? null : response.body, { status: response.status, statusText: response.statusText, headers });
}
