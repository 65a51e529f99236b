/** The organiser's questions for bookings of an event. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useBackoff } from '../api/backoff';
import { type Booking, bookings, nextCursor, taken } from '../api/client';

export interface BookingFilter {
  q?: string;
  state?: string;
  from?: number;
  to?: number;
}

async function page(id: string, filter: BookingFilter, limit: number, cursor: string | undefined, signal?: AbortSignal) {
  const asked = bookings().GET('/events/{id}/bookings', { params: { path: { id }, query: { ...filter, limit, cursor } }, signal });
  const { data, response } = await taken(asked);
  return { items: data as Booking[], next: nextCursor(response) };
}

export function useBookings(id: string, filter: BookingFilter) {
  const refetchInterval = useBackoff();
  return useInfiniteQuery({
    queryKey: ['bookings', id, filter],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => page(id, filter, 50, pageParam, signal),
    getNextPageParam: (last) => last.next,
    refetchInterval,
  });
}

/** All pages, or as many as `most` bookings take. */
export async function collect(id: string, filter: BookingFilter, most = Infinity, signal?: AbortSignal): Promise<Booking[]> {
  const all: Booking[] = [];
  let cursor: string | undefined;
  do {
    const { items, next } = await page(id, filter, 1_000, cursor, signal);
    all.push(...items);
    cursor = next;
  } while (cursor && all.length < most);
  return all;
}

/** A chart of more than this takes longer than anybody waits. */
export const CHARTED = 20_000;

export function useCharted(id: string) {
  return useQuery({
    queryKey: ['charted', id],
    queryFn: ({ signal }) => collect(id, { state: 'confirmed' }, CHARTED, signal),
    staleTime: 30_000,
  });
}
