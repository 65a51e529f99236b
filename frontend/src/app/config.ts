/** `config.json`: where the services are, how the page is branded, and what of the services' settings it has to know. */
import { createContext, useContext } from 'react';

export interface PageConfig {
  /** Base addresses of the two services; empty = this page's own origin. */
  api: { events: string; bookings: string };
  branding: { name: string; colour: string; logo: string };
  sales: {
    refusePastEvents: boolean;
    unknownCapacity: 'refuse' | 'allow';
    maxSeatsPerBooking: number;
    /** Seconds after which a try whose answer was lost can't be granted any more. */
    requestTimeout: number;
  };
  /** Where the link of a place leads; `{query}` stands for its address. Empty = no link. */
  map: string;
  signIn: {
    /** The services take bookings from signed-in callers only. */
    needed: boolean;
    /** The identity provider, and what the page is called there; empty = this page can't sign in. */
    issuer: string;
    clientId: string;
    scopes: string[];
    /** What some providers want to hear to make tokens for the services: `audience` is Auth0's word, `resource` that of RFC 8707. */
    audience: string;
    resource: string;
  };
  /** Whether the page shows the way to the organiser's part. */
  organiser: boolean;
}

export const DEFAULTS: PageConfig = {
  api: { events: '', bookings: '' },
  branding: { name: 'MyEvents', colour: '#0f6b6b', logo: '' },
  sales: { refusePastEvents: false, unknownCapacity: 'refuse', maxSeatsPerBooking: 20, requestTimeout: 10 },
  map: 'https://www.openstreetmap.org/search?query={query}',
  signIn: { needed: false, issuer: '', clientId: '', scopes: ['openid', 'profile', 'bookings:write'], audience: '', resource: '' },
  organiser: true,
};

/** Takes what is there and has the right form; the rest stays as by default. */
export function readConfig(given: unknown): PageConfig {
  const config = overlay(DEFAULTS, given);
  if (!/^#[0-9a-f]{6}$/i.test(config.branding.colour)) config.branding.colour = DEFAULTS.branding.colour;
  // Only pages: a `javascript:` address in a link would be a program.
  if (config.map && !/^https?:\/\//.test(config.map)) config.map = DEFAULTS.map;
  // Who can sign in is meant to.
  if (config.signIn.issuer && config.signIn.clientId) config.signIn.needed = true;
  if (config.sales.unknownCapacity !== 'allow') config.sales.unknownCapacity = 'refuse';
  return config;
}

function overlay<T extends object>(defaults: T, given: unknown): T {
  const values = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = values[name];
    if (Array.isArray(fallback)) result[name] = Array.isArray(value) ? value.filter((each) => typeof each === 'string') : fallback;
    else if (typeof fallback === 'object') result[name] = overlay(fallback as object, value);
    else result[name] = typeof value === typeof fallback ? value : fallback;
  }
  return result as T;
}

/** Loads it. A site that has no such file, or none that is JSON, has the defaults; a site that can't be reached is an error. */
export async function loadConfig(): Promise<PageConfig> {
  const response = await fetch('/config.json', { headers: { accept: 'application/json' } });
  if (response.status === 404) return DEFAULTS;
  if (!response.ok) throw new Error(`config.json: status ${response.status}`);
  const text = await response.text();
  try {
    return readConfig(JSON.parse(text));
  } catch {
    // Where every unknown path answers with the page, a file that is not there is one of them.
    return DEFAULTS;
  }
}

const Context = createContext<PageConfig>(DEFAULTS);
export const ConfigProvider = Context.Provider;
export const useConfig = (): PageConfig => useContext(Context);
