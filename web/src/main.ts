/** The page: starts and stops what is looked at; live.ts and still.ts look. */
import { About } from './about';
import { Camera } from './camera';
import { Capture } from './capture';
import { Choice, remembered } from './choice';
import { Engine, type Loaded } from './engine';
import { models, type Facts } from './facts';
import { Game, type Round } from './game';
import { openFile, shortened } from './files';
import { Inspector } from './inspector';
import { canShare, named, save, share } from './keeping';
import { keepsake } from './keepsake';
import { Live } from './live';
import { element } from './page';
import type { Model } from './protocol';
import { Scores } from './scores';
import { Stage, type State } from './stage';
import { Still } from './still';
import { Strip } from './strip';
import { megabytes, number, speakAsChosen, t, words, wordsOf, type Words } from './texts';
import { View } from './view';

const stage = new Stage();
const view = new View(
  (number) => (stage.state === 'photo' ? still : live).choose(number),
  () => inspector.changed(),
);
/** The model that the page comes with, the one that reads, and the one that the person wants. */
const first = models[0]!;
let reading = remembered();
let wanted = reading;
const engine = new Engine(document.baseURI, reading.file, loading);
const choice = new Choice(engine.paces, (facts) => void change(facts));
choice.settle(reading, false);
const camera = new Camera(() => stop(words('camera.unplugged')));
const game = new Game(view, (rounds) => scores.open(rounds, gone));
const scores = new Scores(play, () => capture!);
const live = new Live(engine, stage.video, view, game, failed);
const still = new Still(engine, stage, view);
const strip = new Strip((file) => void openChosen(file));
const watching = () => stage.state === 'camera' || stage.state === 'video';
const inspector = new Inspector(engine, view, () => (watching() ? live.frame() : createImageBitmap(stage.photo)), watching);
let capture: Capture | undefined;
/** Whether the camera that was started is still looked at, and whether it is being turned on again. */
let watched = () => false;
let waking = false;
/** Why the camera is gone, where the game was stopped by that. */
let gone: Words | null = null;
/** How often something was chosen of the strip. */
let chosen = 0;
/** Whether the photo was read as one face. */
let asOne = false;
/** The model that reads, once it is there. */
let inUse: Model | null = null;
new About(() => inUse && { model: inUse, facts: factsOf(inUse) });

let ready = prepare(engine.ready());

/** Whether the networks came. */
function prepare(coming: Promise<Loaded>): Promise<boolean> {
  return coming.catch(startWithFirst).then(
    (loaded) => {
      const { model } = loaded;
      use(loaded);
      // Where the camera stopped meanwhile, nobody would ever answer.
      capture ??= new Capture(model.expressions, () => (stage.state === 'camera' ? live.grab() : Promise.resolve(null)));
      capture.running = stage.state === 'camera';
      document.body.dataset.ready = 'true';
      if (stage.state === 'idle' && preparing()) view.say(words('ready'), false);
      return true;
    },
    (error: unknown) => {
      const why = wordsOf(error);
      broken(() => t('worker.unready', { why: why() }));
      return false;
    },
  );
}

/** Where the model that was chosen the last time does not come. */
async function startWithFirst(error: unknown): Promise<Loaded> {
  if (reading === first || engine.broken) throw error;
  reading = wanted = first;
  choice.settle(first, false);
  const loaded = await engine.restart(first.file);
  const why = wordsOf(error);
  view.tell(() => t('choice.first', { why: why() }));
  return loaded;
}

function use({ model, threads }: Loaded): void {
  live.prepare(model, threads);
  still.threads = threads;
  view.prepare(model);
  engine.expressions = model.expressions;
  inUse = model;
  element('model').textContent = model.name;
}

function preparing(): boolean {
  return Boolean(element('status').textContent?.startsWith(t('preparing')));
}

function loading(file: string, done: number, all: number): void {
  if (file !== wanted.file || document.body.dataset.broken) return;
  const progress = () => t('choice.progress', { done: number(done / 1e6, 1), all: megabytes(all) });
  if (inUse) choice.progress(progress);
  else if (preparing()) view.say(() => `${t('preparing')} ${progress()}`, false); // what else is said stays
}

