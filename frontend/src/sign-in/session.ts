/**
 * Who is signed in, in this tab, and the token that says so. The tokens lie in `sessionStorage`: they outlive a reload and end
 * with the tab, and nothing else of the browser sees them. The protocol itself is in `flow.ts`, loaded when it is needed.
 */
import { useSyncExternalStore } from 'react';
import type { PageConfig } from '../app/config';
import { granted, type Scope } from './scopes';

export type SignInConfig = PageConfig['signIn'];

export interface Session {
  /** Issuer and client that it belongs to: another configuration is another session. */
  realm: string;
  /** Stands for issuer and subject, without telling either. */
  person: string;
  name: string;
  accessToken: string;
  /** Milliseconds; nothing where the provider did not say. */
  expires?: number;
  refreshToken?: string;
  scopes: string[];
}

/**
 * What went wrong: nobody answers, it was not begun here, the person or the provider said no, the provider said nonsense, the
 * services take its tokens for no good, or it does not know that the person has signed out.
 */
export type FaultKind = 'away' | 'foreign' | 'denied' | 'refused' | 'broken' | 'unfit' | 'half';

export class SignInFault extends Error {
  constructor(
    readonly kind: FaultKind,
    /** The provider's own words. */
    readonly said?: string,
    /** Where the person wanted to go on. */
    readonly back?: string,
  ) {
    super(said ?? kind);
    this.name = 'SignInFault';
  }
}

export interface SignInState {
  session?: Session;
  /** It was there, and has run out. */
  ended: boolean;
  /** On the way to the provider. */
  leaving: boolean;
  fault?: SignInFault;
}

const NAME = 'myevents.session';
/** A token that ends within this time is not sent any more: it would be refused on its way. */
const MARGIN = 10_000;

let config: SignInConfig | undefined;
let state: SignInState = { ended: false, leaving: false };
let tabs: BroadcastChannel | undefined;
let renewing: Promise<string | undefined> | undefined;
const listeners = new Set<() => void>();
const leavers = new Set<() => void>();

function change(next: Partial<SignInState>): void {
  state = { ...state, ...next };
  for (const listener of listeners) listener();
}

export function onSignIn(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const signInState = (): SignInState => state;
export const currentSession = (): Session | undefined => state.session;
export const realmOf = ({ issuer, clientId }: SignInConfig): string => `${clientId} ${issuer}`;

/** Whether this page can sign people in. */
export const offered = (): boolean => config !== undefined;

/** For this tab alone. Where the browser keeps nothing the session lasts until a reload. */
export function keepHere(name: string, value: unknown): void {
  try {
    if (value === undefined) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // It is in memory all the same.
  }
}

export function recallHere<T>(name: string): T | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? 'null') as T | undefined ?? undefined;
  } catch {
    return undefined;
  }
}

/** Takes up the session of before a reload. */
export function startSession({ signIn: given }: PageConfig): void {
  config = given.issuer && given.clientId ? given : undefined;
  tabs?.close();
  tabs = undefined;
  renewing = undefined;
  const kept = config && recallHere<Session>(NAME);
  const session = kept && kept.realm === realmOf(given) ? kept : undefined;
  if (!session) keepHere(NAME, undefined);
  state = { session, ended: false, leaving: false };
  if (!config || typeof BroadcastChannel === 'undefined') return;
  tabs = new BroadcastChannel('myevents.sign-in');
  // Who signs out means all of this browser.
  tabs.addEventListener('message', ({ data }) => data === 'out' && state.session && drop(true));
  // The browser may show this page again as it was left.
  window.addEventListener('pageshow', (event) => event.persisted && change({ leaving: false }));
}

/** Signed in, or signed in anew. */
export function enter(session: Session): void {
  keepHere(NAME, session);
  change({ session, ended: false, leaving: false, fault: undefined });
}

/** No longer signed in, in this tab. */
function drop(ended: boolean): void {
  keepHere(NAME, undefined);
  change({ session: undefined, ended });
}

const fresh = ({ expires }: Session): boolean => expires === undefined || expires - MARGIN > Date.now();

/** The token for a request to the services, renewed if need be; nothing where nobody is signed in. */
export async function token(): Promise<string | undefined> {
  const { session } = state;
  if (!session) return undefined;
  return fresh(session) ? session.accessToken : renew();
}

/** Another token than this one, which the services have refused. */
export async function anotherThan(refused: string): Promise<string | undefined> {
  const { session } = state;
  if (!session) return undefined;
  return session.accessToken === refused ? renew() : session.accessToken;
}

/** The services refuse tokens that are new: the provider makes them for somebody else, or with other keys. */
export function notTaken(): void {
  drop(true);
  change({ fault: new SignInFault('unfit') });
}

/** One renewal at a time: a refresh token may be good for one use only. */
function renew(): Promise<string | undefined> {
  renewing ??= renewOnce().finally(() => (renewing = undefined));
  return renewing;
}

async function renewOnce(): Promise<string | undefined> {
  const before = state.session;
  if (!config || !before) return undefined;
  if (!before.refreshToken) {
    drop(true);
    return undefined;
  }
  try {
    const flow = await import('./flow');
    const session = await flow.renew(config, before);
    // Signed out meanwhile.
    if (state.session !== before) return state.session?.accessToken;
    enter(session);
    return session.accessToken;
  } catch (error) {
    // While the provider is away nothing is known: the request is tried again, and the session stays.
    if (error instanceof SignInFault && error.kind !== 'away') {
      if (state.session === before) drop(true);
      return undefined;
    }
    throw error;
  }
}

/** Calls back before the browser leaves for the provider: what is on the screen has to be written down. */
export function onLeaving(keep: () => void): () => void {
  leavers.add(keep);
  return () => leavers.delete(keep);
}

/** Leaves for the provider, to come back to `back`; a booking begun here goes on then. */
export async function signIn(back = window.location.pathname + window.location.search, booking?: string): Promise<void> {
  if (!config || state.leaving) return;
  change({ leaving: true, fault: undefined });
  try {
    const flow = await import('./flow');
    for (const keep of leavers) keep();
    await flow.begin(config, { back, booking });
  } catch (error) {
    change({ leaving: false, fault: error instanceof SignInFault ? error : new SignInFault('away') });
  }
}

/** What came back with the address is exchanged for a session. */
export async function completeSignIn(answer: URLSearchParams): Promise<{ back: string; booking?: string }> {
  if (!config) throw new SignInFault('foreign');
  const flow = await import('./flow');
  const { session, back, booking } = await flow.finish(config, answer);
  enter(session);
  return { back, booking };
}

/** Signs out here and in the browser's other tabs at once, then at the provider. */
export async function signOut(): Promise<void> {
  const { session } = state;
  if (!config || !session) return;
  drop(false);
  tabs?.postMessage('out');
  change({ leaving: true, fault: undefined });
  try {
    const flow = await import('./flow');
    await flow.end(config, session);
  } catch {
    change({ leaving: false, fault: new SignInFault('half') });
  }
}

export function forgetFault(): void {
  change({ fault: undefined, ended: false });
}

export const useSignIn = (): SignInState => useSyncExternalStore(onSignIn, signInState);

/** Whether what is signed in may do this; where nobody has to sign in everybody may. */
export function may(needed: boolean, { session }: SignInState, scope: Scope): boolean {
  return !needed || (session !== undefined && granted(session.scopes, scope));
}
