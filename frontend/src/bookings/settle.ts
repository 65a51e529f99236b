/**
 * Sends one booking until it is known how it ended. The rules are those of the services' interface:
 * the same key and content are done once, and a refusal of a retry counts only after the lost try before it can no longer be granted.
 */
import type { Booking } from '../api/client';
import { ApiError } from '../api/problem';
import type { Pending } from './pending';

export type Ended = { kind: 'booked'; booking: Booking } | { kind: 'refused'; error: ApiError } | { kind: 'nothing' };

/** Why it takes longer: nobody answers, the service has too much to do, an earlier try is still being decided, or nobody is signed in. */
export type Delay = 'silence' | 'busy' | 'deciding' | 'signIn';

export interface Means {
  send: (pending: Pending) => Promise<Booking>;
  look: (id: string) => Promise<Booking>;
  save: (pending: Pending) => void;
  now: () => number;
  /** Waits, or comes back sooner when something has changed. */
  wait: (milliseconds: number, why: Delay) => Promise<void>;
  /** Milliseconds after which a lost try can't be granted any more. */
  window: number;
  /** Whether people can sign in here: what is turned away for want of that is not refused yet. */
  signIn: boolean;
}

/** What an unsuccessful try says about the booking. */
export function verdict(error: ApiError): 'lost' | 'untouched' | 'refused' | 'signIn' {
  // Only the services' own word counts: a proxy that says 503 does not know what it cut off.
  if (['unavailable', 'overloaded', 'timeout'].includes(error.word)) return 'untouched';
  if (error.status === 429) return 'untouched';
  // It was turned away at the door.
  if (error.word === 'unauthenticated') return 'signIn';
  if (error.status >= 400 && error.status < 500 && error.word !== '') return 'refused';
  return 'lost';
}

function pause(turn: number, error: ApiError): number {
  return Math.max((error.retryAfter ?? 0) * 1_000, Math.min(500 * 2 ** turn, 15_000));
}

/** Sends it until the outcome is known. `pending` is kept up to date in storage all along. */
export async function settle(pending: Pending, means: Means): Promise<Ended> {
  for (let turn = 0; ; turn += 1) {
    const earlier = pending.lost;
    const sent = means.now();
    pending.lost = sent;
    means.save(pending);
    try {
      return { kind: 'booked', booking: await means.send(pending) };
    } catch (thrown) {
      const error = thrown instanceof ApiError ? thrown : new ApiError(0);
      const said = verdict(error);
      if (said === 'lost') {
        await means.wait(pause(turn, error), 'silence');
        continue;
      }
      pending.lost = earlier;
      means.save(pending);
      if (said === 'untouched') {
        await means.wait(pause(turn, error), 'busy');
        continue;
      }
      if (said === 'signIn' && means.signIn) {
        await means.wait(pause(turn, error), 'signIn');
        continue;
      }
      const open = earlier === null ? 0 : means.window - (sent - earlier);
      if (open <= 0) return { kind: 'refused', error };
      await means.wait(Math.min(open, means.window), 'deciding');
    }
  }
}

/** Finds out how it ended without sending it again: for a booking that was begun long ago, or given up. */
export async function lookUp(pending: Pending, means: Means): Promise<Ended> {
  for (let turn = 0; ; turn += 1) {
    const asked = means.now();
    try {
      return { kind: 'booked', booking: await means.look(pending.body.id) };
    } catch (thrown) {
      const error = thrown instanceof ApiError ? thrown : new ApiError(0);
      if (error.status !== 404 || error.word === '') {
        await means.wait(pause(turn, error), means.signIn && verdict(error) === 'signIn' ? 'signIn' : 'silence');
        continue;
      }
      // A clock that was set back must not make this wait for ever.
      const open = pending.lost === null ? 0 : means.window - (asked - pending.lost);
      if (open <= 0) return { kind: 'nothing' };
      await means.wait(Math.min(open, means.window), 'deciding');
    }
  }
}
