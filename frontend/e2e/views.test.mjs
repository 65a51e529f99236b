/** Every view for everybody: axe, both languages, light and dark, phone and desktop, keyboard, right to left; and its pictures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, DESKTOP, fits, leave, PHONE, picture, shoot } from './browser.mjs';
import { stage } from './program.mjs';

let program;
let browser;
let views;

stage(async (begun) => {
  ({ program, browser } = begun);
  const list = await program.until('/events', (events) => events.length === 9);
  const named = (name) => list.find((event) => event.Name === name);
  // Some life: a nearly full house, a full one, a cancelled evening, bookings of several days.
  const [aida, slam, science, shamisen] = ['Aida', 'Poetry Slam Finale', 'Children’s Science Day', 'An Evening of Shamisen'].map(
    (name) => named(name) ?? named(name.replace('’', "'")),
  );
  await program.until(`/availability?ids=${list.map((event) => event.ID).join(',')}`, (known) => known.length === 9);
  for (let turn = 0; turn < 9; turn += 1) await program.book(slam, turn < 8 ? 20 : 16);
  await program.ask('DELETE', `/events/${shamisen.ID}`);
  const tiny = await program.newEvent({ Name: 'Supper Club: Ligurian Table', StartDate: science.StartDate + 3_600, EndDate: science.StartDate + 12_600, Duration: 150, Location: { ...science.Location, ID: undefined, Name: 'La Cucina', Halls: [{ name: 'Table', capacity: 8 }] } });
  await program.book(tiny, 8);
  const people = ['Ada Lovelace', 'Grace Hopper', 'Karen Spärck Jones', 'Radia Perlman', 'Frances Allen', 'Barbara Liskov', undefined];
  for (const [index, name] of people.entries()) {
    await program.book(aida, index + 1, { name, email: name && `${name.split(' ')[0].toLowerCase()}@example.org` });
  }
  const ticket = await program.book(aida, 2, { name: 'Ada Lovelace', email: 'ada@example.org' });
  const cancelled = await program.book(aida, 2, { name: 'Grace Hopper' });
  await program.ask('DELETE', `/bookings/${cancelled.ID}`);
  const location = (await program.ask('GET', '/locations'))[0];
  views = [
    { name: 'list', path: '/', ready: (page) => page.getByText(/Only 4 left|Nur noch 4/).waitFor() },
    { name: 'list-empty', path: '/?q=nothing+like+it', ready: (page) => page.getByRole('heading', { level: 2 }).waitFor() },
    { name: 'event', path: `/e/${aida.ID}`, ready: (page) => page.locator('.meter').waitFor() },
    { name: 'event-sold-out', path: `/e/${tiny.ID}`, ready: (page) => page.locator('.panel .alert').waitFor() },
    { name: 'event-cancelled', path: `/e/${shamisen.ID}`, ready: (page) => page.locator('.panel .alert').waitFor() },
    { name: 'ticket', path: `/t/${ticket.ID}`, ready: (page) => page.locator('.qr').waitFor() },
    { name: 'ticket-cancelled', path: `/t/${cancelled.ID}`, ready: (page) => page.locator('.ticket.is-off h2 a').waitFor() },
    { name: 'my-empty', path: '/my', ready: (page) => page.locator('.notice').waitFor() },
    { name: 'my', path: '/my', ready: (page) => page.locator('.ticket-row').first().waitFor(), tickets: [ticket, cancelled], event: aida },
    { name: 'not-found', path: '/organise/nowhere', ready: (page) => page.locator('.notice').waitFor() },
    { name: 'organise', path: '/organise', ready: (page) => page.locator('.sale-bar .meter').first().waitFor() },
    { name: 'organise-new-event', path: '/organise/events/new', ready: (page) => page.locator('form option').nth(1).waitFor({ state: 'attached' }) },
    { name: 'organise-event', path: `/organise/events/${aida.ID}`, ready: (page) => page.locator('form').waitFor() },
    { name: 'organise-bookings', path: `/organise/events/${aida.ID}/bookings`, ready: (page) => page.locator('.chart svg').waitFor() },
    { name: 'organise-locations', path: '/organise/locations', ready: (page) => page.locator('.row-card').first().waitFor() },
    { name: 'organise-location', path: `/organise/locations/${location.ID}`, ready: (page) => page.locator('form').waitFor() },
    { name: 'organise-new-location', path: '/organise/locations/new', ready: (page) => page.locator('form').waitFor() },
  ];
}, ['--demo']);

async function show(page, view) {
  await page.goto(view.path);
  if (view.tickets) {
    await page.evaluate(
      ({ tickets, event }) => {
        for (const { ID, Seats, State, Date: date } of tickets) {
          const about = { id: event.ID, name: event.Name, start: event.StartDate, end: event.EndDate, zone: event.Location.TimeZone, place: event.Location.Name };
          localStorage.setItem(`myevents.ticket.${ID}`, JSON.stringify({ id: ID, event: about, seats: Seats, state: State, date }));
        }
      },
      { tickets: view.tickets, event: view.event },
    );
    await page.reload();
  }
  await view.ready(page);
}

// Each size, language and appearance is in the first two; the others are other pairs of them.
const LOOKS = [
  { name: 'desktop', viewport: DESKTOP },
  { name: 'phone-dark-de', viewport: PHONE, colorScheme: 'dark', locale: 'de-DE' },
  { name: 'phone', viewport: PHONE },
  { name: 'desktop-dark', viewport: DESKTOP, colorScheme: 'dark' },
  { name: 'desktop-de', viewport: DESKTOP, locale: 'de-DE' },
];
const looks = process.env.MYEVENTS_SCALE === 'full' ? LOOKS : LOOKS.slice(0, 2);

for (const { name: look, ...options } of looks) {
  test(`every view: ${look}`, async () => {
    const visitor = await browser.visitor(program.origin, options);
    const { page } = visitor;
    for (const view of views) {
      await show(page, view);
      const language = options.locale?.slice(0, 2) ?? 'en';
      assert.equal(await page.evaluate(() => document.documentElement.lang), language);
      await accessible(page, `${view.name} (${look})`);
      await fits(page, `${view.name} (${look})`);
      await shoot(page, `${view.name}-${look}`, { fullPage: true });
    }
    await leave(visitor);
  });
}

test('the pictures of the README', async () => {
  const named = (name) => views.find((view) => view.name === name);
  const large = await browser.visitor(program.origin);
  await show(large.page, named('event'));
  await picture(large.page, 'event');
  await leave(large);
  const small = await browser.visitor(program.origin, { viewport: PHONE });
  await show(small.page, named('ticket'));
  await picture(small.page, 'ticket');
  await leave(small);
});

test('dialogs, open and with the keyboard alone', async () => {
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await show(page, views.find((view) => view.name === 'ticket'));
  await page.getByRole('button', { name: 'Cancel booking' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await accessible(page, 'the dialog');
  await shoot(page, 'dialog-desktop');
  for (let turn = 0; turn < 8; turn += 1) {
    await page.keyboard.press('Tab');
    // At its end the focus may go to the browser's own controls, never to what is behind.
    const where = await page.evaluate(() => (document.activeElement?.closest('dialog') ? 'inside' : (document.activeElement?.tagName ?? 'BODY')));
    assert.ok(['inside', 'BODY'].includes(where), `the focus is on ${where}`);
  }
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  // The focus goes back, once the dialog no longer holds everything else.
  await page.waitForFunction(() => document.activeElement?.textContent?.trim() === 'Cancel booking');
  await leave(visitor);
});

test('a booking with the keyboard alone, from the first key on', async () => {
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/');
  await page.getByRole('link', { name: 'Aida' }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to content');
  await page.keyboard.press('Enter');
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  for (let turn = 0; turn < 40 && (await focused()) !== 'Aida'; turn += 1) await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Aida');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Aida' }).waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
  await page.getByRole('button', { name: 'Book 1 seat' }).waitFor();
  for (let turn = 0; turn < 40 && (await focused()) !== 'Book 1 seat'; turn += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('Booked. Here is your ticket.').waitFor();
  await leave(visitor);
});

test('language and appearance are chosen, and kept', async () => {
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/');
  await page.getByRole('heading', { level: 1, name: 'What’s on' }).waitFor();
  await page.getByLabel('Language').selectOption('de');
  await page.getByRole('heading', { level: 1, name: 'Programm' }).waitFor();
  await page.getByText('noch 180 Plätze').waitFor();
  await page.getByRole('button', { name: 'Darstellung: wie im System' }).click();
  await page.getByRole('button', { name: 'Darstellung: hell' }).click();
  await page.getByRole('button', { name: 'Darstellung: dunkel' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'Programm' }).waitFor();
  assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dataset.bsTheme]), ['de', 'dark']);
  await leave(visitor);
});

test('from right to left nothing sticks out, and sides change places', async () => {
  const visitor = await browser.visitor(program.origin, { viewport: PHONE });
  const { page } = visitor;
  for (const view of views) {
    await show(page, view);
    await page.evaluate(() => (document.documentElement.dir = 'rtl'));
    await fits(page, `${view.name} from right to left`);
  }
  await show(page, views[0]);
  await page.evaluate(() => (document.documentElement.dir = 'rtl'));
  const box = await page.locator('.event-card .date-block').first().boundingBox();
  assert.ok(box.x > PHONE.width / 2, 'the date stands at the start of the line, which is on the right');
  await shoot(page, 'list-phone-rtl');
  await leave(visitor);
});

test('the first view is small, comes quickly on a slow line, and says what it waits for', async () => {
  const visitor = await browser.visitor(program.origin, { viewport: PHONE });
  const { page } = visitor;
  const sizes = [];
  page.on('response', async (response) => {
    const { responseBodySize } = await response.request().sizes().catch(() => ({ responseBodySize: 0 }));
    sizes.push({ url: new URL(response.url()).pathname, kind: response.request().resourceType(), size: responseBodySize, encoding: response.headers()['content-encoding'] });
  });
  const session = await visitor.context.newCDPSession(page);
  await session.send('Network.enable');
  // Chrome's own "Slow 3G".
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: 400, downloadThroughput: 50_000, uploadThroughput: 50_000 });
  const begin = Date.now();
  await page.goto('/', { waitUntil: 'commit' });
  await page.getByText('Loading…').waitFor({ state: 'attached' });
  const bones = Date.now() - begin;
  await page.getByRole('link', { name: 'Aida' }).waitFor();
  const list = Date.now() - begin;
  await page.waitForLoadState('networkidle').catch(() => undefined);
  const scripts = sizes.filter((each) => each.kind === 'script');
  const weight = scripts.reduce((sum, each) => sum + each.size, 0);
  console.log(`slow 3G: shapes after ${bones} ms, list after ${list} ms, ${scripts.length} scripts of ${(weight / 1024).toFixed(1)} KiB`);
  assert.ok(weight > 0 && weight <= 120 * 1024, `${weight} bytes of scripts`);
  assert.ok(scripts.every((each) => each.encoding === 'br'));
  assert.ok(list < 15_000, `${list} ms`);
  await leave(visitor);
});
