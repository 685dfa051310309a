/**
 * Serves what was built to phones in the same network: https, which cameras need, by a certificate made here, and its address
 * as a QR code. The phone warns of the certificate once, since nobody vouches for it. PORT=8443; HOST= chooses the address.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { renderUnicodeCompact } from 'uqr';

import { serve } from './serve.mjs';

const here = import.meta.dirname;
const DAYS = '30';

/** Addresses of this machine that others in its network can reach, IPv4. */
export const addresses = () =>
  Object.values(networkInterfaces()).flatMap((all) => (all ?? []).filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address));

/** Key and certificate for an address, made anew each time, in a folder that only this user reads. */
export function certificate(address, folder) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const wanted = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', DAYS];
  const name = ['-subj', '/CN=ferlab', '-addext', `subjectAltName=IP:${address}`];
  try {
    execFileSync('openssl', ['req', ...wanted, ...name, '-keyout', key, '-out', cert], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    throw new Error(error.code === 'ENOENT' ? 'expected openssl, found none; install it' : `openssl: ${error.stderr}`);
  }
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [port, address] = [Number(process.env.PORT || 8443), process.env.HOST || addresses()[0]];
  try {
    if (!existsSync(join(here, 'dist/index.html'))) throw new Error('there is no web/dist; type npm run build');
    if (!address) throw new Error('this machine is in no network; connect it, or type HOST=ADDRESS npm run phone');
    await serve(join(here, 'dist'), port, '0.0.0.0', undefined, certificate(address, join(here, 'node_modules/.certificate')));
    const url = `https://${address}:${port}/`;
    console.log(`${renderUnicodeCompact(url)}\nweb: ${url} (stop with Ctrl-C). Accept the certificate's warning on the phone.`);
    const others = addresses().filter((other) => other !== address);
    if (others.length) console.log(`web: this machine is also ${others.join(', ')}; HOST=ADDRESS chooses`);
  } catch (error) {
    console.error(`web: ${error.message}`);
    process.exit(1);
  }
}
