/** An event as the form holds it, and what of it is wrong. */
import type { Event, Location } from '../api/client';
import { knownZone } from '../events/when';
import type { Key } from '../i18n/en';
import type { Values } from '../i18n/message';
import { fromLocal, toLocal } from './zoned';

export interface EventDraft {
  name: string;
  /** In full, as the event keeps a copy of its own. */
  location: Location | null;
  hallNames: string[];
  start: string;
  end: string;
  salesStart: string;
  salesEnd: string;
  maxBooking: string;
  maxPersonSeats: string;
  maxPersonBookings: string;
}

export type Faults<Draft> = Partial<Record<keyof Draft, { key: Key; values?: Values }>>;

export const EVENT_LABELS: Record<keyof EventDraft, Key> = {
  name: 'form.name',
  location: 'form.location',
  hallNames: 'form.halls',
  start: 'form.start',
  end: 'form.end',
  salesStart: 'form.salesStart',
  salesEnd: 'form.salesEnd',
  maxBooking: 'form.maxBooking',
  maxPersonSeats: 'form.maxPersonSeats',
  maxPersonBookings: 'form.maxPersonBookings',
};

export const EMPTY_EVENT: EventDraft = {
  name: '',
  location: null,
  hallNames: [],
  start: '',
  end: '',
  salesStart: '',
  salesEnd: '',
  maxBooking: '',
  maxPersonSeats: '',
  maxPersonBookings: '',
};

export const zoneOfDraft = (draft: EventDraft): string => knownZone(draft.location?.TimeZone);

/** The service takes longer names, but no list shows them. */
export const LONGEST_NAME = 200;

export function eventDraft(event: Event): EventDraft {
  const zone = knownZone(event.Location?.TimeZone);
  const local = (seconds: number | null | undefined) => (seconds == null ? '' : toLocal(seconds, zone));
  const number = (value: number | null | undefined) => (value == null ? '' : String(value));
  return {
    name: event.Name,
    location: event.Location?.ID ? event.Location : null,
    hallNames: event.HallNames ?? [],
    start: local(event.StartDate),
    end: local(event.EndDate),
    salesStart: local(event.SalesStart),
    salesEnd: local(event.SalesEnd),
    maxBooking: number(event.MaxSeatsPerBooking),
    maxPersonSeats: number(event.MaxSeatsPerPerson),
    maxPersonBookings: number(event.MaxBookingsPerPerson),
  };
}

export function eventFaults(draft: EventDraft): Faults<EventDraft> {
  const faults: Faults<EventDraft> = {};
  const zone = zoneOfDraft(draft);
  if (draft.name.trim() === '') faults.name = { key: 'form.required' };
  else if (draft.name.length > LONGEST_NAME) faults.name = { key: 'form.long', values: { n: LONGEST_NAME } };
  const times: Partial<Record<keyof EventDraft, number>> = {};
  for (const name of ['start', 'end', 'salesStart', 'salesEnd'] as const) {
    if (draft[name] === '') {
      if (name === 'start' || name === 'end') faults[name] = { key: 'form.required' };
      continue;
    }
    const at = fromLocal(draft[name], zone);
    if (at === undefined) faults[name] = { key: 'form.gap' };
    else times[name] = at;
  }
  if (times.start !== undefined && times.end !== undefined && times.end < times.start) faults.end = { key: 'form.endBefore' };
  if (times.salesStart !== undefined && times.salesEnd !== undefined && times.salesEnd < times.salesStart) {
    faults.salesEnd = { key: 'form.salesBefore' };
  }
  for (const name of ['maxBooking', 'maxPersonSeats', 'maxPersonBookings'] as const) {
    if (draft[name] !== '' && !(Number.isInteger(Number(draft[name])) && Number(draft[name]) >= 1)) {
      faults[name] = { key: 'form.number', values: { n: 1 } };
    }
  }
  return faults;
}

/** What is sent. `before` is what the form began with: times that were not touched keep their seconds. */
export function eventBody(draft: EventDraft, before?: Event): Event {
  const zone = zoneOfDraft(draft);
  const old = before && eventDraft(before);
  const sameZone = old !== undefined && zoneOfDraft(old) === zone;
  const at = (name: 'start' | 'end' | 'salesStart' | 'salesEnd', stored: number | null | undefined) =>
    sameZone && old[name] === draft[name] && stored != null ? stored : fromLocal(draft[name], zone);
  const limit = (text: string) => (text === '' ? undefined : Number(text));
  const start = at('start', before?.StartDate) ?? 0;
  const end = at('end', before?.EndDate) ?? start;
  const untouched = before !== undefined && start === before.StartDate && end === before.EndDate;
  const halls = new Set(draft.location?.Halls?.map((hall) => hall.name));
  const names = draft.hallNames.filter((name) => halls.has(name));
  return {
    ID: before?.ID ?? '',
    Name: draft.name.trim(),
    Duration: untouched ? before.Duration : Math.round((end - start) / 60),
    StartDate: start,
    EndDate: end,
    Location: draft.location ?? undefined,
    HallNames: names.length > 0 ? names : undefined,
    SalesStart: at('salesStart', before?.SalesStart),
    SalesEnd: at('salesEnd', before?.SalesEnd),
    MaxSeatsPerBooking: limit(draft.maxBooking),
    MaxSeatsPerPerson: limit(draft.maxPersonSeats),
    MaxBookingsPerPerson: limit(draft.maxPersonBookings),
  };
}

/** A new start moves the end along, so that the event lasts as long as before. */
export function withStart(draft: EventDraft, start: string): EventDraft {
  const zone = zoneOfDraft(draft);
  const [from, to, now] = [draft.start, draft.end, start].map((text) => fromLocal(text, zone));
  if (now === undefined) return { ...draft, start };
  const length = from !== undefined && to !== undefined && to >= from ? to - from : 7_200;
  return { ...draft, start, end: toLocal(now + length, zone) };
}

/** Seats of the halls in use; nothing while there are none. */
export function capacityOf(draft: EventDraft): number | undefined {
  const halls = draft.location?.Halls ?? [];
  const used = draft.hallNames.length > 0 ? halls.filter((hall) => draft.hallNames.includes(hall.name)) : halls;
  return used.length > 0 ? used.reduce((sum, hall) => sum + hall.capacity, 0) : undefined;
}

const FIELDS: [RegExp, keyof EventDraft][] = [
  [/^Name\b/, 'name'],
  [/^StartDate\b/, 'start'],
  [/^(EndDate|Duration)\b/, 'end'],
  [/^SalesStart\b/, 'salesStart'],
  [/^SalesEnd\b/, 'salesEnd'],
  [/^MaxSeatsPerBooking\b/, 'maxBooking'],
  [/^MaxSeatsPerPerson\b/, 'maxPersonSeats'],
  [/^MaxBookingsPerPerson\b/, 'maxPersonBookings'],
  [/^HallNames\b/, 'hallNames'],
  [/^Location\b/, 'location'],
];

/** The field that a problem of the service speaks of: its details begin with the name. */
export function eventField(detail: string): keyof EventDraft | undefined {
  return FIELDS.find(([pattern]) => pattern.test(detail))?.[1];
}
