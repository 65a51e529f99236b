import { expect, test } from 'vitest';
import { de } from './de';
import { en } from './en';
import { localeOf, wanted } from './index';
import { fill, type Message } from './message';

const placeholders = (message: Message): string[] => {
  const texts = typeof message === 'string' ? [message] : Object.values(message);
  return [...new Set(texts.flatMap((text) => text.match(/\{\w+\}/g) ?? []))].sort();
};

test('both languages say the same things, with the same values', () => {
  expect(Object.keys(de)).toEqual(Object.keys(en));
  for (const key of Object.keys(en) as (keyof typeof en)[]) {
    expect([key, placeholders(de[key]).filter((name) => name !== '{n}')]).toEqual([key, placeholders(en[key]).filter((name) => name !== '{n}')]);
    expect([key, typeof de[key]]).toEqual([key, typeof en[key]]);
  }
});

test('plural forms cover what the languages tell apart', () => {
  for (const [locale, messages] of [
    ['en', en],
    ['de', de],
  ] as const) {
    const forms = new Intl.PluralRules(locale).resolvedOptions().pluralCategories;
    for (const [key, message] of Object.entries(messages) as [string, Message][]) {
      if (typeof message !== 'string') expect([key, Object.keys(message).sort()]).toEqual([key, [...forms].sort()]);
    }
  }
});

test('a message is filled in, its number written as the locale writes it', () => {
  expect(fill(en['seats.left'], { n: 1 }, 'en-GB')).toBe('1 seat left');
  expect(fill(en['seats.left'], { n: 1_306 }, 'en-GB')).toBe('1,306 left');
  expect(fill(de['seats.left'], { n: 1_306 }, 'de-DE')).toBe('noch 1.306 Plätze');
  expect(fill('{a} and {b}', { a: '{b}' }, 'en')).toBe('{b} and {b}');
});

test('a name that runs the other way leaves the sentence around it as it is', () => {
  const show = (event: string) => fill('{event} is booked.', { event }, 'en');
  expect(show('Für Elise (№ 25) — 2')).toBe('Für Elise (№ 25) — 2 is booked.');
  expect(show('\u202Eeman')).toBe('\u2068\u202Eeman\u2069 is booked.');
  expect(show('שלום')).toBe('\u2068שלום\u2069 is booked.');
  expect(show('a\u2069b\u202E')).toBe('\u2068ab\u202E\u2069 is booked.');
});

test('the language is the chosen one, else the first that there is', () => {
  expect(wanted('de', ['en-GB'])).toBe('de');
  expect(wanted('fr', ['fr-FR', 'de-AT', 'en'])).toBe('de');
  expect(wanted(undefined, ['ja'])).toBe('en');
  expect(localeOf('de', ['en-US', 'de-AT'])).toBe('de-AT');
  expect(localeOf('de', ['en-US'])).toBe('de');
});
