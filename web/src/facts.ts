/** What was measured of the page's models: vite.config.ts fills it in from their JSON. */
import { called, t } from './texts';

export interface Measured {
  /** Faces, and how many of them were read as they are labelled. */
  n: number;
  correct: number;
  /** Of the accuracy, by Wilson. */
  interval95: [low: number, high: number];
  /** The same of the faces that have no twin among those that the model learned from, where some have. */
  alone?: [correct: number, n: number];
  /** Of each expression: faces that were found to show it, and faces that are labelled so. */
  classes?: Record<string, [correct: number, n: number]>;
}

/** Of validation faces: how many a file with smaller weights reads right, the file that it was made from, and otherwise than that. */
export interface Stored {
  n: number;
  correct: number;
  before: number;
  changed: number;
}

export interface Facts {
  /** Its name below models/, without ending. */
  file: string;
  name: string;
  bytes: number;
  stored?: Stored;
  /** By DATA-SPLIT, or DATA-SPLIT-for-DATA for answers by the shares of expressions there. */
  measured: Record<string, Measured>;
}

declare const MODELS: Facts[];

/** The first is the one that the page starts with. */
export const models: Facts[] = MODELS;

/** What visitors want to know first: the test on photographs, other tests, and what was used to choose the model. */
const ORDER = [/^wild-test$/, /-test$/, /-test-/, /-val$/];

export const measuredOf = ({ measured }: Facts): [set: string, Measured][] => {
  const place = (set: string) => ORDER.findIndex((kind) => kind.test(set)) >>> 0; // what is none of them comes last
  return Object.entries(measured).sort(([a], [b]) => place(a) - place(b));
};

/** A data set's name in plain words; DATA-SPLIT or DATA-SPLIT-for-DATA. */
export function setTitle(set: string): string {
  const [data, split, forOthers] = set.split('-');
  return [called('set', data!), called('split', split!), ...(forOthers ? [t('set.shares')] : [])].join(', ');
}
