/** Dates and times as they are at the venue, written as the reader's language writes them. */
import type { Event } from '../api/client';

/** The zone if this browser knows it, else UTC, which is what the services take for a missing one. */
export function knownZone(zone: string | null | undefined): string {
  if (!zone) return 'UTC';
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone === 'Etc/UTC' ? 'UTC' : zone;
  } catch {
    return 'UTC';
  }
}

export const zoneOf = (event: Pick<Event, 'Location'>): string => knownZone(event.Location?.TimeZone);

const date = (seconds: number): Date => new Date(seconds * 1_000);

/** Making one is slow, and a list needs the same few for every card. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function format(locale: string, zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${zone} ${JSON.stringify(options)}`;
  let formatter = formatters.get(key);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat(locale, { timeZone: zone, ...options });
    formatters.set(key, formatter);
  }
  return formatter;
}

const DAY: Intl.DateTimeFormatOptions = { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' };
const TIME: Intl.DateTimeFormatOptions = { timeStyle: 'short' };

export interface Block {
  day: string;
  month: string;
  weekday: string;
}

/** The parts of the date block on a card. */
export function block(seconds: number, zone: string, locale: string): Block {
  const part = (options: Intl.DateTimeFormatOptions) => format(locale, zone, options).format(date(seconds));
  return {
    day: format(locale, zone, { day: 'numeric' }).formatToParts(date(seconds)).find((each) => each.type === 'day')?.value ?? '',
    month: part({ month: 'short' }),
    weekday: part({ weekday: 'short' }),
  };
}

export const longDay = (seconds: number, zone: string, locale: string): string => format(locale, zone, DAY).format(date(seconds));
export const time = (seconds: number, zone: string, locale: string): string => format(locale, zone, TIME).format(date(seconds));

/** An evening may end after midnight without being an event of two days. */
const ONE_EVENING = 16 * 3_600;

/** `19:00–22:00`, with dates where it goes on for days. */
export function timeRange(start: number, end: number, zone: string, locale: string): string {
  if (end <= start) return time(start, zone, locale);
  const sameDay = longDay(start, zone, locale) === longDay(end, zone, locale);
  if (sameDay) return format(locale, zone, TIME).formatRange(date(start), date(end));
  if (end - start <= ONE_EVENING) return `${time(start, zone, locale)}–${time(end, zone, locale)}`;
  return format(locale, zone, { dateStyle: 'medium', timeStyle: 'short' }).formatRange(date(start), date(end));
}

/** `Sat, 5 Dec 2026, 19:00`. */
export function short(seconds: number, zone: string, locale: string): string {
  return format(locale, zone, { dateStyle: 'medium', timeStyle: 'short' }).format(date(seconds));
}

export const shortDay = (seconds: number, zone: string, locale: string): string =>
  format(locale, zone, { dateStyle: 'medium' }).format(date(seconds));

/** `Central European Standard Time (Europe/Rome)`. */
export function zoneName(seconds: number, zone: string, locale: string): string {
  const parts = format(locale, zone, { timeZoneName: 'long' }).formatToParts(date(seconds));
  const name = parts.find((part) => part.type === 'timeZoneName')?.value ?? zone;
  return zone === 'UTC' ? name : `${name} (${zone})`;
}

/** Whether the reader's own clock shows another time than the venue's. */
export function differsHere(seconds: number, zone: string): boolean {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const at = (where: string) => format('en', where, { dateStyle: 'short', timeStyle: 'short' }).format(date(seconds));
  return at(here) !== at(zone);
}

/** The date and time of the reader's own clock. */
export function hereTime(seconds: number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { weekday: 'short', day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit', timeZoneName: 'short' }).format(date(seconds));
}

/** `2 hr 30 min`. */
export function duration(minutes: number, locale: string): string {
  const unit = (value: number, name: 'hour' | 'minute') =>
    new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short' }).format(value);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return [hours > 0 && unit(hours, 'hour'), (rest > 0 || hours === 0) && unit(rest, 'minute')].filter(Boolean).join(' ');
}

/** An hour of the day, as opening times have it. */
export function hour(value: number, locale: string): string {
  return format(locale, 'UTC', TIME).format(new Date(Date.UTC(2000, 0, 1, value)));
}

/** The first second of a day of the reader's calendar; `2026-12-24` comes from a date field. */
export function dayStart(text: string): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!match) return undefined;
  const seconds = new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3])).getTime() / 1_000;
  return Number.isNaN(seconds) || seconds < 0 ? undefined : seconds;
}

/** The last second of such a day. */
export function dayEnd(text: string): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!match) return undefined;
  const seconds = new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3]) + 1).getTime() / 1_000 - 1;
  return Number.isNaN(seconds) || seconds < 0 ? undefined : seconds;
}
