/** Serves what was built, compressed and with the headers that threads and the content policy need. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sirv from 'sirv';

const here = import.meta.dirname;
const headers = JSON.parse(readFileSync(join(here, 'headers.json'), 'utf8'));

/** A started server of a folder, on this machine alone unless `host` says otherwise; `extra` may depend on the path; by https with a key and a certificate. */
export function serve(folder, port = 0, host = '127.0.0.1', extra = headers, secret = null) {
  const files = sirv(folder, {
    brotli: true,
    gzip: true,
    etag: true,
    dev: true, // reads the folder each time, since the page may be built again
    setHeaders: (response, path) => {
      response.setHeader('Cache-Control', 'no-cache'); // ask whether it is still the same, each time
      for (const [name, value] of Object.entries(typeof extra === 'function' ? extra(path) : extra)) response.setHeader(name, value);
    },
  });
  const answer = (request, response) =>
    files(request, response, () => {
      response.statusCode = 404;
      response.end('not here');
    });
  const server = secret ? createSecureServer(secret, answer) : createServer(answer);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = join(here, 'dist');
  const [port, host] = [Number(process.env.PORT || 8080), process.env.HOST || '127.0.0.1'];
  if (!existsSync(join(folder, 'index.html'))) {
    console.error('web: there is no web/dist; type make web');
    process.exit(1);
  }
  try {
    await serve(folder, port, host);
    console.log(`web: http://localhost:${port}/ (stop with Ctrl-C)`);
  } catch (error) {
    console.error(`web: port ${port} cannot be used (${error.code}); type make web PORT=8081`);
    process.exit(1);
  }
}
