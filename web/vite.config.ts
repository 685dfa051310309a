/** Builds the page with the model in MODEL: networks, wasm and service worker are copied beside it. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

import headers from './headers.json' with { type: 'json' };
import { MODELS, card, factsOfAll, shipped, stated } from './offered';
import de from './src/texts/de';
import { en } from './src/texts/en';
import es from './src/texts/es';
import { LANGUAGES } from './src/texts/languages';
import ur from './src/texts/ur';
import zh from './src/texts/zh-Hans';

const here = import.meta.dirname;
const FIRST = resolve(MODELS, 'five_layer_world.onnx');
const OTHERS = ['accurate_world', 'five_layer']; // offered beside FIRST
const model = resolve(process.env.MODEL || FIRST);
const ORT = resolve(here, 'node_modules/onnxruntime-web');
const ORT_VERSION = JSON.parse(readFileSync(resolve(ORT, 'package.json'), 'utf8')).version;
const SMALLER = /\.(html|js|mjs|css|json|svg|txt|wasm|onnx|webmanifest)$/;

/** The classifiers: name below models/ -> file. */
const others = Object.fromEntries((model === FIRST ? OTHERS : []).map((name) => [name, resolve(MODELS, `${name}.onnx`)]));
const offered = Object.fromEntries(
  Object.entries({ classifier: model, ...others }).map(([file, path]) => [file, shipped(path, resolve(here, 'models'))]),
);

/** What is copied as it is: place in the page -> file. */
const copied: Record<string, string> = {
  ...Object.fromEntries(Object.entries(offered).map(([file, path]) => [`models/${file}.onnx`, path])),
  ...Object.fromEntries(
    ['face_short.onnx', 'face_short.json', 'face_back.onnx', 'face_back.json'].map((name) => [
      `models/${name}`,
      resolve(MODELS, name),
    ]),
  ),
  ...Object.fromEntries(
    ['ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'].map((name) => [
      `ort-${ORT_VERSION}/${name}`,
      resolve(ORT, 'dist', name),
    ]),
  ),
};

/** Bytes of the files that the page counts while they come. */
const sizes = () =>
  Object.fromEntries(
    Object.entries(copied).flatMap(([place, file]) => (/\.(onnx|wasm)$/.test(file) && existsSync(file) ? [[basename(place), statSync(file).size]] : [])),
  );

/** What is written for the page: place -> content; `worker` is the worker's script, empty where start.js cannot start it. */
const written = (worker: string) => ({
  ...Object.fromEntries(
    Object.entries(offered).flatMap(([file, path]) => [
      [`models/${file}.json`, stated(path)],
      [`models/${file}.card.json`, card(path)],
    ]),
  ),
  'licences.txt': Buffer.from(licences()),
  'start.js': Buffer.from(
    `const LANGUAGES = ${JSON.stringify(spoken)};\nconst WORKER = '${worker}';\nconst MODELS = ${JSON.stringify(Object.keys(offered))};\n` +
      readFileSync(resolve(here, 'public/start.js'), 'utf8'),
  ),
});

/** What public/start.js says, and from which side, by language. */
const spoken = Object.fromEntries(
  Object.entries({ en, es, de, ur, 'zh-Hans': zh }).map(([tag, texts]) => [
    tag,
    { dir: LANGUAGES[tag as keyof typeof LANGUAGES].dir, again: texts['broken.again'], still: texts['broken.still'] },
  ]),
);

/** The page in English, before a script runs; `data-text` and `data-label` name the texts. */
const inEnglish = (html: string) =>
  html
    .replace(/data-text="([^"]+)"[^>]*>/g, (tag, key: keyof typeof en) => tag + en[key])
    .replace(/data-label="([^"]+)"( title)?/g, (label, key: keyof typeof en, title?: string) =>
      `${label.replace(' title', '')} aria-label="${en[key]}"${title ? ` title="${en[key]}"` : ''}`,
    );

/** Whose works the page gives on, and under which licences. */
function licences(): string {
  const text = (file: string) => readFileSync(resolve(here, file), 'utf8').trim();
  const own = text('../LICENSE');
  const parts = {
    'ferlab and what it contains': `${text('../NOTICE')}\n\n${own}`,
    'Apache License 2.0, of the face detectors (models/face_short.onnx, models/face_back.onnx)': text(
      '../src/ferlab/inference/models/LICENSE-Apache-2.0.txt',
    ),
    // Its package holds no licence text: the same one as ours, in the name that its files state.
    [`ONNX Runtime Web ${ORT_VERSION}, whose ThirdPartyNotices.txt names the works in it`]: own.replace(
      /Copyright .*/,
      'Copyright (c) Microsoft Corporation',
    ),
    fflate: text('node_modules/fflate/LICENSE'),
  };
  const line = '='.repeat(80);
  return Object.entries(parts).map(([name, words]) => `${line}\n${name}\n${line}\n\n${words}\n`).join('\n');
}

