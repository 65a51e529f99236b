/** The only place that calls `fetch` for the services' interfaces. */
import createClient, { type Middleware } from 'openapi-fetch';
import type { PageConfig } from '../app/config';
import { anotherThan, notTaken, token } from '../sign-in/session';
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
  eventClient.use(signed);
  bookingClient.use(signed);
}

/** Everybody may ask these: without a token they work on while a sign-in runs out, or the keys for checking it are away. */
const PUBLIC = ['/events', '/events/{id}', '/locations', '/locations/{id}', '/availability', '/events/{id}/availability'];

/** Puts the token of whoever is signed in on what is not for everybody. Only these two clients have it, so nobody else gets it. */
const signed: Middleware = {
  onRequest: async ({ request, schemaPath }) => {
    if (request.method === 'GET' && PUBLIC.includes(schemaPath)) return;
    const bearer = await token();
    if (bearer) request.headers.set('authorization', `Bearer ${bearer}`);
  },
};

export const events = (): Client => eventClient;
export const bookings = (): Client => bookingClient;

/** Sends it, and once more with a new token where the services refuse the one that it had. */
async function timedFetch(request: Request): Promise<Response> {
  const bearer = request.headers.get('authorization')?.slice('Bearer '.length);
  if (!bearer) return send(request);
  const again = request.clone();
  const response = await send(request);
  if (response.status !== 401) return response;
  const other = await anotherThan(bearer);
  if (!other) return response;
  again.headers.set('authorization', `Bearer ${other}`);
  const last = await send(again);
  if (last.status === 401) notTaken();
  return last;
}

async function send(request: Request): Promise<Response> {
  const sent = Date.now();
  const limit = AbortSignal.timeout(patience);
  const signal = request.signal ? anySignal([request.signal, limit]) : limit;
  // A token goes where it was meant to go, or nowhere.
  const redirect: RequestInit = request.headers.has('authorization') ? { redirect: 'error' } : {};
  const response = await fetch(new Request(request, { signal, referrerPolicy: 'no-referrer', ...redirect }));
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
