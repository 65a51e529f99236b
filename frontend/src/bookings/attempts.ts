/** All bookings on their way, whichever view shows them: begun by a form, or found again after a reload. */
import { useSyncExternalStore } from 'react';
import { type Booking, bookings, taken } from '../api/client';
import { fetchBooking, queries } from '../api/queries';
import type { PageConfig } from '../app/config';
import { onChange } from '../app/storage';
import { keepFocus } from '../ui/focus';
import { allPending, dropPending, findPending, type Pending, savePending } from './pending';
import { currentSession, offered, onSignIn } from '../sign-in/session';
import { type Delay, type Ended, lookUp, type Means, settle } from './settle';
import { bookingOf, findTicket, keepTicket } from './tickets';

export interface Attempt {
  pending: Pending;
  /** Found again after a reload, rather than begun in this view. */
  resumed: boolean;
  delay?: Delay;
  ended?: Ended;
}

/** A booking begun longer ago is not sent again unasked: the person may have made other plans. */
const STALE = 15 * 60_000;
/** On top of the services' own limit: they count from when a request has arrived. */
const SLACK = 1_000;

let attempts: readonly Attempt[] = [];
const listeners = new Set<() => void>();
const nudges = new Set<() => void>();
let requestTimeout = 10;

function update(key: string, change: Partial<Attempt>): void {
  attempts = attempts.map((each) => (each.pending.key === key ? { ...each, ...change } : each));
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useAttempts(): readonly Attempt[] {
  return useSyncExternalStore(subscribe, () => attempts);
}

/** Tries again at once. */
export function nudge(): void {
  for (const each of [...nudges]) each();
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      nudges.delete(done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    nudges.add(done);
  });
}

async function send(pending: Pending): Promise<Booking> {
  const asked = bookings().POST('/events/{id}/bookings', {
    params: { path: { id: pending.event.id }, header: { 'Idempotency-Key': pending.key } },
    body: pending.body,
  });
  return (await taken(asked)).data;
}

function begin(pending: Pending, resumed: boolean): void {
  if (attempts.some((each) => each.pending.key === pending.key)) return;
  attempts = [...attempts, { pending, resumed }];
  for (const listener of listeners) listener();
  void seeThrough(pending, resumed);
}

async function seeThrough(pending: Pending, resumed: boolean): Promise<void> {
  const name = `myevents.pending.${pending.key}`;
  for (let turn = 0; ; turn += 1) {
    await signedInFor(pending);
    // One tab at a time; a browser without locks sends it twice under one key, which is done once all the same. Whoever has to
    // sign in first lets others have their turn.
    const work = () => carryThrough(pending, resumed || turn > 0);
    if (await (navigator.locks ? navigator.locks.request(name, work) : work())) return;
  }
}

/** Who is signed in is the one who books, or nobody has to sign in, or there is nothing left to be sent or asked. */
function mayGoOn(pending: Pending): boolean {
  const kept = findPending(pending.key);
  // Another tab has seen it through.
  if (!kept) return true;
  pending.person = kept.person ?? pending.person;
  if (overdue(pending) && pending.lost === null) return true;
  const session = currentSession();
  return session !== undefined && session.person === pending.person;
}

async function signedInFor(pending: Pending): Promise<void> {
  while (offered() && !mayGoOn(pending)) {
    update(pending.key, { delay: 'signIn' });
    await new Promise<void>((resolve) => {
      const stop = [onSignIn(wake), onChange(wake), () => nudges.delete(wake)];
      function wake(): void {
        for (const each of stop) each();
        resolve();
      }
      nudges.add(wake);
    });
  }
  update(pending.key, { delay: undefined });
}

/** Nobody waits for it any more. */
function overdue(pending: Pending): boolean {
  return pending.left === true || Date.now() - pending.begun > STALE;
}

/** Another tab has seen it through meanwhile: what it has kept says how it ended. */
function elsewhere(pending: Pending): Ended {
  const ticket = findTicket(pending.body.id);
  return ticket ? { kind: 'booked', booking: bookingOf(ticket) } : { kind: 'nothing' };
}

