/** What the page and its worker say to each other; nothing else crosses. */
import type { Key, Values } from './texts';

/** Why something failed: the key of a text and what its places hold, or words of the browser. */
export type Why = { key: Key; values: Values } | { message: string };

import type { Pixels } from './framing';

/** Left, top, width and height in pixels of the picture. */
export type Box = [left: number, top: number, width: number, height: number];

/** In pixels of the picture. */
export type Point = [x: number, y: number];

export interface Face {
  box: Box;
  /** By how many radians it is turned upright before it is read. */
  tilt: number;
  score: number;
  /** In the order of `Model.expressions`; null for faces that were found and not read. */
  probabilities: number[] | null;
}

/** Of the classifier, from the JSON beside it. */
export interface Model {
  name: string;
  expressions: string[];
  /** Below this probability the page says that it is not sure. */
  threshold: number;
}

/** In ms. */
export interface Timing {
  /** Null where the face was read where the picture before showed it; `locate` says where it is in this one. */
  detect: number | null;
  /** From the picture to the pixels that the classifier is handed. */
  crop: number;
  /** The classifier's run alone. */
  classify: number;
}

/** A picture of the nearest face is wanted where its probability of this expression is higher. */
export interface Wish {
  /** Its place in `Model.expressions`. */
  expression: number;
  above: number;
  /** Whether the portrait is as in a mirror. */
  mirrored: boolean;
}

export interface Seen {
  faces: Face[];
  timing: Timing;
  /** PNG of the nearest face, cut as the classifier saw it, where it was asked for or a wish came true. */
  picture: Blob | null;
  /** That face with its surroundings, to be looked at, where a wish came true. */
  portrait: Blob | null;
  /** Why the detector for smaller faces could not be asked, where it was to be. */
  lacking: Why | null;
}

/** What the detector finds in a picture after its face was read. */
export interface Located {
  /** None of them read. */
  faces: Face[];
  /** Of each face of the look whether it is where it was read; what was read elsewhere says nothing. */
  held: boolean[];
  /** In ms. */
  detect: number;
}

export type Request =
  /** `model` is the classifier's name below models/. */
  | { kind: 'load'; base: string; model: string }
  /** Another classifier, which is fetched while the one before reads. Answered like `load`. */
  | { kind: 'model'; model: string }
  /**
   * `most`: how many faces to read. `whole`: the picture is a face already. `picture`: also return what was cut; `wish`:
   * where it comes true.
   * `follow`: for how many ms after a picture faces are read where the detectors saw them in that one, and after one of
   * nobody smaller faces are not searched; 0 asks all detectors first.
   */
  | { kind: 'look'; bitmap: ImageBitmap; most: number; whole: boolean; picture: boolean; wish: Wish | null; follow: number }
  /** Where the faces are in the picture of the last look, which followed. */
  | { kind: 'locate' }
  /** A face as the classifier takes it; all of the picture where that is one face. */
  | { kind: 'cut'; bitmap: ImageBitmap; face: Pick<Face, 'box' | 'tilt'> | null }
  /** What is read of a face with squares of it covered, one at a time, and of the face as it is for null: occlusion.ts. */
  | { kind: 'cover'; face: Pixels; squares: (number | null)[] };

export type Answer =
  | { kind: 'loaded'; model: Model; threads: number }
  | { kind: 'seen'; seen: Seen }
  | { kind: 'located'; located: Located }
  | { kind: 'cut'; pixels: Pixels }
  | { kind: 'covered'; probabilities: number[][] };

export type ToWorker = Request & { id: number };
/**
 * `alive` is no answer: a worker that is still loading says so, since a slow connection takes its time. Nor is `progress`: so
 * many bytes are here of a classifier, or of all that the page needs to start.
 */
export type FromWorker = { id: number } & (
  | Answer
  | { kind: 'failed'; why: Why }
  | { kind: 'alive' }
  | { kind: 'progress'; model: string; done: number; all: number }
);
