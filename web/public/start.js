/**
 * Says so where the page's script did not come or did not start, and loads the page once more: after a redeploy a browser's
 * cache may hold the old page, whose script is gone from the server. In plain JavaScript, with a name that stays.
 */
const RELOADED = 'ferlab-reloaded';

addEventListener('DOMContentLoaded', async () => {
  const kept = storage();
  if (document.documentElement.dataset.started) return kept?.removeItem(RELOADED);
  const again = kept && !kept.getItem(RELOADED);
  document.getElementById('status').textContent = again
    ? 'A part of the page did not come. Loading it again…'
    : 'A part of the page did not come. Check the connection, then reload the page.';
  if (!again) return;
  kept.setItem(RELOADED, 'yes');
  // What the service worker kept does not work either; online, all of it comes from the server again.
  const workers = navigator.onLine ? ((await navigator.serviceWorker?.getRegistrations()) ?? []) : [];
  await Promise.all(workers.map((worker) => worker.unregister()));
  location.reload();
});

/** Where it is kept that the page was loaded again; null where the browser's settings forbid it. */
function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
