/** Opens the networks that the page comes with, and refuses those that are not what their JSON says. */
import * as ort from 'onnxruntime-web/wasm';

import type { Margin } from './framing';
import type { Model } from './protocol';
import { Trouble } from './trouble';

const FORMAT = 1; // of the classifier's JSON, as in src/ferlab/inference/onnx_model.py
const RETRY = 2000; // ms after which a network that did not come is asked for again
const FIRST = 'classifier'; // which the service worker keeps with the page
const KEPT = 'ferlab-models'; // the cache of other classifiers, which outlives a version of the page
const THRESHOLD = 0; // where the JSON states none, as in src/ferlab/inference/onnx_model.py: no label is withheld

export interface Detector {
  session: ort.InferenceSession;
  side: number;
  scoreThreshold: number;
  overlapThreshold: number;
}

export interface Models {
  classifier: ort.InferenceSession;
  short: Detector;
  /** The detector for smaller faces, which is fetched when it is asked for. Rejects with a message for the person. */
  far: () => Promise<Detector>;
  margin: Margin;
  about: Model;
}

/** Told how many bytes are here. */
export type Progress = (done: number) => void;

/** All networks below the page's address `base`, with the classifier `model`. Throws an Error whose message is for the person before the page. */
export async function openModels(base: string, model: string, progress: Progress): Promise<Models> {
  ort.env.wasm.wasmPaths = new URL(`ort-${ort.env.versions.web}/`, base).href; // a browser's cache may hold other versions
  ort.env.wasm.numThreads = threads();
  ort.env.logLevel = 'error';
  // The wasm runtime comes with the first session that is asked for: of nothing, so that it comes while the networks do.
  ort.InferenceSession.create(new Uint8Array()).catch(() => undefined);
  const fetched = (name: string) => fetchModel(new URL(`models/${name}.onnx`, base));
  const [classifier, short] = await Promise.all([fetchClassifier(base, model, progress), fetched('face_short')]);
  const opened = await openClassifier(classifier);
  let kept: Promise<Detector> | undefined;
  const far = () => (kept ??= fetched('face_back').then(openDetector).catch((error) => {
    setTimeout(() => (kept = undefined), RETRY);
    throw error;
  }));
  return { ...opened, short: await openDetector(short), far };
}

function threads(): number {
  // Threads run out of memory on iOS (onnxruntime issue 11679), whose tablets call themselves Macs: none for WebKit.
  const webKit = navigator.userAgent.includes('AppleWebKit') && !/Chrom(e|ium)\//.test(navigator.userAgent);
  // One core is the page's own.
  return self.crossOriginIsolated && !webKit ? Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1)) : 1;
}

export interface File {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
  json: Record<string, unknown>;
}

/** A classifier that is not the first is kept in a cache of its own. */
export async function fetchClassifier(base: string, model: string, progress: Progress): Promise<File> {
  const url = new URL(`models/${model}.onnx`, base);
  if (model === FIRST) return fetchModel(url);
  const cache = await self.caches?.open(KEPT).catch(() => undefined); // where the settings forbid it, it is fetched each time
  const kept = await cache?.match(url);
  if (kept) {
    // A file of a version before does not have the checksum that the JSON now states.
    const file = await fetchModel(url, kept).catch(() => null);
    if (file) return file;
  }
  const file = await fetchModel(url, undefined, progress);
  await cache?.put(url, new Response(file.bytes)).catch(() => undefined); // no room: fetched the next time
  return file;
}

/** What only who built the page can mend is said in English. */
const unfit = (name: string, why: string) => new Trouble('file.unfit', { name, why });

/** Of a network: its file, unless `kept` is it, and the JSON beside it. */
async function fetchModel(url: URL, kept?: Response, progress?: Progress): Promise<File> {
  const name = url.pathname.split('/').pop()!;
  const jsonUrl = new URL(url.href.replace(/\.onnx$/, '.json'));
  const coming = kept ? kept.arrayBuffer().then((buffer) => new Uint8Array(buffer)) : read(url, name, progress);
  const [bytes, text] = await Promise.all([coming, read(jsonUrl, name.replace(/onnx$/, 'json'))]);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(text));
  } catch {
    throw unfit(name, 'what describes it is no JSON');
  }
  if (typeof json !== 'object' || json === null || typeof (json as File['json']).sha256 !== 'string') {
    throw unfit(name, 'its JSON names no checksum');
  }
  const file = { name, bytes, json: json as File['json'] };
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (found !== file.json.sha256) {
    throw new Trouble('file.differs', { name, found: found.slice(0, 12), expected: String(file.json.sha256).slice(0, 12) });
  }
  return file;
}

async function read(url: URL, name: string, progress?: Progress): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(url, { cache: 'no-cache' }); // an old JSON beside a new model would be refused
  } catch {
    throw new Trouble('file.offline', { name });
  }
  if (!response.ok || response.headers.get('Content-Type')?.startsWith('text/html')) {
    throw new Trouble('file.missing', { name, status: String(response.status) });
  }
  try {
    return new Uint8Array(await (progress ? counted(response, progress) : response).arrayBuffer());
  } catch {
    throw new Trouble('file.part', { name });
  }
}

function counted(response: Response, progress: Progress): Response {
  let done = 0;
  const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(part, controller) {
      progress((done += part.length));
      controller.enqueue(part);
    },
  });
  return new Response(response.body!.pipeThrough(count));
}

async function openSession({ name, bytes }: File): Promise<ort.InferenceSession> {
  try {
    return await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
  } catch (error) {
    const reason = String(error instanceof Error ? error.message : error).split('\n')[0]!.slice(0, 200);
    throw new Trouble('file.unopened', { name, why: reason });
  }
}

export async function openClassifier(file: File): Promise<Pick<Models, 'classifier' | 'margin' | 'about'>> {
  const { json, name } = file;
  const { format, expressions, margin } = json as { format: unknown; expressions: unknown; margin: unknown };
  if (format !== FORMAT) {
    throw unfit(name, `format ${format}, expected ${FORMAT}`);
  }
  const names = Array.isArray(expressions) && expressions.every((e) => typeof e === 'string') ? expressions : [];
  const { side_ratio, raise_ratio } = (margin ?? {}) as { side_ratio?: number; raise_ratio?: number };
  if (!names.length || typeof side_ratio !== 'number' || typeof raise_ratio !== 'number') {
    throw unfit(name, 'its JSON lacks expressions or margin');
  }
  const classifier = await openSession(file);
  const [input] = classifier.inputMetadata;
  const [output] = classifier.outputMetadata;
  const classes = output?.isTensor ? output.shape.at(-1) : undefined;
  if (input?.name !== 'rgba' || output?.name !== 'probabilities' || classes !== names.length) {
    throw unfit(name, `input ${input?.name} and ${classes} classes, while its description says rgba and ${names.length}`);
  }
  const about: Model = {
    name: typeof json.name === 'string' ? json.name : 'classifier',
    expressions: names,
    threshold: typeof json.threshold === 'number' ? json.threshold : THRESHOLD,
  };
  return { classifier, margin: { sideRatio: side_ratio, raiseRatio: raise_ratio }, about };
}

async function openDetector(file: File): Promise<Detector> {
  const { side, score_threshold, overlap_threshold } = file.json as Record<string, number>;
  if (![side, score_threshold, overlap_threshold].every(Number.isFinite)) {
    throw unfit(file.name, 'its JSON lacks side or thresholds');
  }
  const session = await openSession(file);
  return { session, side: side!, scoreThreshold: score_threshold!, overlapThreshold: overlap_threshold! };
}
