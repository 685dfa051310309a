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

/** Told how many bytes are here, and how many will be. */
export type Progress = (done: number, all: number) => void;

/** Is told of a response and a file's name; what it returns is told how many of its bytes are here. */
type Count = (response: Response, name: string) => (done: number) => void;

/** All networks below the page's address `base`, with the classifier `model`. Throws an Error whose message is for the person before the page. */
export async function openModels(base: string, model: string, progress: Progress): Promise<Models> {
  ort.env.wasm.wasmPaths = new URL(`ort-${ort.env.versions.web}/`, base).href; // a browser's cache may hold other versions
  ort.env.wasm.numThreads = threads();
  ort.env.logLevel = 'error';
  const count = together(progress);
  const stop = countRuntime(count);
  // The wasm runtime comes with the first session that is asked for: of nothing, so that it comes while the networks do.
  ort.InferenceSession.create(new Uint8Array()).catch(() => undefined);
  const fetched = (name: string, counting?: Count) => fetchModel(new URL(`models/${name}.onnx`, base), undefined, counting);
  const [classifier, short] = await Promise.all([fetchFirst(base, model, count), fetched('face_short', count)]);
  const opened = await openClassifier(classifier);
  stop();
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
export const fetchClassifier = (base: string, model: string, progress: Progress) => fetchFirst(base, model, alone(progress));

async function fetchFirst(base: string, model: string, count: Count): Promise<File> {
  const url = new URL(`models/${model}.onnx`, base);
  if (model === FIRST) return fetchModel(url, undefined, count);
  const cache = await self.caches?.open(KEPT).catch(() => undefined); // where the settings forbid it, it is fetched each time
  const kept = await cache?.match(url);
  if (kept) {
    // A file of a version before does not have the checksum that the JSON now states.
    const file = await fetchModel(url, kept).catch(() => null);
    if (file) return file;
  }
  const file = await fetchModel(url, undefined, count);
  await cache?.put(url, new Response(file.bytes)).catch(() => undefined); // no room: fetched the next time
  return file;
}

/** What only who built the page can mend is said in English. */
const unfit = (name: string, why: string) => new Trouble('file.unfit', { name, why });

/** Of a network: its file, unless `kept` is it, and the JSON beside it. */
async function fetchModel(url: URL, kept?: Response, count?: Count): Promise<File> {
  const name = url.pathname.split('/').pop()!;
  const jsonUrl = new URL(url.href.replace(/\.onnx$/, '.json'));
  const coming = kept ? kept.arrayBuffer().then((buffer) => new Uint8Array(buffer)) : read(url, name, count);
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

async function read(url: URL, name: string, count?: Count): Promise<Uint8Array<ArrayBuffer>> {
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
    return count ? await collected(response, count(response, name)) : new Uint8Array(await response.arrayBuffer());
  } catch {
    throw new Trouble('file.part', { name });
  }
}

/** Bytes of files by their names, as they are when they are here; vite.config.ts fills it in. */
declare const SIZES: Record<string, number>;

/** One file, in the bytes that it has when it is here. */
const alone =
  (progress: Progress): Count =>
  (_, name) =>
  (done) =>
    progress(done, SIZES[name] ?? done);

/** Several files, in the bytes that are sent: fewer where the server compresses them. */
function together(progress: Progress): Count {
  const files = new Map<string, { done: number; size: number; sent: number }>();
  return ({ headers }, name) => {
    const size = SIZES[name] ?? Infinity;
    const file = { done: 0, size, sent: Number(headers.get('Content-Length')) || size };
    if (size < Infinity) files.set(name, file);
    return (done) => {
      file.done = Math.min(done, size);
      if (![...files.keys()].some((one) => one.endsWith('.wasm'))) return; // most of it
      const sum = (of: (one: typeof file) => number) => [...files.values()].reduce((before, one) => before + of(one), 0);
      progress(sum(({ done, size, sent }) => (done / size) * sent), sum(({ sent }) => sent));
    };
  };
}

/** Counts the wasm runtime, which onnxruntime-web fetches itself. Returns how to end that. */
function countRuntime(count: Count): () => void {
  const real = self.fetch;
  self.fetch = async (input, init) => {
    const response = await real.call(self, input, init);
    const name = new URL(response.url || String(input), self.location.href).pathname.split('/').pop()!;
    if (name.endsWith('.wasm') && response.ok) void each(response.clone(), count(response, name)).catch(() => undefined);
    return response;
  };
  return () => void (self.fetch = real);
}

/** Reads a response part by part. Tells after each how many bytes are here. */
async function each(response: Response, tell: (done: number) => void, keep?: (part: Uint8Array) => void): Promise<number> {
  const reader = response.body!.getReader();
  for (let done = 0; ; ) {
    const { value } = await reader.read();
    if (!value) return done;
    keep?.(value);
    tell((done += value.length));
  }
}

async function collected(response: Response, tell: (done: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  const whole = new Uint8Array(await each(response, tell, (part) => parts.push(part)));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
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
