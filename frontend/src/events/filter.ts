/** What the list is narrowed to; it lives in the address, so that going back finds it again. */
import type { EventFilter } from '../api/queries';
import { dayEnd, dayStart } from './when';

export const WHENS = ['any', 'week', 'month', 'dates'] as const;
export type When = (typeof WHENS)[number];

export interface Wish {
  q: string;
  when: When;
  from: string;
  to: string;
}

export const NO_WISH: Wish = { q: '', when: 'any', from: '', to: '' };

export function readWish(params: URLSearchParams): Wish {
  const when = WHENS.find((each) => each === params.get('when')) ?? 'any';
  return { q: params.get('q') ?? '', when, from: params.get('from') ?? '', to: params.get('to') ?? '' };
}

export function writeWish(wish: Wish): URLSearchParams {
  const params = new URLSearchParams();
  if (wish.q) params.set('q', wish.q);
  if (wish.when !== 'any') params.set('when', wish.when);
  if (wish.when === 'dates' && wish.from) params.set('from', wish.from);
  if (wish.when === 'dates' && wish.to) params.set('to', wish.to);
  return params;
}

export const isNarrowed = (wish: Wish): boolean => wish.q !== '' || wish.when !== 'any';

/** What the event service is asked for. Without dates of one's own the list begins today. */
export function toFilter(wish: Wish, now: Date): EventFilter {
  const day = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const today = day.getTime() / 1_000;
  const after = (days: number) => new Date(day.getFullYear(), day.getMonth(), day.getDate() + days).getTime() / 1_000 - 1;
  const q = wish.q.trim() || undefined;
  // A cancelled event stays in sight: whoever meant to go should see it.
  const base = { q, cancelled: true };
  switch (wish.when) {
    case 'week':
      return { ...base, from: today, to: after(8) };
    case 'month':
      return { ...base, from: today, to: after(31) };
    case 'dates':
      return { ...base, from: dayStart(wish.from) ?? today, to: dayEnd(wish.to) };
    default:
      return { ...base, from: today };
  }
}