/** Another model, where it comes; what is looked at is then read by it. */
async function change(facts: Facts): Promise<void> {
  wanted = facts;
  view.tell(words('choice.loading'));
  try {
    use(await engine.choose(facts.file));
    reading = facts;
    if (wanted !== facts) return; // another one was chosen meanwhile
    choice.settle(facts);
    view.tell(words('choice.done', { name: facts.name }));
    inspector.clear();
    if (stage.state === 'photo') void readPhoto(asOne);
    else if (stage.state !== 'idle') live.startAgain();
  } catch (error) {
    if (wanted !== facts) return;
    wanted = reading;
    choice.settle(reading, false);
    const why = wordsOf(error);
    view.tell(() => t('choice.failed', { why: why() }));
  }
}

/** What was measured of a model; nothing of one that the page was not built with. */
const factsOf = ({ name }: Model) => models.find((facts) => facts.name === name);

/** Nothing can be read any more; the message says what to do. */
function broken(message: Words): void {
  stop(message);
  able(false);
}

function able(on: boolean): void {
  for (const id of ['start', 'file', 'play']) element<HTMLButtonElement>(id).disabled = !on;
  element('retry').hidden = on;
  if (on) {
    delete document.body.dataset.broken;
    strip.samples();
  } else {
    document.body.dataset.broken = 'true';
    strip.hide();
  }
}

/** Once more from the start, where the networks did not come. */
function retry(): void {
  able(true);
  view.say(words('preparing'));
  ready = prepare(engine.restart(reading.file));
}

function failed(message: Words): void {
  if (engine.broken) broken(message);
  else stop(message);
}

function enter(next: State): () => boolean {
  const going = stage.enter(next);
  live.reset();
  view.clear();
  inspector.clear();
  if (capture) capture.running = next === 'camera';
  return going;
}

/** Back to the empty page, with a message. */
function stop(message?: Words): void {
  gone = message ?? null;
  leave();
  enter('idle');
  game.stop();
  if (!strip.full) strip.samples();
  view.say(message ?? words('ready'));
}

function leave(): void {
  camera.close();
  stage.closeVideo();
}

/** The game, from the first face on or with those that were made already. */
async function play(rounds?: Round[]): Promise<void> {
  if (!(await ready) || !inUse) return;
  gone = null;
  game.start(inUse.expressions, rounds);
  if (stage.state !== 'camera') await startCamera();
}

/** What is looked at can be kept from now on. */
function offer(): void {
  element('save').hidden = false;
  element('share').hidden = !canShare();
}

async function keep(give: (file: Blob, name: string) => Promise<Words>): Promise<void> {
  const shot = view.shot(stage.picture);
  if (!shot) return view.tell(words('keep.nothing'));
  try {
    view.tell(await give(await keepsake(shot), named('png')));
  } catch (error) {
    view.tell(words('keep.failed', { why: (error as Error).message }));
  }
}

async function startCamera(): Promise<void> {
  strip.hide();
  stage.closeVideo();
  const opened = enter('opening');
  view.say(words('waiting'));
  try {
    const stream = await camera.open();
    if (!opened()) return camera.close();
    await stage.play(stream, words('stage.camera'));
    if (!opened()) return;
  } catch (error) {
    if (opened()) stop(wordsOf(error));
    return;
  }
  const going = (watched = enter('camera'));
  if (document.hidden) camera.close();
  stage.video.classList.toggle('mirrored', camera.mirrored);
  element('mirror').hidden = false;
  element('mirror').ariaPressed = String(camera.mirrored);
  element('switch').hidden = (await camera.count()) < 2;
  await watch(going, 'camera');
}

/** Nothing is filmed while nobody sees the page: the camera goes off with it, and on again. */
async function wake(): Promise<void> {
  if (document.hidden || waking || camera.running || stage.state !== 'camera') return;
  waking = true;
  try {
    const stream = await camera.open();
    if (watched()) await stage.play(stream, words('stage.camera'));
    else stream.getTracks().forEach((track) => track.stop());
  } catch (error) {
    if (watched()) stop(wordsOf(error));
  } finally {
    waking = false;
    if (document.hidden && stage.state === 'camera') camera.close();
  }
}

