/** Whether an event can be booked, by the services' own rules and settings. */
import type { Availability, Event } from '../api/client';
import type { PageConfig } from '../app/config';

export type Sale =
  | { kind: 'open' }
  | { kind: 'cancelled' }
  | { kind: 'notYet'; at: number }
  | { kind: 'ended'; at: number }
  | { kind: 'over' };

/** The same order and the same comparisons as the booking service's. */
export function saleOf(event: Event, sales: PageConfig['sales'], now: number): Sale {
  if (event.Cancelled) return { kind: 'cancelled' };
  if (event.SalesStart != null && event.SalesStart > now) return { kind: 'notYet', at: event.SalesStart };
  if (event.SalesEnd != null && event.SalesEnd < now) return { kind: 'ended', at: event.SalesEnd };
  if (sales.refusePastEvents && event.EndDate < now) return { kind: 'over' };
  return { kind: 'open' };
}

/** The next second at which that may change. */
export function nextTurn(event: Event, now: number): number | undefined {
  const turns = [event.SalesStart, event.SalesEnd != null ? event.SalesEnd + 1 : null, event.EndDate + 1];
  const coming = turns.filter((turn) => turn != null && turn > now) as number[];
  return coming.length > 0 ? Math.min(...coming) : undefined;
}

export type Seats =
  | { kind: 'loading' }
  | { kind: 'failed'; error: unknown }
  | { kind: 'unknown' }
  | { kind: 'left'; left: number; capacity: number };

/** `availability` is what the booking service said of the event, if it has answered yet. */
export function seatsOf(availability: Availability | undefined, { answered, failed }: { answered: boolean; failed?: unknown }): Seats {
  if (availability?.Available != null && availability.Capacity != null) {
    return { kind: 'left', left: availability.Available, capacity: availability.Capacity };
  }
  if (answered) return { kind: 'unknown' };
  return failed ? { kind: 'failed', error: failed } : { kind: 'loading' };
}

/** So few that it is worth saying. */
export function isScarce(left: number, capacity: number): boolean {
  return left > 0 && (left <= 5 || left <= capacity * 0.05);
}

/** The most seats that a booking may have. */
export function mostSeats(event: Event, sales: PageConfig['sales']): number {
  return event.MaxSeatsPerBooking ?? sales.maxSeatsPerBooking;
}

/** Whether a booking has to name somebody. */
export function needsPerson(event: Event): boolean {
  return event.MaxSeatsPerPerson != null || event.MaxBookingsPerPerson != null;
}
