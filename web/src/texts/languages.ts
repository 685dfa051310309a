/** The languages that the page speaks, by the tag of each; its words are in TAG.ts. */
export const LANGUAGES = {
  en: { name: 'English', dir: 'ltr' },
  es: { name: 'Español', dir: 'ltr' },
  de: { name: 'Deutsch', dir: 'ltr' },
  ur: { name: 'اردو', dir: 'rtl' },
  'zh-Hans': { name: '简体中文', dir: 'ltr' },
} as const;

export type Language = keyof typeof LANGUAGES;
