/** Bookings on their way. Each is written down before it is sent, so that a reload or a crash finds it again. */
import { forget, keep, recall, recallAll } from '../app/storage';
import type { TicketEvent } from './tickets';

export interface Pending {
  /** The form's `Idempotency-Key`. */
  key: string;
  event: TicketEvent;
  /** What is sent, the booking's own random id with it: under it one can look whether the booking was made. */
  body: { id: string; seats: number; name?: string; email?: string };
  /** When the person asked for it, milliseconds. */
  begun: number;
  /** When the latest try was sent of which nobody knows how it ended. */
  lost: number | null;
  /** The person has turned away: find out how it ended, but don't send it again. */
  left?: boolean;
  /** Who books, where people sign in; nothing while that is not known yet. */
  person?: string;
}

const START = 'pending.';

/** What makes all tries of one form the same booking. */
export interface Identity {
  key: string;
  id: string;
}

export function newIdentity(): Identity {
  const key = randomHex(16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { key, id: randomHex(12) };
}

export function newPending(identity: Identity, event: TicketEvent, wish: Omit<Pending['body'], 'id'>, now: number, person?: string): Pending {
  return { key: identity.key, event, body: { ...wish, id: identity.id }, begun: now, lost: null, ...(person && { person }) };
}

/** Tells whether a reload would find it again. */
export const savePending = (pending: Pending): boolean => keep(START + pending.key, pending);
export const dropPending = (key: string): void => forget(START + key);
export const findPending = (key: string): Pending | undefined => recall<Pending>(START + key);
export const allPending = (): Pending[] => recallAll<Pending>(START);

/** Random from the system: the id of a booking is the key to it. */
export function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
