/** The tickets that this browser knows: enough of each to show it before, or without, an answer of the services. */
import { useMemo, useSyncExternalStore } from 'react';
import type { Booking, Event } from '../api/client';
import { forget, keep, onChange, recall, recallAll } from '../app/storage';
import { useSignIn } from '../sign-in/session';

/** What a ticket has to say of its event. */
export interface TicketEvent {
  id: string;
  name: string;
  start: number;
  end: number;
  zone: string;
  place: string;
  /** The event was called off. */
  cancelled?: boolean;
}

export interface Ticket {
  id: string;
  event: TicketEvent;
  seats: number;
  state: string;
  /** When it was booked, Unix seconds. */
  date: number;
  /** Whose account it is booked with, where people sign in. */
  person?: string;
}

const START = 'ticket.';

export function ticketEvent(event: Event): TicketEvent {
  return {
    id: event.ID,
    name: event.Name,
    start: event.StartDate,
    end: event.EndDate,
    zone: event.Location?.TimeZone ?? 'Etc/UTC',
    place: event.Location?.Name ?? '',
    ...(event.Cancelled && { cancelled: true }),
  };
}

export function keepTicket(booking: Booking, event: TicketEvent, person = findTicket(booking.ID)?.person): void {
  const ticket: Ticket = { id: booking.ID, event, seats: booking.Seats, state: booking.State, date: booking.Date, ...(person && { person }) };
  keep(START + booking.ID, ticket);
}

export const findTicket = (id: string): Ticket | undefined => recall<Ticket>(START + id);

/** The booking as far as the ticket tells it. */
export function bookingOf({ id, event, seats, state, date }: Ticket): Booking {
  return { ID: id, EventID: event.id, Seats: seats, State: state, Date: date };
}

/** The event as far as the ticket tells it. */
export function eventOf({ event: { id, name, start, end, zone, place, cancelled } }: Ticket): Event {
  const about: Event = { ID: id, Name: name, Duration: 0, StartDate: start, EndDate: end, Cancelled: cancelled };
  // Without an ID a place stands for none.
  return { ...about, Location: { ID: place && id, Name: place, TimeZone: zone } };
}

export function forgetTicket(id: string): void {
  forget(START + id);
}

/** After signing out this browser may be somebody else's. */
export function forgetTicketsOf(person: string): void {
  for (const ticket of recallAll<Ticket>(START)) if (ticket.person === person) forgetTicket(ticket.id);
}

let snapshot = '';
function read(): string {
  // React compares snapshots by identity, so the text stands for the list.
  const text = JSON.stringify(recallAll<Ticket>(START));
  if (text !== snapshot) snapshot = text;
  return snapshot;
}

/** All of them but those of other accounts than the one signed in, those of the nearest event first. */
export function useTickets(): Ticket[] {
  const text = useSyncExternalStore(onChange, read);
  const person = useSignIn().session?.person;
  return useMemo(() => {
    const tickets = (JSON.parse(text) as Ticket[]).filter((ticket) => !person || !ticket.person || ticket.person === person);
    return tickets.sort((a, b) => a.event.start - b.event.start || b.date - a.date);
  }, [text, person]);
}
