/** What is wrong with a wish for seats, before it is sent. */
import type { Key } from '../i18n/en';
import type { Values } from '../i18n/message';

export interface Limits {
  /** Seats left; `null` while unknown. */
  left: number | null;
  most: number;
  needsEmail: boolean;
}

export type Fault = { key: Key; values?: Values } | undefined;

export function seatsFault(text: string, { left, most }: Limits): Fault {
  const seats = Number(text);
  if (!Number.isInteger(seats) || seats < 1) return { key: 'book.seats.low' };
  if (seats > most) return { key: 'book.seats.many', values: { n: most } };
  if (left !== null && left > 0 && seats > left) return { key: 'book.seats.left', values: { n: left } };
  return undefined;
}

export function emailFault(text: string, { needsEmail }: Limits): Fault {
  const email = text.trim();
  if (email === '') return needsEmail ? { key: 'book.email.missing' } : undefined;
  return /^[^\s@]+@[^\s@]+$/.test(email) ? undefined : { key: 'book.email.wrong' };
}
