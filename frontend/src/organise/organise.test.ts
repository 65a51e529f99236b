import { expect, test } from 'vitest';
import type { Booking, Event, Location } from '../api/client';
import { bookingsCsv } from './csv';
import { EMPTY_EVENT, eventBody, eventDraft, eventFaults, eventField, withStart } from './eventDraft';
import { emptyLocation, locationBody, locationDraft, locationFaults } from './locationDraft';
import { merge } from './merge';
import { series } from './series';
import { fromLocal, toLocal } from './zoned';

test('wall clocks of other zones, with the days when clocks change', () => {
  for (const zone of ['Europe/Rome', 'Asia/Tokyo', 'America/Santiago', 'Asia/Kolkata', 'Pacific/Apia', 'UTC']) {
    for (let day = 0; day < 366; day += 3) {
      const seconds = Date.UTC(2026, 0, 1, 0, 7) / 1_000 + day * 86_400 + (day % 24) * 3_600;
      const back = fromLocal(toLocal(seconds, zone), zone);
      // In the hour that comes twice the earlier one is meant.
      expect([0, 3_600]).toContain(seconds - (back ?? 0));
    }
  }
  expect(toLocal(Date.UTC(2026, 11, 5, 18) / 1_000, 'Europe/Rome')).toBe('2026-12-05T19:00');
  expect(fromLocal('2026-03-29T02:30', 'Europe/Rome')).toBeUndefined();
  expect(fromLocal('2026-10-25T02:30', 'Europe/Rome')).toBe(Date.UTC(2026, 9, 25, 0, 30) / 1_000);
  expect(fromLocal('soon', 'UTC')).toBeUndefined();
});

const place: Location = { ID: 'l', Name: 'Hall', TimeZone: 'Europe/Rome', Halls: [{ name: 'A', capacity: 5 }] };
const stored: Event = { ID: 'e', Name: 'Aida', Duration: 95, StartDate: 1_797_359_943, EndDate: 1_797_367_143, Location: place, HallNames: ['A'], MaxSeatsPerBooking: 4 };

test('what was not touched goes back as it came', () => {
  expect(eventBody(eventDraft(stored), stored)).toEqual({ ...stored, SalesStart: undefined, SalesEnd: undefined, MaxSeatsPerPerson: undefined, MaxBookingsPerPerson: undefined });
  const location = { ...place, Address: 'x', Country: 'y', OpenTime: 8, CloseTime: 23, Halls: [{ name: 'A', location: undefined, capacity: 5 }] };
  expect(locationBody(locationDraft(location), location)).toEqual(location);
});

test('an event is checked as it is typed', () => {
  expect(Object.keys(eventFaults(EMPTY_EVENT)).sort()).toEqual(['end', 'name', 'start']);
  const draft = { ...eventDraft(stored), end: '2020-01-01T10:00', salesStart: '2026-05-02T10:00', salesEnd: '2026-05-01T10:00', maxBooking: '0', start: '2026-03-29T02:30' };
  expect(eventFaults(draft)).toMatchObject({ start: { key: 'form.gap' }, salesEnd: { key: 'form.salesBefore' }, maxBooking: { key: 'form.number' } });
  expect(eventFaults({ ...eventDraft(stored), end: '2020-01-01T10:00' })).toEqual({ end: { key: 'form.endBefore' } });
  expect(eventFaults(eventDraft(stored))).toEqual({});
});

test('a new start moves the end along', () => {
  const draft = { ...EMPTY_EVENT, location: place };
  const first = withStart(draft, '2026-05-01T20:00');
  expect(first.end).toBe('2026-05-01T22:00');
  expect(withStart({ ...first, end: '2026-05-01T21:00' }, '2026-05-02T18:30').end).toBe('2026-05-02T19:30');
});

test('problems of the service find their field', () => {
  expect(eventField('EndDate is before StartDate')).toBe('end');
  expect(eventField('Name is missing or blank')).toBe('name');
  expect(eventField('Location.Halls[0].name holds a control character')).toBe('location');
  expect(eventField('the body is not JSON')).toBeUndefined();
});

test('a location is checked as it is typed', () => {
  expect(Object.keys(locationFaults(emptyLocation())).sort()).toEqual(['halls', 'name']);
  const good = { ...emptyLocation(), name: 'x', halls: [{ name: 'A', location: '', capacity: '10' }] };
  expect(locationFaults(good)).toEqual({});
  expect(locationFaults({ ...good, halls: [] })).toEqual({});
  expect(locationFaults({ ...good, timeZone: 'Mars/Olympus' })).toEqual({ timeZone: { key: 'location.zone.wrong' } });
  expect(locationFaults({ ...good, halls: [{ name: 'A', location: '', capacity: '1.5' }] }).halls?.key).toBe('form.number');
});

test('changes of two people are put together', () => {
  const base = { a: 1, b: 1, c: 1, d: 1, e: [1] };
  const merged = merge(base, { a: 2, b: 1, c: 2, d: 3, e: [1] }, { a: 1, b: 5, c: 6, d: 3, e: [1] });
  expect(merged).toEqual({ draft: { a: 2, b: 5, c: 6, d: 3, e: [1] }, taken: ['a'], torn: ['c'], changed: true });
  expect(merge(base, { ...base, a: 2 }, { ...base, a: 2 }).changed).toBe(false);
});

const booking = (change: Partial<Booking>): Booking => ({ ID: 'b', Date: 1_764_000_000, EventID: 'e', Seats: 1, State: 'confirmed', ...change });

test('cells that begin like formulas are text', () => {
  const csv = bookingsCsv([booking({ Name: '=1+1', Email: 'a"b@x' }), booking({ Name: '-2', Email: '@x' }), booking({ Name: 'Ada, L.\nx' })]);
  expect(csv.split('\r\n').slice(1, 3)).toEqual([`b,2025-11-24T16:00:00.000Z,'=1+1,"a""b@x",1,confirmed`, `b,2025-11-24T16:00:00.000Z,'-2,'@x,1,confirmed`]);
  expect(csv).toContain('"Ada, L.\nx"');
});

test('bookings over time: what was cancelled does not count, empty spans do', () => {
  const day = 86_400;
  const now = 1_764_000_000;
  const { width, spans } = series([booking({ Date: now - 10 * day, Seats: 4 }), booking({ Date: now, Seats: 2 }), booking({ Date: now, State: 'cancelled', Seats: 9 })], now);
  expect(width).toBe('day');
  expect(spans.reduce((sum, span) => sum + span.seats, 0)).toBe(6);
  expect(spans.length).toBeGreaterThanOrEqual(24);
  expect(spans.at(-1)?.seats).toBe(2);
  expect(series([booking({ Date: now - 400 * day })], now).width).toBe('week');
  expect(series([booking({ Date: now - 3_600 })], now).width).toBe('hour');
  expect(series([], now).spans).toEqual([]);
});
