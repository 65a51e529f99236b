/** Signing in on the page: a real identity provider, its forms, a booking, and all that can go wrong on the way. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { accessible, leave, PHONE, fits, shoot } from './browser.mjs';
import { Program, stage } from './program.mjs';
import { AUDIENCE, passForms, Provider } from './provider.mjs';

let program;
let browser;
let provider;

stage((begun) => ({ program, browser } = begun), async () => {
  const placed = await Program.placed();
  provider = await Provider.start(placed.origin);
  placed.settings = provider.settings;
  await placed.up();
  await placed.signIn();
  return placed;
});
after(() => provider?.down());

/** Somebody who looks at this path; `sent` is what their browser asks the services, and whom it tells a token. */
async function visit(path, options = {}) {
  const visitor = await browser.visitor(program.origin, { provider: provider.issuer, ...options });
  const sent = [];
  visitor.context.on('request', (request) => {
    sent.push({ method: request.method(), url: request.url(), headers: request.headers() });
  });
  await visitor.page.goto(path);
  return { visitor, page: visitor.page, sent };
}

const signOutButton = (page) => page.getByRole('button', { name: 'Sign out' });

async function signIn(page, name) {
  await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
  await passForms(page, name);
  await signOutButton(page).waitFor();
}

/** Changes what the tab has kept of the sign-in, and loads the page anew. */
async function changeSession(page, change) {
  await page.evaluate((changes) => {
    const session = JSON.parse(sessionStorage.getItem('myevents.session'));
    sessionStorage.setItem('myevents.session', JSON.stringify({ ...session, ...changes }));
  }, change);
  await page.reload();
  await signOutButton(page).waitFor();
}

const posts = (sent) => sent.filter(({ method, url }) => method === 'POST' && url.endsWith('/bookings'));
const done = (page) => page.getByText('Booked. Here is your ticket.').waitFor();

test('somebody signs in on the way to a booking, finds it on another device, cancels, and signs out', async () => {
  const event = await program.newEvent({ Name: 'Aida' });
  const { visitor, page, sent } = await visit(`/e/${event.ID}`);
  await page.getByRole('button', { name: 'One seat more' }).click();
  const book = page.getByRole('button', { name: 'Sign in and book 2 seats' });
  await book.waitFor();
  await accessible(page, 'an event before signing in');
  await book.click();
  await passForms(page, 'ada');
  await done(page);
  await page.getByText('Signed in as').waitFor({ state: 'attached' });
  await accessible(page, 'a ticket after signing in');
  await shoot(page, 'sign-in-ticket');
  const [booking] = await program.bookings(event);
  assert.deepEqual([(await program.bookings(event)).length, booking.Seats], [1, 2]);

  // The token went to the services only, and lies nowhere but in this tab.
  const kept = await page.evaluate(() => ({
    session: JSON.parse(sessionStorage.getItem('myevents.session')),
    names: Object.keys(sessionStorage),
    local: JSON.stringify({ ...localStorage }),
    cookies: document.cookie,
    url: location.href,
    path: location.pathname,
  }));
  assert.deepEqual([kept.names, kept.cookies, kept.path], [['myevents.session'], '', `/t/${booking.ID}`]);
  const { accessToken, refreshToken } = kept.session;
  const [claims] = accessToken.split('.').slice(1, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
  assert.deepEqual([claims.aud, claims.sub], [AUDIENCE, 'ada']);
  for (const [where, text] of [
    ['localStorage', kept.local],
    ['the address', kept.url],
    ['an address', sent.map(({ url }) => url).join('\n')],
    ["the program's log", program.log],
  ]) {
    assert.ok(!text.includes(accessToken) && !text.includes(refreshToken) && !text.includes('ada of'), `${where} holds what it must not: ${text}`);
  }
  const told = sent.filter(({ headers }) => headers.authorization);
  assert.ok(told.length > 0 && told.every(({ url }) => url.startsWith(`${program.origin}/`)), 'a token went elsewhere');
  assert.ok(provider.asked.every(({ authorization }) => !authorization));
  assert.ok(!told.some(({ method, url }) => method === 'GET' && /\/(events|availability|locations)(\/[^/]*)?(\?|$)/.test(url)), 'a public question had a token');

  // Another device, the same person.
  const other = await visit('/my', { viewport: PHONE });
  await other.page.getByRole('heading', { name: 'Sign in to go on' }).waitFor();
  await accessible(other.page, '/my before signing in');
  await signIn(other.page, 'ada');
  await other.page.getByRole('heading', { name: 'Aida' }).waitFor();
  await fits(other.page, '/my when signed in');
  await accessible(other.page, '/my when signed in');
  await shoot(other.page, 'sign-in-my');
  await other.page.getByRole('link', { name: 'Aida' }).click();
  await other.page.getByRole('button', { name: 'Cancel booking' }).click();
  await other.page.getByLabel('I understand that this can’t be undone').check();
  await other.page.getByRole('button', { name: 'Cancel for good' }).click();
  await other.page.getByText('This booking was cancelled.').waitFor();
  assert.equal(await program.left(event), 10);
  await leave(other.visitor);

  // Nobody else sees it.
  const stranger = await visit(`/t/${booking.ID}`);
  await stranger.page.getByRole('heading', { name: 'Sign in to go on' }).waitFor();
  await signIn(stranger.page, 'eve');
  await stranger.page.getByRole('heading', { name: 'No such ticket' }).waitFor();
  await leave(stranger.visitor);

  // Out: here, in the browser's other tabs, and at the provider.
  const second = await visitor.context.newPage();
  await second.goto('/my');
  await signIn2(second);
  await signOutButton(page).click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.waitForURL(`${program.origin}/`);
  await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).waitFor();
  await second.getByRole('banner').getByRole('button', { name: 'Sign in' }).waitFor();
  await page.goto('/my');
  await page.getByRole('heading', { name: 'Sign in to go on' }).waitFor();
  assert.equal(await page.getByText('Aida').count(), 0);
  assert.deepEqual(await page.evaluate(() => [Object.keys(sessionStorage), Object.keys(localStorage).filter((name) => name.includes('ticket'))]), [[], []]);
  await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
  await page.locator('input[name=login]').waitFor();
  await leave(visitor);
});

