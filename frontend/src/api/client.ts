/** The only place that calls `fetch` for the services' interfaces. */
import createClient from 'openapi-fetch';
import type { PageConfig } from '../app/config';
import { learnTime } from './clock';
import { ApiError, errorOf } from './problem';
import type { components, paths } from './schema';

type Schemas = components['schemas'];
/** The service always sends a location; one with an empty ID stands for none. */
export type Event = Schemas['Event'];
export type Location = Schemas['Location'];
export type Hall = Schemas['Hall'];
export type Booking = Schemas['Booking'];
export type Availability = Schemas['Availability'];

type Client = ReturnType<typeof createClient<paths>>;

let eventClient: Client;
let bookingClient: Client;

/** How long an answer may take before it counts as lost; longer than the services allow themselves. */
let patience = 15_000;

export function connect(config: PageConfig): void {
  patience = (config.sales.requestTimeout + 5) * 1_000;
  eventClient = createClient<paths>({ baseUrl: config.api.events, fetch: timedFetch });
  bookingClient = createClient<paths>({ baseUrl: config.api.bookings, fetch: timedFetch });
}

export const events = (): Client => eventClient;
export const bookings = (): Client => bookingClient;

async function timedFetch(request: Request): Promise<Response> {
  const sent = Date.now();
  const limit = AbortSignal.timeout(patience);
  const signal = request.signal ? anySignal([request.signal, limit]) : limit;
  const response = await fetch(new Request(request, { signal, referrerPolicy: 'no-referrer' }));
  learnTime(response.headers.get('date'), sent, Date.now());
  return response;
}

function anySignal(signals: AbortSignal[]): AbortSignal {
  if ('any' in AbortSignal) return AbortSignal.any(signals);
  const controller = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of a successful answer; anything else is thrown as an `ApiError`. */
export async function taken<T>(asked: Promise<Answer<T>>): Promise<{ data: T; response: Response }> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0);
  }
  if (!answer.response.ok) throw errorOf(answer.response, answer.error);
  return { data: answer.data as T, response: answer.response };
}

/** The cursor of the next page, from the `Link` header. */
export function nextCursor(response: Response): string | undefined {
  const link = /<([^>]*)>;\s*rel="next"/.exec(response.headers.get('link') ?? '');
  const query = link?.[1]?.split('?')[1];
  return query ? (new URLSearchParams(query).get('cursor') ?? undefined) : undefined;
}
