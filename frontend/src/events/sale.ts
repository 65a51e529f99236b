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

export type Seats = { kind: 'loading' } | { kind: 'unknown' } | { kind: 'left'; left: number; capacity: number };

/** `known` is what the booking service said, if it has answered yet. */
export function seatsOf(availability: Availability | undefined, answered: boolean): Seats {
  if (availability?.Available != null && availability.Capacity != null) {
    return { kind: 'left', left: availability.Available, capacity: availability.Capacity };
  }
  return answered ? { kind: 'unknown' } : { kind: 'loading' };
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
