import { expect, test } from 'vitest';
import type { Event } from '../api/client';
import { DEFAULTS } from '../app/config';
import { readWish, toFilter, writeWish } from './filter';
import { calendarFile } from './ics';
import { isScarce, nextTurn, saleOf, seatsOf } from './sale';
import { block, differsHere, duration, knownZone, timeRange, zoneName } from './when';

const event = (change: Partial<Event> = {}): Event => ({ ID: 'e', Name: 'Aida', Duration: 120, StartDate: 1_000, EndDate: 2_000, ...change });
const sale = (change: Partial<Event>, now: number, refusePastEvents = false) => saleOf(event(change), { ...DEFAULTS.sales, refusePastEvents }, now).kind;

test('the rules of sale are those of the booking service', () => {
  expect(sale({}, 5_000)).toBe('open');
  expect(sale({}, 5_000, true)).toBe('over');
  expect(sale({}, 2_000, true)).toBe('open');
  expect(sale({ SalesEnd: 500 }, 500)).toBe('open');
  expect(sale({ SalesEnd: 500 }, 501)).toBe('ended');
  expect(sale({ SalesStart: 500 }, 499)).toBe('notYet');
  expect(sale({ SalesStart: 500 }, 500)).toBe('open');
  expect(sale({ Cancelled: true, SalesEnd: 1 }, 500)).toBe('cancelled');
});

test('the next turn is the first second at which the rules say something else', () => {
  const all = { SalesStart: 500, SalesEnd: 900 };
  expect([499, 500, 900, 901, 2_000, 2_001].map((now) => nextTurn(event(all), now))).toEqual([500, 901, 901, 2_001, 2_001, undefined]);
  for (const turn of [500, 901]) expect(sale(all, turn - 1)).not.toBe(sale(all, turn));
  expect([2_000, 2_001].map((now) => sale({}, now, true))).toEqual(['open', 'over']);
  expect(nextTurn(event(), 0)).toBe(2_001);
});

test('unknown seats are not none', () => {
  const answered = { answered: true };
  expect(seatsOf(undefined, { answered: false }).kind).toBe('loading');
  expect(seatsOf(undefined, { answered: false, failed: 'why' })).toEqual({ kind: 'failed', error: 'why' });
  expect(seatsOf(undefined, answered).kind).toBe('unknown');
  expect(seatsOf({ EventID: 'e', Capacity: null, Available: null }, answered).kind).toBe('unknown');
  expect(seatsOf({ EventID: 'e', Capacity: 10, Available: 0 }, answered)).toEqual({ kind: 'left', left: 0, capacity: 10 });
  expect(seatsOf({ EventID: 'e', Capacity: 10, Available: 3 }, { answered: false, failed: 'why' }).kind).toBe('left');
  expect([isScarce(5, 100), isScarce(60, 1_000), isScarce(50, 1_000), isScarce(0, 10)]).toEqual([true, false, true, false]);
});

// 2026-12-05 19:00 in Rome.
const EVENING = Date.UTC(2026, 11, 5, 18) / 1_000;

test('times are those of the venue', () => {
  expect(block(EVENING, 'Europe/Rome', 'en-GB')).toEqual({ day: '5', month: 'Dec', weekday: 'Sat' });
  expect(block(EVENING, 'Asia/Tokyo', 'de-DE')).toEqual({ day: '6', month: 'Dez', weekday: 'So' });
  expect(timeRange(EVENING, EVENING + 10_800, 'Europe/Rome', 'en-GB')).toBe('19:00–22:00');
  expect(timeRange(EVENING, EVENING + 6 * 3_600, 'Europe/Rome', 'en-GB')).toBe('19:00–01:00');
  expect(timeRange(EVENING, EVENING + 2 * 86_400, 'Europe/Rome', 'en-GB')).toMatch(/5 Dec.*7 Dec/);
  expect(zoneName(EVENING, 'Europe/Rome', 'en-GB')).toBe('Central European Standard Time (Europe/Rome)');
  expect(knownZone('Mars/Olympus')).toBe('UTC');
  expect(knownZone(undefined)).toBe('UTC');
  expect(differsHere(EVENING, 'Asia/Tokyo')).toBe(true);
  expect(differsHere(EVENING, Intl.DateTimeFormat().resolvedOptions().timeZone)).toBe(false);
  expect(duration(150, 'en-GB')).toBe('2 hrs 30 mins');
  expect(duration(45, 'de-DE')).toBe('45 Min.');
});

test('the list’s address and its question', () => {
  const wish = readWish(new URLSearchParams('q=aida&when=dates&from=2026-12-01&to=2026-12-24&other=1'));
  expect(writeWish(wish).toString()).toBe('q=aida&when=dates&from=2026-12-01&to=2026-12-24');
  const now = new Date(2026, 10, 25, 15, 30);
  const day = (month: number, date: number) => new Date(2026, month, date).getTime() / 1_000;
  expect(toFilter(wish, now)).toEqual({ q: 'aida', cancelled: true, from: day(11, 1), to: day(11, 25) - 1 });
  expect(toFilter(readWish(new URLSearchParams()), now)).toEqual({ q: undefined, cancelled: true, from: day(10, 25) });
  expect(toFilter(readWish(new URLSearchParams('when=week')), now).to).toBe(day(11, 3) - 1);
  expect(toFilter(readWish(new URLSearchParams('when=dates&from=nonsense')), now).from).toBe(day(10, 25));
});

test('a calendar file keeps to the standard', () => {
  const about = { id: 'e', name: `A; b, c\\d\n${'long ü '.repeat(20)}`, start: EVENING, end: EVENING + 3_600, zone: 'Europe/Rome', place: 'Hall' };
  const file = calendarFile(about, 'Street 1', EVENING - 100, 'https://x.example/e/1');
  const lines = file.split('\r\n');
  expect(lines.every((line) => new TextEncoder().encode(line).length <= 75)).toBe(true);
  const unfolded = file.replaceAll('\r\n ', '');
  expect(unfolded).toContain('SUMMARY:A\\; b\\, c\\\\d\\nlong ü');
  expect(unfolded).toContain('DTSTART:20261205T180000Z\r\nDTEND:20261205T190000Z\r\n');
  expect(unfolded).toContain('LOCATION:Hall\\, Street 1\r\n');
});
