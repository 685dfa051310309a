/** What the page is told of its classifiers, from NAME.json and NAME.measured.json beside them. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';

import type { Facts, Measured, Stored } from './src/facts';

type Json = Record<string, any>;

export const MODELS = resolve(import.meta.dirname, '../src/ferlab/inference/models');

/** What models.ts reads of a model's JSON; the rest says how it was trained, and weighs more. */
const NEEDED = ['sha256', 'name', 'format', 'expressions', 'margin', 'threshold'];

const json = (path: string): Json => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {});
const beside = (model: string) => json(model.replace(/\.onnx$/, '.json'));

/** The file that the page is built with: the one in `folder` that tools/compact_for_web.py made from this very model, if there is one. */
export function shipped(model: string, folder: string): string {
  const made = resolve(folder, basename(model));
  const { made_from: from } = beside(made);
  return from && from.sha256 === beside(model).sha256 ? made : model;
}

/** The JSON that the page's worker fetches beside the model. */
export function stated(model: string): Buffer {
  const all = beside(model);
  return Buffer.from(JSON.stringify(Object.fromEntries(NEEDED.filter((key) => key in all).map((key) => [key, all[key]]))));
}

/** All that is stated and measured of a model, for who follows the link in the page. */
export function card(model: string): Buffer {
  return Buffer.from(JSON.stringify({ ...beside(model), measured: measuredBeside(model) }, null, 1));
}

/** What was measured of this very file, or of the one that it was made from. */
function measuredBeside(model: string): Json {
  const { sha256, made_from: from } = beside(model);
  const noted = json((from ? resolve(MODELS, from.file) : model).replace(/\.onnx$/, '.measured.json'));
  return noted.sha256 === (from?.sha256 ?? sha256) ? noted : {};
}

/** What the page says of its models: name below models/ -> file. One that lacks its JSON is left to the build to name. */
export function factsOfAll(offered: Record<string, string>): Facts[] {
  const spoken = new Set(Object.values(offered).map((path) => String(beside(path).expressions)));
  if (spoken.size > 1) throw new Error(`models with other expressions: ${[...spoken].join(' and ')}. The page shows those of one.`);
  return Object.entries(offered).map(([file, path]) => factsOf(path, file));
}

/** What the page says of a model; `file` is what it is called below models/. */
function factsOf(model: string, file: string): Facts {
  const all = beside(model);
  const { val, test, elsewhere = {} } = measuredBeside(model);
  const own = String(all.data ?? 'own').split('+')[0];
  const sets: Json = {
    [`${own}-test`]: test ?? all.reports?.test,
    [`${own}-val`]: val ?? all.val ?? all.reports?.val,
    ...elsewhere,
  };
  const told = Object.entries(sets).filter(([, report]) => report);
  return {
    file,
    name: all.name ?? basename(model, '.onnx'),
    bytes: all.bytes,
    ...(all.made_from && { stored: storedOf(all.val) }),
    measured: Object.fromEntries(told.map(([set, report]) => [set, figures(report)])),
  };
}

/** How a file with smaller weights does on val, beside the file that it was made from. */
function storedOf({ n, correct, against }: Json): Stored {
  return { n, correct, before: correct - against.only_this_right + against.only_before_right, changed: against.changed };
}

/** Counts of faces, which no rounding changes. */
function figures({ n, correct, interval95, recall, support, without_twins: alone }: Json): Measured {
  const classes = Object.entries((support ?? {}) as Record<string, number>).map(([name, faces]) => [
    name,
    [Math.round((recall[name] ?? 0) * faces), faces],
  ]);
  return {
    n,
    correct,
    interval95: interval95.map((p: number) => Number(p.toFixed(4))),
    ...(alone && alone.n < n && { alone: [alone.correct, alone.n] }),
    ...(recall && { classes: Object.fromEntries(classes) }),
  };
}
