/** An error with words for the person: it names a text, so that the worker can throw it and the page says it in its language. */
import type { Why } from './protocol';
import type { Given, Key, Values } from './texts';

export class Trouble<K extends Key = Key> extends Error {
  readonly values: Values;

  constructor(
    readonly key: K,
    ...given: Given<K>
  ) {
    super([key, ...given.map((values) => JSON.stringify(values))].join(' '));
    this.values = given[0] ?? {};
  }
}

export const whyOf = (error: unknown): Why =>
  error instanceof Trouble
    ? { key: error.key, values: error.values }
    : { message: error instanceof Error ? error.message : String(error) };
