/** All bookings on their way, whichever view shows them: begun by a form, or found again after a reload. */
import { useSyncExternalStore } from 'react';
import { type Booking, bookings, taken } from '../api/client';
import { fetchBooking, queries } from '../api/queries';
import type { PageConfig } from '../app/config';
import { keepFocus } from '../ui/focus';
import { allPending, dropPending, findPending, type Pending, savePending } from './pending';
import { type Delay, type Ended, lookUp, settle } from './settle';
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
  // One tab at a time; a browser without locks sends it twice under one key, which is done once all the same.
  const work = () => carryThrough(pending, resumed);
  const name = `myevents.pending.${pending.key}`;
  void (navigator.locks ? navigator.locks.request(name, work) : work());
}

/** Another tab has seen it through meanwhile: what it has kept says how it ended. */
function elsewhere(pending: Pending): Ended {
  const ticket = findTicket(pending.body.id);
  return ticket ? { kind: 'booked', booking: bookingOf(ticket) } : { kind: 'nothing' };
}

async function carryThrough(pending: Pending, resumed: boolean): Promise<void> {
  // While it waited for its turn another tab may have tried, been told to stop, or come to the end.
  const kept = findPending(pending.key);
  if (kept) {
    Object.assign(pending, kept);
    update(pending.key, {});
  } else if (resumed) {
    const ended = elsewhere(pending);
    // Where nothing was booked there is no ticket to go to: the banner says it, on whatever view.
    if (ended.kind === 'nothing') pending.left = true;
    update(pending.key, { ended });
    return;
  }
  /** Nobody waits for it any more; from then on every view tells how it ends. */
  const gone = () => {
    if (!pending.left && Date.now() - pending.begun > STALE) {
      pending.left = true;
      savePending(pending);
      update(pending.key, { resumed: true });
    }
    return pending.left === true;
  };
  class Left extends Error {}
  const means = {
    send,
    look: fetchBooking,
    save: savePending,
    now: Date.now,
    window: requestTimeout * 1_000 + SLACK,
    wait: async (milliseconds: number, delay: Delay) => {
      update(pending.key, { delay });
      await wait(milliseconds);
    },
  };
  const sending = {
    ...means,
    wait: async (milliseconds: number, delay: Delay) => {
      await means.wait(milliseconds, delay);
      if (gone()) throw new Left();
    },
  };
  let ended: Ended;
  try {
    ended = gone() ? await lookUp(pending, means) : await settle(pending, sending);
  } catch (error) {
    if (!(error instanceof Left)) throw error;
    ended = await lookUp(pending, means);
  }
  if (ended.kind === 'booked') keepTicket(ended.booking, pending.event);
  dropPending(pending.key);
  update(pending.key, { ended, delay: undefined });
  void queries.invalidateQueries({ queryKey: ['left'] });
}

/** Begins a booking. It is written down before anything is sent. */
export function start(pending: Pending): void {
  savePending(pending);
  begin(pending, false);
}

/** Takes up what an earlier visit left open. */
export function resumeAll(config: PageConfig): void {
  requestTimeout = config.sales.requestTimeout;
  for (const pending of allPending()) begin(pending, true);
  window.addEventListener('online', nudge);
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
