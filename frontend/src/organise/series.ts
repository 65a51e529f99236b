/** Bookings put into equal spans of time, for the chart. */
import type { Booking } from '../api/client';

export interface Span {
  /** Its first second. */
  start: number;
  seats: number;
}

export type Width = 'hour' | 'day' | 'week';

const LENGTH: Record<Width, number> = { hour: 3_600, day: 86_400, week: 7 * 86_400 };
/** More bars than this can't be told apart. */
const MOST = 60;

/** With fewer there would be nothing to compare a bar with. */
const FEWEST = 24;

/** Begin of the span that a moment lies in, by the reader's calendar. */
function begin(seconds: number, width: Width): Date {
  const date = new Date(seconds * 1_000);
  if (width === 'hour') date.setMinutes(0, 0, 0);
  else date.setHours(0, 0, 0, 0);
  if (width === 'week') date.setDate(date.getDate() - ((date.getDay() + 6) % 7));
  return date;
}

function next(date: Date, width: Width): Date {
  const following = new Date(date);
  if (width === 'hour') following.setHours(following.getHours() + 1);
  else following.setDate(following.getDate() + (width === 'day' ? 1 : 7));
  return following;
}

/** Seats of the confirmed bookings by hour, day or week, whichever gives a readable number of bars. */
export function series(bookings: Booking[], now: number): { width: Width; spans: Span[] } {
  const confirmed = bookings.filter((booking) => booking.State === 'confirmed');
  if (confirmed.length === 0) return { width: 'day', spans: [] };
  const first = Math.min(...confirmed.map((booking) => booking.Date));
  const reach = Math.max(now, ...confirmed.map((booking) => booking.Date));
  const width = (['hour', 'day', 'week'] as const).find((each) => (reach - first) / LENGTH[each] < MOST) ?? 'week';
  const seats = new Map<number, number>();
  for (const booking of confirmed) {
    const start = begin(booking.Date, width).getTime() / 1_000;
    seats.set(start, (seats.get(start) ?? 0) + booking.Seats);
  }
  const spans: Span[] = [];
  const earliest = Math.min(first, reach - (FEWEST - 1) * LENGTH[width]);
  for (let at = begin(earliest, width); at.getTime() / 1_000 <= reach; at = next(at, width)) {
    const start = at.getTime() / 1_000;
    spans.push({ start, seats: seats.get(start) ?? 0 });
  }
  return { width, spans };
}
