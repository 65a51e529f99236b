/** How events and locations are stored. */
import { useQuery } from '@tanstack/react-query';
import { type Event, events, type Location, nextCursor, taken } from '../api/client';
import { fetchEvent, queries } from '../api/queries';
import { type EventDraft, eventBody, eventDraft } from './eventDraft';
import { type LocationDraft, locationBody, locationDraft } from './locationDraft';
import type { Kind, Stored } from './useRecord';

function stored<Rec>({ data, response }: { data: unknown; response: Response }): Stored<Rec> {
  return { record: data as Rec, etag: response.headers.get('etag') ?? '' };
}

/** A record without an ID is a new one: the service gives it one. */
function withoutId<Rec extends { ID?: string }>(body: Rec): Rec {
  const copy = { ...body };
  delete copy.ID;
  return copy;
}

export const EVENTS: Kind<Event, EventDraft> = {
  toDraft: eventDraft,
  toBody: eventBody,
  fetch: async (id) => {
    const { event, etag } = await fetchEvent(id);
    return { record: event, etag };
  },
  create: async (body, key) =>
    stored(await taken(events().POST('/events', { params: { header: { 'Idempotency-Key': key } }, body: withoutId(body) }))),
  put: async (id, body, etag) =>
    stored(await taken(events().PUT('/events/{id}', { params: { path: { id }, header: { 'If-Match': etag } }, body }))),
};

/** A location that stands alone needs a name; one without is refused. */
const named = <L extends { Name?: string }>(body: L) => ({ ...body, Name: body.Name ?? '' });

export const LOCATIONS: Kind<Location, LocationDraft> = {
  toDraft: locationDraft,
  toBody: locationBody,
  fetch: async (id) => stored(await taken(events().GET('/locations/{id}', { params: { path: { id } } }))),
  create: async (body, key) =>
    stored(await taken(events().POST('/locations', { params: { header: { 'Idempotency-Key': key } }, body: named(withoutId(body)) }))),
  put: async (id, body, etag) =>
    stored(await taken(events().PUT('/locations/{id}', { params: { path: { id }, header: { 'If-Match': etag } }, body: named(body) }))),
};

/** All locations, page after page: the form's choice needs them all. */
async function allLocations(signal: AbortSignal): Promise<Location[]> {
  const all: Location[] = [];
  let cursor: string | undefined;
  do {
    const { data, response } = await taken(events().GET('/locations', { params: { query: { cursor } }, signal }));
    all.push(...(data as Location[]));
    cursor = nextCursor(response);
  } while (cursor);
  return all.sort((a, b) => (a.Name ?? '').localeCompare(b.Name ?? ''));
}

export function useLocations() {
  return useQuery({ queryKey: ['locations'], queryFn: ({ signal }) => allLocations(signal) });
}

/** A record for its form: always what is stored now, never what was shown before. */
export function useStored<Rec, Draft>(kind: Kind<Rec, Draft>, name: string, id: string | undefined) {
  return useQuery({
    queryKey: ['stored', name, id],
    queryFn: () => kind.fetch(id ?? ''),
    enabled: id !== undefined,
    gcTime: 0,
    staleTime: Infinity,
    refetchOnReconnect: false,
  });
}

/** What lists and views have kept of it is out of date. */
export function changed(): void {
  for (const name of ['events', 'event', 'left', 'locations']) void queries.invalidateQueries({ queryKey: [name] });
}
