/** The language of the page: chosen by the browser's wishes or by the person, kept, and used for every text, number and date. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { keep, recall } from '../app/storage';
import { en, type Key, type Messages } from './en';
import { fill, type Values } from './message';

export const LANGUAGES = ['en', 'de'] as const;
export type Language = (typeof LANGUAGES)[number];
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', de: 'Deutsch' };

export interface I18n {
  language: Language;
  /** The language with the browser's region, such as `en-GB`: decides how dates are written. */
  locale: string;
  t: (key: Key, values?: Values) => string;
  choose: (language: Language) => void;
}

const loaded = new Map<Language, Messages>([['en', en]]);

async function load(language: Language): Promise<Messages> {
  let messages = loaded.get(language);
  // English came with the page; a further language is another `case` here.
  if (!messages) {
    messages = (await import('./de')).de;
    loaded.set(language, messages);
  }
  return messages;
}

function isLanguage(text: string | undefined): text is Language {
  return (LANGUAGES as readonly (string | undefined)[]).includes(text);
}

/** The person's choice, else the first of the browser's languages that there is. */
export function wanted(kept: string | undefined, browser: readonly string[]): Language {
  if (isLanguage(kept)) return kept;
  return browser.map((tag) => tag.split('-')[0]).find(isLanguage) ?? 'en';
}

export function localeOf(language: Language, browser: readonly string[]): string {
  return browser.find((tag) => tag.split('-')[0] === language) ?? language;
}

/** Loads the language to start with, so that nothing flashes up in another. */
export async function firstLanguage(): Promise<Language> {
  const language = wanted(recall<string>('language'), navigator.languages);
  try {
    await load(language);
    return language;
  } catch {
    // English is always there; a page in another language beats no page.
    return 'en';
  }
}

/** The texts before there is any view. */
export async function textsOf(asked: Promise<Language>): Promise<(key: Key) => string> {
  const language = await asked;
  return (key) => fill((loaded.get(language) ?? en)[key], {}, language);
}

const Context = createContext<I18n | undefined>(undefined);

export function I18nProvider({ first, children }: { first: Language; children: ReactNode }) {
  const [language, setLanguage] = useState(first);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const value = useMemo<I18n>(() => {
    const locale = localeOf(language, navigator.languages);
    const messages = loaded.get(language) ?? en;
    return {
      language,
      locale,
      t: (key, values = {}) => fill(messages[key], values, locale),
      choose: (next) => {
        keep('language', next);
        void load(next).then(() => setLanguage(next));
      },
    };
  }, [language]);
  return <Context value={value}>{children}</Context>;
}

export function useI18n(): I18n {
  const value = useContext(Context);
  if (!value) throw new Error('no language here');
  return value;
}
