/** The pages that are compared: ferlab's as it is built, and the smallest one that shows each other's label of a camera. */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const HERE = import.meta.dirname;
export const DIST = join(HERE, '../../web/dist');
const MODULES = join(HERE, 'node_modules');
const WASM = ['tfjs-backend-wasm.wasm', 'tfjs-backend-wasm-simd.wasm', 'tfjs-backend-wasm-threaded-simd.wasm'];
const SMALLER = /\.(html|js|wasm|bin|json)$/;

/** `prepare` is the start of its script and defines `read`: video -> labels of the faces, as many as `five` or one. */
export const OTHERS = {
  'face-api': {
    files: {
      'face-api.js': '@vladmandic/face-api/dist/face-api.esm.js',
      ...Object.fromEntries(
        ['tiny_face_detector_model', 'face_expression_model'].flatMap((name) =>
          ['.bin', '-weights_manifest.json'].map((end) => [`${name}${end}`, `@vladmandic/face-api/model/${name}${end}`]),
        ),
      ),
    },
    prepare: `
      import * as faceapi from './face-api.js';
      async function prepare() {
        faceapi.tf.setWasmPaths('./');
        await faceapi.tf.setBackend('wasm');
        await faceapi.tf.ready();
        await Promise.all([faceapi.nets.tinyFaceDetector.load('./'), faceapi.nets.faceExpressionNet.load('./')]);
      }
      const options = new faceapi.TinyFaceDetectorOptions({ inputSize: 224 });
      async function read() {
        const found = five
          ? await faceapi.detectAllFaces(video, options).withFaceExpressions()
          : [await faceapi.detectSingleFace(video, options).withFaceExpressions()].filter(Boolean);
        return found.map(({ expressions }) => expressions.asSortedArray()[0].expression);
      }`,
  },
  human: {
    files: {
      'human.js': '@vladmandic/human/dist/human.esm.js',
      ...Object.fromEntries(
        ['blazeface', 'emotion', 'models'].flatMap((name) =>
          ['.bin', '.json'].map((end) => [`${name}${end}`, `@vladmandic/human/models/${name}${end}`]),
        ),
      ),
    },
    // Nothing is kept from the frame before, and only what a label needs is computed.
    prepare: `
      import { Human } from './human.js';
      const off = { enabled: false };
      const human = new Human({
        backend: 'wasm', wasmPath: './', modelBasePath: './', cacheSensitivity: 0, filter: off, gesture: off, body: off, hand: off, object: off,
        face: {
          enabled: true, detector: { maxDetected: five ? 5 : 1, rotation: false, skipFrames: 0, skipTime: 0 }, mesh: off, iris: off, attention: off,
          description: off, antispoof: off, liveness: off, emotion: { enabled: true, skipFrames: 0, skipTime: 0, minConfidence: 0 },
        },
      });
      const prepare = () => human.load();
      const read = async () => (await human.detect(video)).face.flatMap(({ emotion }) => (emotion?.length ? [emotion[0].emotion] : []));`,
  },
};

const LOOP = `
  const label = document.querySelector('p');
  const frame = () => new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(performance.now())));
  const [stream] = await Promise.all([navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } }), prepare()]);
  video.srcObject = stream;
  await video.play();
  let next = Promise.resolve(performance.now());
  for (;;) {
    const came = await next;
    next = frame();
    const labels = await read();
    const now = performance.now();
    if (labels.length) label.textContent = labels.join(', ');
    if (labels.length) window.first ??= now;
    window.seen.push({ at: now, ms: now - came, faces: labels.length });
    await new Promise((resolve) => setTimeout(resolve)); // until it is painted
  }`;

const page = (name) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>${name}</title>
<link rel="icon" href="data:,"><video playsinline muted width="640" height="480"></video><p>…</p><script type="module" src="./main.js"></script></html>`;

/** Writes each other's page, compressed as a host would send it, and returns name -> folder. */
export function build(folder) {
  const folders = { ferlab: DIST };
  for (const [name, { files, prepare }] of Object.entries(OTHERS)) {
    const into = (folders[name] = join(folder, name));
    if (existsSync(join(into, 'main.js'))) rmSync(into, { recursive: true });
    mkdirSync(into, { recursive: true });
    for (const [to, from] of Object.entries(files)) if (existsSync(join(MODULES, from))) cpSync(join(MODULES, from), join(into, to));
    for (const file of WASM) cpSync(join(MODULES, '@tensorflow/tfjs-backend-wasm/wasm-out', file), join(into, file));
    writeFileSync(join(into, 'index.html'), page(name));
    writeFileSync(join(into, 'main.js'), `window.seen = [];\nconst five = location.hash === '#five';\nconst video = document.querySelector('video');\n${prepare}\n${LOOP}`);
    for (const file of readdirSync(into).filter((file) => SMALLER.test(file))) {
      const bytes = readFileSync(join(into, file));
      writeFileSync(join(into, `${file}.gz`), gzipSync(bytes, { level: 9 }));
      writeFileSync(join(into, `${file}.br`), brotliCompressSync(bytes));
    }
  }
  return folders;
}

/** Bytes of a file as the host sends it. */
export function sent(file) {
  return Math.min(...['', '.gz', '.br'].map((end) => `${file}${end}`).filter(existsSync).map((name) => statSync(name).size));
}
