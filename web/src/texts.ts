/** The page's words in its visitor's language, which start.js states in <html>. Each language has a file in texts/. */
import { element } from './page';
import type { Why } from './protocol';
import { en } from './texts/en';
import { LANGUAGES, type Language } from './texts/languages';
import { whyOf } from './trouble';

export type Key = keyof typeof en;
export type Texts = Record<Key, string>;
type Places<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Places<Rest> : never;
/** What is filled into a text: numbers are written as the language does. */
export type Values = Record<string, string | number>;
/** What a text is given: nothing, where it has no places. */
export type Given<K extends Key> = [Places<(typeof en)[K]>] extends [never] ? [] : [Record<Places<(typeof en)[K]>, string | number>];
/** What stands in a place, in whichever language is read when it is asked. */
export type Words = () => string;

const KEY = 'ferlab-language'; // in the browser's storage, read by public/start.js
const OTHERS: Record<Exclude<Language, 'en'>, () => Promise<{ default: Texts }>> = {
  es: () => import('./texts/es'),
  de: () => import('./texts/de'),
  ur: () => import('./texts/ur'),
  'zh-Hans': () => import('./texts/zh-Hans'),
};

let language: Language = 'en';
let texts: Texts = en;
let formats: Record<string, Intl.NumberFormat> = {};
let rules: Intl.PluralRules | undefined;

function formatted(value: number, digits: number, style: 'decimal' | 'percent'): string {
  const options = { style, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return (formats[`${style}${digits}`] ??= new Intl.NumberFormat(language, options)).format(value);
}

/** A name, file or unit of another script does not turn the words around it. */
const isolated = (words: string, way = '\u2068') => (LANGUAGES[language].dir === 'rtl' ? `${way}${words}\u2069` : words);

export const number = (value: number, digits = 0) => formatted(value, digits, 'decimal');
export const percent = (p: number, digits = 0) => formatted(p, digits, 'percent');
/** With the symbol of its unit, which is written after it in every language. */
const measured = (value: number, unit: string) => isolated(`${number(value, 1)} ${unit}`, '\u2066');
export const megabytes = (bytes: number) => measured(bytes / 1e6, 'MB');
export const milliseconds = (ms: number) => measured(ms, 'ms');
/** Names in a row. */
export const list = (names: string[]) => new Intl.ListFormat(language).format(names);

/** A text, with what its places hold. */
export function t<K extends Key>(key: K, ...[values]: Given<K>): string {
  return filled(key, values ?? {});
}

/** The same for a key that is only known when the page runs. */
export function filled(key: Key, values: Values): string {
  return texts[key].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]!;
    return typeof value === 'number' ? number(value) : isolated(value);
  });
}

export const words =
  <K extends Key>(key: K, ...values: Given<K>): Words =>
  () =>
    t(key, ...values);

type Counted = { [K in Key]: K extends `${infer Name}.other` ? (`${Name}.one` extends Key ? Name : never) : never }[Key];

/** A text for one or for several of something. */
export function plural(key: Counted, n: number, values: Values = {}): string {
  const form = (rules ??= new Intl.PluralRules(language)).select(n) === 'one' ? 'one' : 'other';
  return filled(`${key}.${form}`, { n, ...values });
}

/** The text `group`.`name`, or the name where there is none. */
export function called(group: 'look' | 'model' | 'set' | 'split', name: string): string {
  const key = `${group}.${name}`;
  return key in texts ? texts[key as Key] : name;
}

export const look = (name: string) => called('look', name);

export const wordsFor = (why: Why): Words => ('key' in why ? () => filled(why.key, why.values) : () => why.message);
export const wordsOf = (error: unknown): Words => wordsFor(whyOf(error));

/** Words of elements that a script has written; those of the others are named in index.html. */
const shown = new WeakMap<Element, Words>();
const listeners: (() => void)[] = [];

/** Writes into an element what stays true in another language. */
export function show(place: HTMLElement, what: Words): void {
  shown.set(place, what);
  place.dataset.text ??= '';
  const text = what();
  if (place.textContent !== text) place.textContent = text;
}

/** Something else than the text of an element is written in the language. */
export const onLanguage = (listener: () => void): void => void listeners.push(listener);

let wish: Language = 'en';

/** From now on in another language, once its words are here; in English where they do not come. */
async function speak(wanted: Language): Promise<void> {
  wish = wanted;
  const found = wanted === 'en' ? en : await OTHERS[wanted]().then((file) => file.default, () => null);
  if (wish !== wanted) return; // another one was chosen meanwhile
  [texts, language] = found ? [found, wanted] : [en, 'en'];
  formats = {};
  rules = undefined;
  const { documentElement: root } = document;
  [root.lang, root.dir] = [language, LANGUAGES[language].dir];
  for (const place of document.querySelectorAll<HTMLElement>('[data-text]')) {
    place.textContent = shown.get(place)?.() ?? t(place.dataset.text as 'ready');
  }
  for (const place of document.querySelectorAll<HTMLElement>('[data-label]')) {
    place.ariaLabel = t(place.dataset.label as 'ready');
    if (place.title) place.title = place.ariaLabel;
  }
  listeners.forEach((listener) => listener());
  root.classList.remove('translating');
}

/** The choice of the language. */
export function speakAsChosen(): void {
  const select = element<HTMLSelectElement>('language');
  select.append(...Object.entries(LANGUAGES).map(([tag, { name }]) => new Option(name, tag)));
  for (const option of select.options) option.lang = option.value;
  select.value = document.documentElement.lang;
  select.onchange = () => {
    const wanted = select.value as Language;
    void speak(wanted);
    try {
      localStorage.setItem(KEY, wanted);
    } catch {
      // the browser's settings forbid it: the next visit begins in the browser's language
    }
  };
  if (select.value !== 'en') void speak(select.value as Language).then(() => (select.value = language));
}
