/** The page: starts and stops what is looked at, asks the worker about each picture, and shows what it answers. */
import { Camera } from './camera';
import { Capture } from './capture';
import { Engine, WorkerDied } from './engine';
import { openFile } from './files';
import { Latency } from './latency';
import { NO_FACE, NO_FACE_IN_PHOTO, PREPARING, READY, RESTARTED, UNPLUGGED, WATCHING, badFile, foundFaces, noSmallFaces } from './messages';
import type { Face, Located, Model, Seen, Timing } from './protocol';
import { Smoother } from './smoothing';
import { Reading, clearBoxes, drawBoxes, element, showSpeed } from './view';

const IN_A_PHOTO = 8; // faces that are read
const HINT_AFTER = 1500; // ms without a face
const FIRST = 1; // ms: the first picture may show somebody else than the last one that was looked at
const FOLLOW_FOR = 100; // ms in which a head moves little; where frames are further apart each is searched first

type State = 'idle' | 'opening' | 'camera' | 'video' | 'photo';

const video = element<HTMLVideoElement>('video');
const photo = element<HTMLCanvasElement>('photo');
const start = element<HTMLButtonElement>('start');
const engine = new Engine(document.baseURI);
const camera = new Camera(() => stop(UNPLUGGED));
const smoother = new Smoother();
const stages = {
  'find the face': new Latency(),
  'cut it out': new Latency(),
  'read its expression': new Latency(),
  'camera frame to label': new Latency(),
};

let reading: Reading | undefined;
let capture: Capture | undefined;
let threads = 1;
let state: State = 'idle';
/** Changes whenever something else is looked at; an answer about what was there before is dropped. */
let turn = 0;
let fps = 0;
let grabs: ((picture: Blob | null) => void)[] = [];
let videoUrl = '';

const ready = engine.ready().then(
  (loaded) => {
    threads = loaded.threads;
    prepare(loaded.model);
    if (state === 'idle' && element('status').textContent === PREPARING) say(READY);
    return true;
  },
  (error: Error) => {
    fail(`The model could not be started. ${error.message}`);
    return false;
  },
);

/** Nothing can be read any more; the message says what to do. */
function fail(message: string): void {
  stop(message);
  start.disabled = element<HTMLInputElement>('file').disabled = true;
  document.body.dataset.broken = 'true';
}

function prepare(model: Model): void {
  reading = new Reading(model);
  // Where the camera stopped meanwhile, nobody would ever answer.
  const grab = () => (state === 'camera' ? new Promise<Blob | null>((resolve) => grabs.push(resolve)) : Promise.resolve(null));
  capture = new Capture(model.expressions, grab);
  capture.running = state === 'camera';
  element('about').textContent = [model.name, model.measured].filter(Boolean).join(' · ');
  document.body.dataset.ready = 'true';
}

function say(message: string): void {
  const status = element('status');
  if (status.textContent !== message) status.textContent = message;
}

function enter(next: State): number {
  state = next;
  grabs.forEach((grab) => grab(null));
  grabs = [];
  element('screen').dataset.state = next;
  video.hidden = next !== 'camera' && next !== 'video';
  photo.hidden = next !== 'photo';
  start.textContent = next === 'camera' || next === 'video' ? 'Stop' : next === 'opening' ? 'Starting…' : 'Start camera';
  element('whole').hidden = true;
  element('switch').hidden = true;
  if (capture) capture.running = next === 'camera';
  smoother.reset();
  clearBoxes();
  reading?.showStill(null);
  Object.values(stages).forEach((stage) => stage.clear());
  return ++turn;
}

/** Back to the empty page, with a message. */
function stop(message = READY): void {
  camera.close();
  closeVideo();
  enter('idle');
  say(message);
}

function closeVideo(): void {
  video.pause();
  video.srcObject = null;
  video.removeAttribute('src');
  video.controls = false;
  if (videoUrl) URL.revokeObjectURL(videoUrl);
  videoUrl = '';
}