/** The provider knows them already: no form. */
async function signIn2(page) {
  await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
  await signOutButton(page).waitFor();
}

test('a token that runs out, or that the services refuse, is renewed unseen', async () => {
  const event = await program.newEvent({ Name: 'Renewed' });
  const { visitor, page, sent } = await visit(`/e/${event.ID}`);
  await signIn(page, 'bob');
  const before = provider.exchanges;
  await changeSession(page, { expires: 1 });
  await page.getByRole('button', { name: 'Book 1 seat' }).click();
  await done(page);
  assert.equal(provider.exchanges, before + 1);
  await page.goto(`/e/${event.ID}`);
  await changeSession(page, { accessToken: 'not-a-token' });
  await page.getByRole('button', { name: 'Book 1 seat' }).click();
  await done(page);
  assert.equal(provider.exchanges, before + 2);
  const made = posts(sent);
  assert.equal(made.length, 3, 'one was refused and sent again');
  assert.equal(made[1].headers['idempotency-key'], made[2].headers['idempotency-key']);
  assert.equal((await program.bookings(event)).length, 2);
  await leave(visitor);
});

test('a sign-in that has ended is told, and the booking goes on after the next one under its own key', async () => {
  const event = await program.newEvent({ Name: 'Ended' });
  provider.renewals = false;
  const { visitor, page, sent } = await visit(`/e/${event.ID}`);
  await signIn(page, 'cleo');
  provider.renewals = true;
  await changeSession(page, { accessToken: 'not-a-token' });
  await page.getByRole('button', { name: 'Book 1 seat' }).click();
  await page.getByText('Your sign-in has ended.').waitFor();
  await page.getByText('Nothing is booked yet. Sign in, and your booking goes on.').waitFor();
  await accessible(page, 'a booking that waits for signing in');
  await shoot(page, 'sign-in-ended');
  // Another tab does not take it away.
  const second = await visitor.context.newPage();
  await second.goto('/');
  await second.getByText('Your booking for Ended waits for you to sign in.').waitFor();
  await second.close();
  assert.equal((await program.bookings(event)).length, 0);
  await page.locator('#book').getByRole('button', { name: 'Sign in' }).click();
  await done(page);
  assert.equal((await program.bookings(event)).length, 1);
  const keys = new Set(posts(sent).map(({ headers }) => headers['idempotency-key']));
  assert.deepEqual([posts(sent).length, keys.size], [2, 1]);
  await leave(visitor);
});

test('a booking begun before signing in is not made for somebody else, and can be let go', async () => {
  const event = await program.newEvent({ Name: 'Whose' });
  const { visitor, page } = await visit(`/e/${event.ID}`);
  await page.getByRole('button', { name: 'Sign in and book 1 seat' }).click();
  await page.locator('input[name=login]').waitFor();
  await page.goto('/');
  await page.getByText('Your booking for Whose waits for you to sign in.').waitFor();
  // Somebody signs in, but not for this.
  await signIn(page, 'dora');
  await page.getByText('Your booking for Whose waits for you to sign in.').waitFor();
  await page.getByRole('button', { name: 'Stop trying' }).click();
  await page.getByText('Nothing was booked.').waitFor();
  assert.equal((await program.bookings(event)).length, 0);
  await leave(visitor);
});

