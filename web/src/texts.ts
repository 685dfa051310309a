/** The words of the sheet "What this is", in one place for translations. Numbers come from the models' JSON. */
import { SMALLEST } from './bars';

export const TEXTS = {
  title: 'What this is',
  close: 'Close',
  lead:
    'This page finds faces in a picture and names the expression that each seems to show. It is a guess about looks. ' +
    'It does not say what somebody feels.',

  privacy: {
    title: 'Your pictures',
    lines: [
      'Everything is computed on this device. The page talks to no address but its own, and sends no picture there either.',
      'The camera is on from “Start camera” to “Stop”. While the page is hidden, the camera is off.',
      'Each camera picture is dropped once it is read. Saved pictures and tables are files on your device.',
      'Faces that you collect for training stay in this tab. They are gone when you close it, unless you download them.',
      'So that it works without a connection, your browser keeps the files of this page, and which model you chose. It keeps no picture.',
    ],
  },

  accuracy: {
    title: 'How often it is right',
    lead: (model: string) =>
      `The model in use is ${model}. A face counts as right where the model names the expression that people labelled it with. ` +
      'In brackets: the range that chance leaves, since other faces could have been taken (95 %).',
    splits:
      'Test faces neither trained the model nor helped to choose it. Validation faces helped to choose it, which may make their ' +
      'figures a little too good.',
    none: 'Nothing was measured of this model.',
    figures: (right: string, n: number, low: string, high: string) => `${right} % of ${n} faces right (${low} to ${high}).`,
    classes: 'By expression',
    columns: ['Expression', 'found', 'of faces'],
    alone: (twins: number, right: string) =>
      `The same picture of ${twins} of them is also among the data set’s training faces. Without these, ${right} % are right.`,
    shares: 'Here the model was told how frequent each expression is among these faces. On this page nobody tells it.',
  },

  choice: {
    title: 'Model',
    once: 'A model is downloaded when you choose it, and kept for use without a connection.',
    lead: (set: string, n: number) => `The share that is right was measured on ${n} faces (${set}).`,
    names: {
      five_layer_world: 'Small, for photos and cameras',
      accurate_world: 'Accurate: larger and slower',
      five_layer: 'Small, by the labels of FER2013',
    } as Record<string, string>,
    right: (right: string) => `${right} % right`,
    pace: (ms: string) => `${ms} ms a face here`,
    unknown: 'not run here yet',
    loading: 'Loading the model. The one before reads until it is here.',
    progress: (done: string, all: string) => `${done} of ${all} MB`,
    done: (name: string) => `The model ${name} reads now.`,
    failed: (why: string) => `The model was not changed. ${why}`,
    first: (why: string) => `The model that you chose is not here; the first one reads. ${why}`,
  },

  /** Names of data sets. */
  sets: {
    wild: 'Press photographs',
    ferplus: 'FER+: small grey faces from the web, each labelled by ten people',
    fer2013: 'FER2013: small grey faces from the web',
    own: 'Its own data',
  } as Record<string, string>,
  splits: { test: 'test', val: 'validation' } as Record<string, string>,
  shares: 'with known shares',

  limits: {
    title: 'What it cannot do',
    lines: (expressions: string, threshold: string) => [
      `It knows these looks alone: ${expressions}. Each face gets one of them, though many faces show something else.`,
      `Below ${threshold} % of certainty it says “not sure”. Above, it is still often wrong: see the figures by expression.`,
      `Faces smaller than ${SMALLEST} pixels get no label.`,
      'Nobody measured how it differs between ages, sexes or colours of skin.',
      'Do not use it to judge people, for example in schools, at work, in medicine or by the police.',
    ],
  },

  game: {
    play: 'Make the face',
    stop: 'Stop the game',
    prompt: (n: number, all: number, expression: string) => `${n} of ${all}: make this face: ${expression}.`,
    scored: (expression: string, score: number) => `${expression}: ${score} %.`,
    ready: 'Get ready',
    now: 'Now!',
    best: (score: number) => `Best so far: ${score} %`,
    waits: 'No face in sight: the clock waits',
    nobody: 'No face in sight, or it is too far away. The clock waits until you are back.',
    stopped: 'The game was stopped.',
    ended: 'The game is over.',
  },

  scores: {
    title: 'Your faces',
    part: (played: number, all: number) => `${played} of ${all} faces were made.`,
    mean: (mean: string) => `On average: ${mean}.`,
    short: 'on average',
    mark: 'read on the device by ferlab',
    picture: (expression: string) => `Your face, asked to look ${expression}`,
    note:
      'A score is the highest probability that the model gave to the expression asked for. It says how much a face resembles ' +
      'pictures with that label, and nothing about you.',
    share: 'Share sheet',
    save: 'Save sheet',
    resume: 'Go on',
    again: 'Play again',
    download: 'Download for training',
    downloaded: (count: number) => `${count} faces were added to the collected ones and downloaded in webcam.zip.`,
    training: {
      title: 'May they be kept for training?',
      ask:
        'These pictures are in memory alone and gone once you close this sheet. If you agree, small cuts of them (96 pixels) join the ' +
        'faces collected in this tab, labelled with the expression asked for, and are downloaded. Nothing is uploaded.',
      agree: 'These are pictures of me, and I agree that they are kept for training.',
      person: 'Person (a code, no name)',
    },
  },

  licences: {
    title: 'Licences',
    line: 'The program is free under the MIT licence, and the face detectors under the Apache licence 2.0.',
    link: 'All licence texts',
  },
};

/** A data set's name in plain words; DATA-SPLIT or DATA-SPLIT-for-DATA. */
export function setTitle(set: string): string {
  const { sets, splits, shares } = TEXTS;
  const [data, split, forOthers] = set.split('-');
  return `${sets[data!] ?? data}, ${splits[split!] ?? split}${forOthers ? `, ${shares}` : ''}`;
}