async function startCamera(): Promise<void> {
  closeVideo();
  const mine = enter('opening');
  say('Waiting for the camera. Your browser may ask whether this page may use it.');
  try {
    const stream = await camera.open();
    if (mine !== turn) return camera.close();
    video.srcObject = stream;
    await video.play();
    if (mine !== turn) return;
  } catch (error) {
    if (mine === turn) stop((error as Error).message);
    return;
  }
  const now = enter('camera');
  video.classList.toggle('mirrored', camera.mirrored);
  element('switch').hidden = (await camera.count()) < 2;
  await watch(now, camera.mirrored);
}

async function startVideo(url: string, name: string): Promise<void> {
  videoUrl = url;
  const mine = enter('opening');
  video.classList.remove('mirrored');
  video.controls = video.loop = true;
  video.src = url;
  try {
    await video.play();
    if (!video.videoWidth) throw new Error('no picture');
  } catch {
    if (mine === turn) stop(badFile(name, 'video'));
    return;
  }
  if (mine === turn) await watch(enter('video'), false);
}

/** Looks at the video frame by frame, one at a time, until something else is looked at. */
async function watch(mine: number, mirrored: boolean): Promise<void> {
  say(PREPARING);
  if (!(await ready) || mine !== turn) return;
  say(WATCHING);
  let seenAt = performance.now();
  let before = 0;
  let follow = FIRST;
  let frame = Promise.resolve(seenAt); // the first one is there
  while (mine === turn) {
    const came = await frame;
    frame = nextFrame(); // asked for now, so that one which comes while this is searched is not missed
    if (mine !== turn || document.hidden || !video.videoWidth) continue;
    const wanted = grabs;
    grabs = [];
    try {
      // A picture that is kept for training is framed by what the detector sees in it.
      const options = { picture: wanted.length > 0, follow: wanted.length ? 0 : follow };
      const seen = await engine.look(await createImageBitmap(video), options);
      const now = performance.now();
      wanted.forEach((grab) => grab(seen.picture));
      if (mine !== turn) return;
      showFrame(seen, mirrored, now);
      const { faces, held, detect } = await located(seen);
      if (mine !== turn) return;
      if (!held) takeBack(faces, mirrored, now);
      if (faces.length) seenAt = now;
      note({ ...seen.timing, detect }, faces.length && held ? now - came : null, before ? now - before : 0);
      before = now;
      follow = held ? FOLLOW_FOR : FIRST;
      say(now - seenAt > HINT_AFTER ? NO_FACE : WATCHING);
    } catch (error) {
      wanted.forEach((grab) => grab(null)); // a promise that was kept already stays so
      if (mine !== turn) return;
      if (error instanceof WorkerDied && !engine.broken) say(RESTARTED);
      else if (engine.broken) fail((error as Error).message);
      else if (!video.ended && video.readyState >= 2) stop((error as Error).message);
    }
  }
}

/** Where the faces of a picture are; asked for after its label where that was read at the place of the frame before. */
async function located({ faces, timing: { detect } }: Seen): Promise<Located> {
  return detect === null ? engine.locate() : { faces, held: true, detect };
}

/** Resolves when the video shows another frame, or soon where it shows none, to the time of that. */
function nextFrame(): Promise<number> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(late);
      resolve(performance.now());
    };
    const late = setTimeout(done, 250);
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(done);
    else requestAnimationFrame(done);
  });
}

/** Durations of a frame; `whole` is null where it showed no face. */
function note({ detect, crop, classify }: Timing & { detect: number }, whole: number | null, since: number): void {
  stages['find the face'].add(detect);
  if (whole !== null) {
    stages['cut it out'].add(crop);
    stages['read its expression'].add(classify);
    stages['camera frame to label'].add(whole);
  }
  if (since) fps = fps ? 0.9 * fps + 100 / since : 1000 / since;
}