test('while the provider is away the page says so, and goes on by itself', async () => {
  const event = await program.newEvent({ Name: 'Away' });
  const { visitor, page } = await visit('/');
  await provider.down();
  try {
    await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('The sign-in service can’t be reached.').waitFor();
    await accessible(page, 'the list while the provider is away');
    await page.getByRole('link', { name: 'Away' }).click();
    await page.getByText('10 of 10 seats left').waitFor();
  } finally {
    await provider.up();
  }
  await signIn(page, 'fay');
  await changeSession(page, { expires: 1 });
  await provider.down();
  try {
    await page.getByRole('button', { name: 'Book 1 seat' }).click();
    await page.getByText('Nobody answers.').waitFor();
  } finally {
    await provider.up();
  }
  await done(page);
  assert.equal((await program.bookings(event)).length, 1);
  // Signing out works without it, and says what it could not do.
  await provider.down();
  try {
    await page.reload();
    await signOutButton(page).click();
    await page.getByText('You are signed out of this page.').waitFor();
    await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).waitFor();
  } finally {
    await provider.up();
  }
  await leave(visitor);
});

test('an answer that was not asked for is refused, and a refusal is told in the provider’s words', async () => {
  const { visitor, page } = await visit('/sign-in?code=stolen&state=forged');
  const before = provider.exchanges;
  await page.getByText('doesn’t belong to a sign-in that was begun in this tab').waitFor();
  assert.equal(await page.evaluate(() => location.pathname + location.search), '/sign-in');
  await accessible(page, 'a refused sign-in');

  // One is under way, and somebody else's answer does not end it.
  await page.goto('/my');
  await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
  await page.locator('input[name=login]').waitFor();
  await page.goto('/sign-in?code=stolen&state=forged');
  await page.getByText('doesn’t belong to a sign-in that was begun in this tab').waitFor();
  assert.equal(provider.exchanges, before, 'no code was sent to the provider');

  await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: /Cancel/ }).click();
  await page.getByText('The sign-in was cancelled.').waitFor();
  await page.getByText('access_denied').waitFor();

  // The right state with a code of somebody else's: the provider refuses it, as it was made for another verifier.
  await page.getByRole('button', { name: 'Sign in again' }).click();
  await page.locator('input[name=login]').waitFor();
  const { state } = await page.goto('/').then(() => page.evaluate(() => JSON.parse(sessionStorage.getItem('myevents.sign-in'))));
  await page.goto(`/sign-in?code=stolen&state=${state}&iss=${encodeURIComponent(provider.issuer)}`);
  await page.getByText('invalid_grant').waitFor();
  assert.equal(await signOutButton(page).count(), 0);
  await leave(visitor);
});

test('organisers get what their scopes allow, and hear what is missing', async () => {
  const event = await program.newEvent({ Name: 'Not mine' });
  const { visitor, page } = await visit('/organise');
  await page.getByRole('heading', { name: 'Sign in to go on' }).waitFor();
  await signIn(page, 'gus');
  await page.getByRole('link', { name: 'New event' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Mine');
  await page.getByLabel('Starts').fill('2099-01-01T20:00');
  await page.getByLabel('Ends').fill('2099-01-01T22:00');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  const [mine] = await program.ask('GET', '/events?q=Mine&from=4000000000');

  // The sign-in ends while a form is open: what was typed is there again after the next one.
  await page.evaluate(() => {
    const session = JSON.parse(sessionStorage.getItem('myevents.session'));
    sessionStorage.setItem('myevents.session', JSON.stringify({ ...session, accessToken: 'not-a-token', refreshToken: 'nor-this' }));
  });
  await page.reload();
  await page.getByLabel('Name', { exact: true }).fill('Still mine');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('This needs sign-in.').waitFor();
  await page.getByRole('alert').getByRole('button', { name: 'Sign in' }).click();
  await signOutButton(page).waitFor();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Still mine');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  assert.equal((await program.ask('GET', `/events/${mine.ID}`)).Name, 'Still mine');
  assert.equal(await page.getByRole('link', { name: 'Bookings' }).count(), 0);
  await page.goto(`/organise/events/${event.ID}/bookings`);
  await page.getByRole('heading', { name: 'The list of bookings is closed' }).waitFor();
  await page.getByText('bookings:admin').waitFor();
  await leave(visitor);
});

test('where the services need sign-in and the page has none it says so kindly', async (t) => {
  const bare = await Program.placed();
  bare.settings = Object.fromEntries(Object.entries(provider.settings).filter(([name]) => name.startsWith('MYEVENTS_AUTH')));
  await bare.up();
  t.after(() => bare.stop());
  await bare.signIn();
  const event = await bare.newEvent({ Name: 'Closed shop' });
  const visitor = await browser.visitor(bare.origin, { locale: 'de-DE' });
  const { page } = visitor;
  await page.goto(`/e/${event.ID}`);
  await page.getByText('Hier gibt es noch keine Anmeldung').waitFor();
  await accessible(page, 'an event that can’t be booked here');
  for (const path of ['/my', '/organise']) {
    await page.goto(path);
    await page.getByRole('heading', { name: 'Hier gibt es noch keine Anmeldung' }).waitFor();
  }
  assert.equal(await page.getByRole('button', { name: /melden/ }).count(), 0);
  await leave(visitor);
});
