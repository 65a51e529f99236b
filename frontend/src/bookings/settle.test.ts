import { expect, test, vi } from 'vitest';
import type { Booking } from '../api/client';
import { ApiError, type Problem } from '../api/problem';
import { newIdentity, newPending, type Pending } from './pending';
import { lookUp, type Means, settle, verdict } from './settle';

const booking: Booking = { ID: 'b', Date: 1, EventID: 'e', Seats: 1, State: 'confirmed' };
const event = { id: 'e', name: 'Aida', start: 1, end: 2, zone: 'UTC', place: '' };

function problem(word: string, status: number): ApiError {
  const body = { type: `urn:myevents:problem:${word}`, title: '', status, detail: '', requestId: '' } as Problem;
  return new ApiError(status, body);
}

const LOST = new ApiError(0);
const SOLD_OUT = problem('sold-out', 409);

/** A service that answers in turn; time passes only by waiting. */
function run(answers: (ApiError | Booking)[], each = 100) {
  let clock = 1_000_000;
  const saved: Pending[] = [];
  const sent: number[] = [];
  const waits: [string, number][] = [];
  const answer = () => {
    sent.push(clock);
    clock += each;
    const next = answers.shift();
    if (next instanceof ApiError) return Promise.reject(next);
    if (!next) throw new Error('asked too often');
    return Promise.resolve(next);
  };
  const means: Means = {
    send: answer,
    look: answer,
    save: (pending) => saved.push(structuredClone(pending)),
    now: () => clock,
    wait: (milliseconds, why) => {
      waits.push([why, milliseconds]);
      clock += milliseconds;
      return Promise.resolve();
    },
    window: 11_000,
    signIn: true,
  };
  const pending = newPending(newIdentity(), event, { seats: 1 }, clock);
  return { means, pending, saved, sent, waits };
}

test('a wish taken over from an earlier booking is another booking', () => {
  const first = newPending(newIdentity(), event, { seats: 4, name: 'Ada' }, 1);
  const identity = newIdentity();
  const second = newPending(identity, event, { ...first.body, seats: 2 }, 2);
  expect(second.body).toEqual({ id: identity.id, seats: 2, name: 'Ada' });
  expect(second.body.id).not.toBe(first.body.id);
});

test('it is written down before it is sent', async () => {
  const { means, pending, saved } = run([booking]);
  const send = vi.spyOn(means, 'send').mockImplementation(() => {
    expect(saved.at(-1)?.lost).not.toBeNull();
    return Promise.resolve(booking);
  });
  expect(await settle(pending, means)).toEqual({ kind: 'booked', booking });
  expect(send).toHaveBeenCalledOnce();
});

test('a first refusal is final at once', async () => {
  const { means, pending, waits } = run([SOLD_OUT]);
  expect(await settle(pending, means)).toEqual({ kind: 'refused', error: SOLD_OUT });
  expect(waits).toEqual([]);
});

test('a lost answer is asked for until it comes', async () => {
  const { means, pending, sent } = run([LOST, LOST, new ApiError(502), problem('outcome-unknown', 503), booking]);
  expect(await settle(pending, means)).toEqual({ kind: 'booked', booking });
  expect(sent).toHaveLength(5);
});

test('a refusal of a retry counts only if it was sent after the lost try can’t be granted any more', async () => {
  const { means, pending, sent, waits } = run([LOST, SOLD_OUT, SOLD_OUT]);
  expect(await settle(pending, means)).toEqual({ kind: 'refused', error: SOLD_OUT });
  expect((sent[2] ?? 0) - (sent[0] ?? 0)).toBeGreaterThanOrEqual(11_000);
  expect(waits.map(([why]) => why)).toEqual(['silence', 'deciding']);
});

test('the lost try may be granted after a retry was refused', async () => {
  const { means, pending } = run([LOST, SOLD_OUT, booking]);
  expect(await settle(pending, means)).toEqual({ kind: 'booked', booking });
});

test('each lost try opens the window anew', async () => {
  const { means, pending, sent } = run([LOST, SOLD_OUT, LOST, SOLD_OUT, SOLD_OUT]);
  expect((await settle(pending, means)).kind).toBe('refused');
  expect((sent[4] ?? 0) - (sent[2] ?? 0)).toBeGreaterThanOrEqual(11_000);
});

test('a try that changed nothing leaves no doubt behind', async () => {
  const { means, pending, waits } = run([problem('overloaded', 503), problem('unavailable', 503), SOLD_OUT]);
  expect(await settle(pending, means)).toEqual({ kind: 'refused', error: SOLD_OUT });
  expect(waits.map(([why]) => why)).toEqual(['busy', 'busy']);
});

test('what was lost before a reload is still lost after it', async () => {
  const { means, pending, sent } = run([SOLD_OUT, SOLD_OUT]);
  pending.lost = means.now() - 2_000;
  expect((await settle(pending, means)).kind).toBe('refused');
  expect((sent[1] ?? 0) - (pending.lost ?? 0)).toBeGreaterThanOrEqual(11_000);
});

test('looking says “nothing” only when no lost try can be granted any more', async () => {
  const unknown = problem('not-found', 404);
  const { means, pending, sent } = run([LOST, unknown, unknown]);
  pending.lost = means.now();
  const begun = pending.lost;
  expect(await lookUp(pending, means)).toEqual({ kind: 'nothing' });
  expect((sent.at(-1) ?? 0) - begun).toBeGreaterThanOrEqual(11_000);
  const found = run([booking]);
  expect(await lookUp(found.pending, found.means)).toEqual({ kind: 'booked', booking });
});

test('who is turned away for want of a sign-in waits for it, and asks again under the same key', async () => {
  const { means, pending, saved, waits } = run([problem('unauthenticated', 401), booking]);
  expect(await settle(pending, means)).toEqual({ kind: 'booked', booking });
  expect(waits.map(([why]) => why)).toEqual(['signIn']);
  expect(new Set(saved.map(({ key }) => key)).size).toBe(1);
  // It was never let in, so it leaves no doubt behind.
  expect(saved.at(1)?.lost).toBeNull();
});

test('where nobody can sign in that is a refusal', async () => {
  const { means, pending } = run([problem('unauthenticated', 401)]);
  means.signIn = false;
  expect((await settle(pending, means)).kind).toBe('refused');
});

test('looking waits for a sign-in too', async () => {
  const { means, pending, waits } = run([problem('unauthenticated', 401), booking]);
  expect(await lookUp(pending, means)).toEqual({ kind: 'booked', booking });
  expect(waits.map(([why]) => why)).toEqual(['signIn']);
});

test('only the services’ own word says that nothing was changed', () => {
  expect(verdict(new ApiError(503))).toBe('lost');
  expect(verdict(problem('unavailable', 503))).toBe('untouched');
  expect(verdict(problem('internal', 500))).toBe('lost');
  expect(verdict(new ApiError(404))).toBe('lost');
  expect(verdict(problem('not-found', 404))).toBe('refused');
  expect(verdict(new ApiError(429))).toBe('untouched');
});