function showFrame(seen: Seen, mirrored: boolean, now: number): void {
  const read = seen.faces[0]?.probabilities;
  if (read) smoother.update(read, now);
  show(seen.faces, mirrored, now);
}

/** The nearest face, if there is one, is not where it was read. */
function takeBack(faces: Face[], mirrored: boolean, now: number): void {
  smoother.takeBack();
  show(faces, mirrored, now);
}

function show(faces: Face[], mirrored: boolean, now: number): void {
  const steady = smoother.current(now);
  reading!.show(steady, now);
  const size = { width: video.videoWidth, height: video.videoHeight };
  drawBoxes(faces, size, mirrored, (_, index) => (index || !steady ? '' : reading!.name(steady)));
  showSpeed(stages, fps, threads);
}

async function showPhoto(bitmap: ImageBitmap, whole = false, again = false): Promise<void> {
  const mine = enter('photo');
  Object.assign(photo, { width: bitmap.width, height: bitmap.height });
  photo.getContext('2d')!.drawImage(bitmap, 0, 0);
  say(again ? `${RESTARTED} Reading the photo…` : 'Reading the photo…');
  if (!(await ready) || mine !== turn) return bitmap.close();
  try {
    const seen = await engine.look(bitmap, { most: IN_A_PHOTO, whole });
    if (mine !== turn) return;
    const found = whole ? 'The whole picture was read as one face.' : seen.faces.length ? foundFaces(seen.faces.length) : NO_FACE_IN_PHOTO;
    say(seen.lacking ? `${found} ${noSmallFaces(seen.lacking)}` : found);
    element('whole').hidden = seen.faces.length > 0;
    reading!.showStill(seen.faces[0]?.probabilities ?? null);
    const named = ({ probabilities }: Face) => (probabilities ? reading!.name(probabilities) : '');
    drawBoxes(whole ? [] : seen.faces, photo, false, named);
  } catch (error) {
    if (mine !== turn) return;
    if (engine.broken) fail((error as Error).message);
    else if (error instanceof WorkerDied && !again) await showPhoto(await createImageBitmap(photo), whole, true);
    else stop((error as Error).message);
  }
}

async function open(file: File): Promise<void> {
  camera.close();
  closeVideo();
  const mine = enter('opening');
  say(`Opening ${file.name}…`);
  try {
    const found = await openFile(file);
    if (mine !== turn) return;
    if (found.kind === 'video') return await startVideo(found.url, file.name);
    await showPhoto(found.bitmap);
  } catch (error) {
    if (mine === turn) stop((error as Error).message);
  }
}

start.onclick = () => {
  if (state === 'idle' || state === 'photo') void startCamera();
  else stop();
};
element('switch').onclick = async () => {
  await camera.chooseNext();
  await startCamera();
};
element('whole').onclick = async () => {
  await showPhoto(await createImageBitmap(photo), true);
};
element<HTMLInputElement>('file').onchange = ({ target }) => {
  const input = target as HTMLInputElement;
  const file = input.files?.[0];
  input.value = ''; // so that the same file can be chosen again
  if (file) void open(file);
};
addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('dragging');
});
addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) document.body.classList.remove('dragging');
});
addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dragging');
  const file = event.dataTransfer?.files[0];
  if (file && !document.body.dataset.broken) void open(file);
});
addEventListener('beforeinstallprompt', (event) => {
  event.preventDefault();
  const install = element('install');
  install.hidden = false;
  install.onclick = () => {
    install.hidden = true;
    void (event as Event & { prompt(): Promise<void> }).prompt();
  };
});

say(PREPARING);
if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  // After the models are there: what they are cached from is then in the browser's own cache.
  void ready.then(() => navigator.serviceWorker.register('./sw.js').catch(() => undefined));
}
document.documentElement.dataset.started = 'true'; // public/start.js looks for it