/** Tells whether it has come to its end; if not, somebody has to sign in first. */
async function carryThrough(pending: Pending, resumed: boolean): Promise<boolean> {
  // While it waited for its turn another tab may have tried, been told to stop, or come to the end.
  const kept = findPending(pending.key);
  if (kept) {
    Object.assign(pending, kept);
    update(pending.key, {});
  } else if (resumed) {
    const ended = elsewhere(pending);
    // Where nothing was booked there is no ticket to go to: the banner says it, on whatever view.
    if (ended.kind === 'nothing') pending.left = true;
    update(pending.key, { ended, delay: undefined });
    return true;
  }
  /** From then on every view tells how it ends. */
  const gone = () => {
    if (!pending.left && overdue(pending)) {
      pending.left = true;
      savePending(pending);
      update(pending.key, { resumed: true });
    }
    return pending.left === true;
  };
  class Left extends Error {}
  class SignInFirst extends Error {}
  const means: Means = {
    send,
    look: fetchBooking,
    save: savePending,
    signIn: offered(),
    now: Date.now,
    window: requestTimeout * 1_000 + SLACK,
    wait: async (milliseconds: number, delay: Delay) => {
      if (delay === 'signIn') throw new SignInFirst();
      update(pending.key, { delay });
      await wait(milliseconds);
    },
  };
  const sending: Means = {
    ...means,
    wait: async (milliseconds: number, delay: Delay) => {
      await means.wait(milliseconds, delay);
      if (gone()) throw new Left();
    },
  };
  let ended: Ended;
  try {
    ended = await found(pending, gone, means, sending).catch((error: unknown) => {
      if (!(error instanceof Left)) throw error;
      return found(pending, () => true, means, sending);
    });
  } catch (error) {
    if (error instanceof SignInFirst) return false;
    throw error;
  }
  if (ended.kind === 'booked') keepTicket(ended.booking, pending.event, pending.person);
  dropPending(pending.key);
  update(pending.key, { ended, delay: undefined });
  for (const name of ['left', 'own']) void queries.invalidateQueries({ queryKey: [name] });
  return true;
}

async function found(pending: Pending, gone: () => boolean, looking: Means, sending: Means): Promise<Ended> {
  if (!gone()) return settle(pending, sending);
  // What was never sent needs no asking.
  return pending.lost === null && offered() ? { kind: 'nothing' } : lookUp(pending, looking);
}

/** Begins a booking. It is written down before anything is sent. */
export function start(pending: Pending): void {
  savePending(pending);
  begin(pending, false);
}

/** Takes up what an earlier visit left open. */
export function resumeAll(config: PageConfig): void {
  requestTimeout = config.sales.requestTimeout;
  const person = currentSession()?.person;
  // What somebody else has begun in this browser is theirs to finish.
  for (const pending of allPending()) if (!person || !pending.person || pending.person === person) begin(pending, true);
  window.addEventListener('online', nudge);
}

/** Whoever has just signed in for it is the one who books. */
export function adopt(key: string): void {
  const person = currentSession()?.person;
  const pending = findPending(key);
  if (!person || !pending || (pending.person && pending.person !== person)) return;
  const adopted = { ...pending, person };
  const known = attempts.find((each) => each.pending.key === key);
  if (known) Object.assign(known.pending, adopted);
  savePending(adopted);
}

/** The person turns away: how it ended is still found out, and kept if seats were booked. */
export function leave(key: string): void {
  const attempt = attempts.find((each) => each.pending.key === key);
  if (!attempt) return;
  attempt.pending.left = true;
  savePending(attempt.pending);
  update(key, { resumed: true });
  // The button that was pressed is gone.
  keepFocus();
  nudge();
}

/** Removes an attempt that has ended from view. */
export function dismiss(key: string): void {
  attempts = attempts.filter((each) => each.pending.key !== key);
  for (const listener of listeners) listener();
}

/** The ticket is in view: the booking needs no mention any more. */
export function dismissBooked(id: string): void {
  const done = attempts.find((each) => each.ended?.kind === 'booked' && each.ended.booking.ID === id);
  if (done) dismiss(done.pending.key);
}
