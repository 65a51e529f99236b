// @vitest-environment jsdom
import { expect, test } from 'vitest';
import { DEFAULTS, type PageConfig, readConfig } from '../app/config';
import { granted } from './scopes';
import { anotherThan, currentSession, may, notTaken, offered, realmOf, type Session, signInState, startSession, token } from './session';

const PROVIDER = { ...DEFAULTS.signIn, needed: true, issuer: 'https://id.example', clientId: 'page' };
const CONFIG: PageConfig = { ...DEFAULTS, signIn: PROVIDER };

function kept(change: Partial<Session> = {}): void {
  const session: Session = { realm: realmOf(PROVIDER), person: 'p', name: 'Ada', accessToken: 'first', scopes: ['bookings:write'], ...change };
  sessionStorage.setItem('myevents.session', JSON.stringify(session));
}

test('a session outlives a reload, but not another configuration', async () => {
  kept();
  startSession(CONFIG);
  expect(await token()).toBe('first');
  startSession({ ...CONFIG, signIn: { ...PROVIDER, issuer: 'https://other.example' } });
  expect(await token()).toBeUndefined();
  expect(sessionStorage.getItem('myevents.session')).toBeNull();
});

test('without a provider nobody is signed in, whatever the tab has kept', async () => {
  kept();
  startSession(DEFAULTS);
  expect([offered(), await token()]).toEqual([false, undefined]);
});

test('a token that has run out, or was refused, and can’t be renewed ends the session, and it is told', async () => {
  for (const end of [() => token(), () => anotherThan('first')]) {
    kept({ expires: Date.now() + 1_000 });
    startSession(CONFIG);
    expect(await end()).toBeUndefined();
    expect([currentSession(), signInState().ended]).toEqual([undefined, true]);
    expect(sessionStorage.getItem('myevents.session')).toBeNull();
  }
});

test('a refusal of an older token changes nothing: there is a newer one', async () => {
  kept({ accessToken: 'second' });
  startSession(CONFIG);
  expect(await anotherThan('first')).toBe('second');
  expect(signInState().ended).toBe(false);
});

test('tokens that the services never take end the session with a word', () => {
  kept();
  startSession(CONFIG);
  notTaken();
  expect([currentSession(), signInState().fault?.kind]).toEqual([undefined, 'unfit']);
});

test('a scope is had by itself, as the admin’s, or with the interface’s name before it', () => {
  expect(granted(['openid', 'events:write'], 'events:write')).toBe(true);
  expect(granted(['events:admin'], 'events:write')).toBe(true);
  expect(granted(['api://tickets/bookings:admin'], 'bookings:admin')).toBe(true);
  expect(granted(['bookings:write'], 'bookings:admin')).toBe(false);
  expect(granted(['events:admin'], 'bookings:write')).toBe(false);
  expect(granted([], 'bookings:write')).toBe(false);
});

test('where nobody has to sign in everybody may', () => {
  const nobody = { ended: false, leaving: false };
  expect(may(false, nobody, 'events:write')).toBe(true);
  expect(may(true, nobody, 'events:write')).toBe(false);
});

test('the configuration takes lists of texts, and a provider makes sign-in needed', () => {
  const read = (signIn: unknown) => readConfig({ signIn }).signIn;
  expect(read({ issuer: 'https://id.example', clientId: 'page', scopes: ['openid', 7, 'x'] })).toMatchObject({ needed: true, scopes: ['openid', 'x'] });
  expect(read({ needed: true, scopes: 'openid' })).toMatchObject({ needed: true, clientId: '', scopes: DEFAULTS.signIn.scopes });
  expect(read(undefined)).toEqual(DEFAULTS.signIn);
});
