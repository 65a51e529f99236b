/** What views ask for, kept and shared by TanStack Query. */
import { QueryClient, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useBackoff } from './backoff';
import { type Availability, type Booking, bookings, type Event, events, nextCursor, taken } from './client';
import { asApiError } from './problem';

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // Refusals stay refusals; silence and overload may pass.
      retry: (count, error) => count < 2 && [0, 429, 502, 503, 504].includes(asApiError(error).status),
      retryDelay: (count, error) => (asApiError(error).retryAfter ?? 0.4 * 2 ** count) * 1_000,
      // Ask even when the browser believes that it is offline: the service may run on this very machine.
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});

export interface EventFilter {
  q?: string;
  from?: number;
  to?: number;
  cancelled?: boolean;
}

const PAGE = 24;

export function useEvents(filter: EventFilter, limit = PAGE) {
  return useInfiniteQuery({
    queryKey: ['events', filter, limit],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const query = { ...filter, limit, cursor: pageParam };
      const { data, response } = await taken(events().GET('/events', { params: { query }, signal }));
      return { items: data, next: nextCursor(response) };
    },
    getNextPageParam: (last) => last.next,
    // While somebody types the list before stays, rather than blinking at every letter.
    placeholderData: (previous) => previous,
  });
}

export async function fetchEvent(id: string, signal?: AbortSignal): Promise<{ event: Event; etag: string }> {
  const asked = events().GET('/events/{id}', { params: { path: { id } }, signal });
  const { data, response } = await taken(asked);
  return { event: data, etag: response.headers.get('etag') ?? '' };
}

function listed(id: string): { event: Event; etag: string } | undefined {
  type Pages = { pages: { items: Event[] }[] };
  for (const [, data] of queries.getQueriesData<Pages>({ queryKey: ['events'] })) {
    const event = data?.pages.flatMap((page) => page.items).find((each) => each.ID === id);
    if (event) return { event, etag: '' };
  }
  return undefined;
}

export function useEvent(id: string) {
  return useQuery({
    queryKey: ['event', id],
    queryFn: ({ signal }) => fetchEvent(id, signal),
    enabled: id !== '',
    // Seldom is enough for what seldom changes; `useLeft` hears sooner when something has happened.
    refetchInterval: 60_000,
    // What the list has already shown stands in until the event's own answer is there.
    placeholderData: listed(id),
  });
}

export type Left = Record<string, Availability>;

/** The most events that one question may name. */
const TOGETHER = 100;

async function fetchLeft(ids: string[], signal?: AbortSignal): Promise<Left> {
  const left: Left = {};
  for (let start = 0; start < ids.length; start += TOGETHER) {
    const query = { ids: ids.slice(start, start + TOGETHER).join(',') };
    const { data } = await taken(bookings().GET('/availability', { params: { query }, signal }));
    for (const each of data as Availability[]) left[each.EventID] = each;
  }
  return left;
}

/** What is left of these events, kept fresh. */
export function useLeft(ids: string[]) {
  const refetchInterval = useBackoff();
  const asked = useQuery({
    queryKey: ['left', ids],
    queryFn: ({ signal }) => fetchLeft(ids, signal),
    enabled: ids.length > 0,
    staleTime: 1_000,
    refetchInterval,
    // A longer list keeps showing what is known of its beginning.
    placeholderData: (previous) => previous,
  });
  // While it is asked anew the query forgets that it has failed, and a view must not flicker between the two.
  const [failed, setFailed] = useState<unknown>();
  if (asked.error && asked.error !== failed) setFailed(asked.error);
  if (asked.isSuccess && failed) setFailed(undefined);
  return { data: asked.data, answered: asked.isSuccess && !asked.isPlaceholderData, failed, refetch: asked.refetch };
}

export async function fetchBooking(id: string, signal?: AbortSignal): Promise<Booking> {
  const { data } = await taken(bookings().GET('/bookings/{id}', { params: { path: { id } }, signal }));
  return data;
}

export function useBooking(id: string) {
  return useQuery({
    queryKey: ['booking', id],
    queryFn: ({ signal }) => fetchBooking(id, signal),
    staleTime: 0,
  });
}

/** The bookings of whoever is signed in, newest first; as many as anybody looks through. */
async function fetchOwn(signal?: AbortSignal): Promise<Booking[]> {
  const own: Booking[] = [];
  let cursor: string | undefined;
  do {
    const params = { path: { id: 'me' }, query: { limit: 200, cursor } };
    const asked = taken(bookings().GET('/users/{id}/bookings', { params, signal }));
    const page = await asked.catch((error: unknown) => {
      // Who has never booked is not known yet.
      if (asApiError(error).status === 404) return undefined;
      throw error;
    });
    own.push(...((page?.data ?? []) as Booking[]));
    cursor = page && nextCursor(page.response);
  } while (cursor && own.length < 1_000);
  return own;
}

export function useOwn(person: string | undefined) {
  return useQuery({ queryKey: ['own', person], queryFn: ({ signal }) => fetchOwn(signal), enabled: person !== undefined, staleTime: 0 });
}