async function startVideo(url: string, name: string): Promise<void> {
  const opened = enter('opening');
  stage.video.classList.remove('mirrored');
  try {
    await stage.play(url, words('stage.video', { name: shortened(name) }));
  } catch {
    if (opened()) stop(words('video.bad', { name: shortened(name) }));
    return;
  }
  live.source = name;
  if (opened()) await watch(enter('video'), 'video');
}

async function watch(going: () => boolean, kind: 'camera' | 'video'): Promise<void> {
  view.say(words('preparing'), false);
  if (!(await ready) || !going()) return;
  offer();
  await live.watch(going, kind, kind === 'camera' && camera.mirrored);
}

async function readPhoto(whole = false): Promise<void> {
  asOne = whole;
  const going = enter('photo');
  if (!(await ready)) return;
  try {
    await still.read(going, whole);
    if (going()) offer();
  } catch (error) {
    if (going()) failed(wordsOf(error));
  }
}

/** One file is looked at; of several one can choose. */
function openAll(files: File[]): void {
  if (document.body.dataset.broken || !files.length) return;
  if (files.length > 1) return strip.files(files);
  strip.hide();
  void open(files[0]!);
}

/** Of the strip: what was chosen first may come last. */
async function openChosen(coming: Promise<File>): Promise<void> {
  const mine = ++chosen;
  const file = await coming.catch(() => null);
  if (mine !== chosen) return;
  if (file) await open(file);
  else view.say(words('sample.lacking'));
}

async function open(file: File): Promise<void> {
  gone = null;
  leave();
  game.stop();
  const opened = enter('opening');
  view.say(words('opening', { name: shortened(file.name) }));
  try {
    const found = await openFile(file);
    if (!opened()) return;
    if (found.kind === 'video') return await startVideo(found.url, file.name);
    stage.draw(found.bitmap);
    found.bitmap.close();
    stage.name(stage.photo, words('stage.photo.named', { name: shortened(file.name) }));
    await readPhoto();
  } catch (error) {
    if (opened()) stop(wordsOf(error));
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden && stage.state === 'camera') camera.close();
  void wake();
});
element('start').onclick = () => {
  if (stage.state === 'idle' || stage.state === 'photo') void startCamera();
  else {
    stop();
    strip.samples();
  }
};
element('play').onclick = () => (game.running ? game.stop() : void play());
addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !game.running) return;
  event.preventDefault(); // else it also closes the sheet that the end of the game opens
  game.stop();
});
element('switch').onclick = async () => {
  await camera.chooseNext();
  await startCamera();
};
element('mirror').onclick = () => {
  camera.flip();
  live.mirror(camera.mirrored);
  stage.video.classList.toggle('mirrored', camera.mirrored);
  element('mirror').ariaPressed = String(camera.mirrored);
};
element('retry').onclick = retry;
element('save').onclick = () =>
  void keep(async (file, name) => {
    save(file, name);
    return words('keep.saved', { name });
  });
element('share').onclick = () => void keep(async (file, name) => ((await share(file, name)) ? words('keep.shared') : words('keep.unshared')));
element('table').onclick = () => {
  const name = named('csv');
  save(new Blob([live.sheet.csv()], { type: 'text/csv' }), name);
  view.tell(words('keep.table', { name }));
};
element('whole').onclick = () => void readPhoto(true);
element<HTMLInputElement>('file').onchange = ({ target }) => {
  const input = target as HTMLInputElement;
  const files = [...(input.files ?? [])];
  input.value = ''; // so that the same file can be chosen again
  openAll(files);
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
  openAll([...(event.dataTransfer?.files ?? [])]);
});
addEventListener('paste', ({ clipboardData }) => openAll([...(clipboardData?.files ?? [])]));
addEventListener('beforeinstallprompt', (event) => {
  event.preventDefault();
  const install = element('install');
  install.hidden = false;
  install.onclick = () => {
    install.hidden = true;
    void (event as Event & { prompt(): Promise<void> }).prompt();
  };
});

view.say(words('preparing'), false);
speakAsChosen();
if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  // After the models are there: what they are cached from is then in the browser's own cache.
  void ready.then(() => navigator.serviceWorker.register('./sw.js').catch(() => undefined));
}
document.documentElement.dataset.started = 'true'; // public/start.js looks for it