/** Brotli takes half a minute for the wasm: what was compressed once is kept for the next build. */
function kept(bytes: Buffer, suffix: string, compress: () => Buffer): Buffer {
  const folder = resolve(here, 'node_modules/.compressed');
  const file = resolve(folder, `${createHash('sha256').update(bytes).digest('hex')}.${suffix}`);
  if (existsSync(file)) return readFileSync(file);
  const compressed = compress();
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, compressed);
  return compressed;
}

/** Large models that come later gain 3 % by the highest quality, in ten times the time. */
const brotli = (bytes: Buffer, quality: number) =>
  brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });

function parts(): Plugin {
  return {
    name: 'ferlab-parts',
    buildStart() {
      const described = Object.values(offered).map((file) => file.replace(/\.onnx$/, '.json'));
      const missing = [...Object.values(copied), ...described].filter((file) => !existsSync(file));
      if (!missing.length) return;
      const hint = missing.some((file) => file.startsWith(MODELS) && basename(file, '.json') !== basename(model, '.onnx') && file !== model)
        ? 'Get the whole checkout'
        : 'Export a model (python -m ferlab.export runs=outputs/NAME) and type make web MODEL=FILE.onnx; its JSON lies beside it';
      this.error(`missing: ${missing.join(', ')}. ${hint}.`);
    },
    transformIndexHtml: (html) =>
      inEnglish(html).replace(
        '<meta charset="utf-8" />',
        `<meta charset="utf-8" />\n    <meta http-equiv="Content-Security-Policy" content="${headers['Content-Security-Policy']}" />`,
      ),
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const place = (request.url ?? '').split('?')[0]!.slice(1);
        const [file, own] = [copied[place], written('')[place]];
        if (own) return response.end(own);
        if (!file) return next();
        const kind = file.endsWith('.wasm') ? 'application/wasm' : file.endsWith('.mjs') ? 'text/javascript' : '';
        if (kind) response.setHeader('Content-Type', kind);
        response.end(readFileSync(file));
      });
    },
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const samples = readdirSync(resolve(here, 'public/samples')).map((name) => `samples/${name}`);
        const own = ['icon.svg', 'icon-192.png', 'icon-512.png', 'manifest.webmanifest', ...samples];
        const added = [...Object.entries(copied), ...own.map((name) => [name, resolve(here, 'public', name)] as const)];
        const contents: [string, Buffer][] = Object.entries(bundle).map(([name, part]) => [
          name,
          Buffer.from(part.type === 'chunk' ? part.code : part.source),
        ]);
        const sources: [string, Buffer][] = added.map(([name, file]) => [name, readFileSync(file)]);
        const worker = Object.keys(bundle).find((name) => /^assets\/worker-.*\.js$/.test(name))!;
        for (const [fileName, source] of [...sources, ...Object.entries(written(worker))]) {
          contents.push([fileName, source]);
          this.emitFile({ type: 'asset', fileName, source });
        }
        const hash = createHash('sha256');
        contents.forEach(([name, bytes]) => hash.update(name).update(bytes));
        // A model that is not the first comes when it is chosen.
        const later = ['index.html', ...Object.keys(others).map((name) => `models/${name}.onnx`)];
        const page = ['./', ...contents.filter(([name]) => !later.includes(name)).map(([name]) => `./${name}`)];
        const script = Object.values(bundle).find((part) => part.type === 'chunk' && part.isEntry)!.fileName;
        const service = Buffer.from(
          `const PAGE = ${JSON.stringify(page)};\nconst SCRIPT = '${script}';\nconst VERSION = '${hash.digest('hex').slice(0, 12)}';\n` +
            `const HEADERS = ${JSON.stringify(headers)};\n${readFileSync(resolve(here, 'sw.js'), 'utf8')}`,
        );
        this.emitFile({ type: 'asset', fileName: 'sw.js', source: service });
        for (const [name, bytes] of [...contents, ['sw.js', service]] as [string, Buffer][]) {
          if (!SMALLER.test(name)) continue;
          this.emitFile({ type: 'asset', fileName: `${name}.gz`, source: kept(bytes, 'gz', () => gzipSync(bytes, { level: 9 })) });
          this.emitFile({ type: 'asset', fileName: `${name}.br`, source: kept(bytes, 'br', () => brotli(bytes, later.includes(name) ? 9 : 11)) });
        }
      },
    },
  };
}

export default defineConfig({
  base: './',
  publicDir: false, // copied by the plugin, so that the service worker knows them
  plugins: [parts()],
  // onnxruntime-web without its wasm: the bare import would add files of 28 MB.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', 'module', 'browser', 'import'] },
  worker: { format: 'es' },
  define: { SIZES: JSON.stringify(sizes()), MODELS: JSON.stringify(factsOfAll(offered)) },
  server: { headers },
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, outDir: process.env.OUT || 'dist' },
});
