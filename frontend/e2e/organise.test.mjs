/** The organiser's way: a location, an event in it that is then bookable, changes, conflicts, bookings, sales. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { accessible, leave, shoot } from './browser.mjs';
import { Program, stage } from './program.mjs';

let program;
let browser;

stage((begun) => ({ program, browser } = begun));

/** The wall clock in Rome, some days ahead, as a field of the form takes it. */
/** The days are counted from here, also across midnight. */
const begun = Date.now();

function inRome(days, time) {
  const day = new Intl.DateTimeFormat('sv', { timeZone: 'Europe/Rome' }).format(new Date(begun + days * 86_400_000));
  return `${day}T${time}`;
}

test('a location and an event are made, and the event is then booked', async () => {
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/organise');
  await page.getByText('No events yet').waitFor();
  await page.getByRole('link', { name: 'New location' }).click();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Please look at the marked fields.').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-invalid')), 'true', 'the first wrong field has the focus');
  await page.getByLabel('Name', { exact: true }).fill('Teatro della Pergola');
  await page.getByLabel('Address').fill('Via della Pergola 12, Firenze');
  await page.getByLabel('Country').fill('Italy');
  await page.getByLabel('Time zone').fill('Europe/Nowhere');
  await page.getByText('No such time zone is known.').waitFor();
  await page.getByLabel('Time zone').fill('Europe/Rome');
  await page.getByLabel('Hall', { exact: true }).fill('Sala grande');
  await page.getByLabel('Seats').fill('40');
  await page.getByRole('button', { name: 'Add a hall' }).click();
  await page.getByLabel('Hall', { exact: true }).nth(1).fill('Saloncino');
  await page.getByLabel('Seats').nth(1).fill('12');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  await page.getByRole('heading', { level: 1, name: 'Edit location' }).waitFor();

  await page.getByRole('link', { name: 'Sales', exact: true }).click();
  await page.getByRole('link', { name: 'New event' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Turandot');
  await page.getByLabel('Location').selectOption({ label: 'Teatro della Pergola, Via della Pergola 12, Firenze' });
  await page.getByLabel('Saloncino (12 seats)').check();
  await page.getByText('12 seats in total').waitFor();
  await page.getByLabel('Starts').fill(inRome(30, '19:30'));
  assert.equal(await page.getByLabel('Ends').inputValue(), inRome(30, '21:30'), 'two hours unless one says otherwise');
  await page.getByLabel('Ends').fill(inRome(30, '18:00'));
  await page.getByText('The end is before the start.').waitFor();
  await page.getByLabel('Ends').fill(inRome(30, '22:00'));
  await page.getByLabel('Seats a booking, at most').fill('4');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  const id = page.url().split('/events/')[1];
  const event = await program.ask('GET', `/events/${id}`);
  assert.deepEqual([event.Name, event.Duration, event.HallNames, event.MaxSeatsPerBooking], ['Turandot', 150, ['Saloncino'], 4]);
  const shown = new Intl.DateTimeFormat('sv', { timeZone: 'Europe/Rome', dateStyle: 'short', timeStyle: 'short' }).format(event.StartDate * 1000);
  assert.equal(shown.replace(' ', 'T'), inRome(30, '19:30'), 'the time is that of the venue');

  await page.getByRole('link', { name: 'View' }).click();
  await page.getByText('12 of 12 seats left').waitFor();
  await page.getByLabel('Seats', { exact: true }).fill('4');
  await page.getByRole('button', { name: 'Book 4 seats' }).click();
  await page.getByText('Booked. Here is your ticket.').waitFor();
  assert.equal(await program.left(event), 8);
  await page.goto('/organise');
  await page.getByText('4 of 12 seats sold').waitFor();
  await leave(visitor);
});

test('a problem that only the service knows stands at its field', async () => {
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/organise/events/new');
  await page.getByLabel('Name', { exact: true }).fill('A bell \u0007 in the name');
  await page.getByLabel('Starts').fill(inRome(10, '20:00'));
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Name holds a control character').waitFor();
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-invalid') === 'true');
  const named = await page.getByLabel('Name', { exact: true }).getAttribute('aria-describedby');
  assert.match(await page.locator(`[id="${named}"]`).innerText(), /Name holds a control character/);
  await page.getByLabel('Name', { exact: true }).fill('No bell');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  await leave(visitor);
});

test('a change of somebody else is shown, not written over', async () => {
  const event = await program.newEvent({ Name: 'Before' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto(`/organise/events/${event.ID}`);
  await page.getByLabel('Name', { exact: true }).fill('Mine');
  await page.getByLabel('Seats a person, at most').fill('6');
  await program.ask('PUT', `/events/${event.ID}`, { ...event, Name: 'Theirs', MaxSeatsPerBooking: 5 });
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Somebody else has changed this meanwhile').waitFor();
  await accessible(page, 'a conflict');
  await shoot(page, 'organise-conflict-desktop', { fullPage: true });
  await page.getByLabel('Now stored: Theirs').waitFor();
  await page.getByText('Taken over from them: Seats a booking, at most (5)').waitFor();
  assert.equal((await program.ask('GET', `/events/${event.ID}`)).Name, 'Theirs');
  await page.getByLabel('Now stored: Theirs').check();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Theirs');
  await page.getByLabel('Yours: Mine').check();
  await page.getByRole('button', { name: 'Save with these decisions' }).click();
  await page.getByText('Saved.').waitFor();
  const stored = await program.ask('GET', `/events/${event.ID}`);
  assert.deepEqual([stored.Name, stored.MaxSeatsPerBooking, stored.MaxSeatsPerPerson], ['Mine', 5, 6]);
  await leave(visitor);
});

test('a lost answer while saving makes neither two events nor a conflict with oneself', async () => {
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/organise/events/new');
  await page.getByLabel('Name', { exact: true }).fill('Only one');
  await page.getByLabel('Starts').fill(inRome(12, '20:00'));
  const lose = (method, pattern) => {
    let lost = false;
    return page.route(pattern, async (route) => {
      if (route.request().method() !== method) return route.fallback();
      if (lost) return route.fallback();
      lost = true;
      await route.fetch();
      return route.abort('connectionreset');
    });
  };
  await lose('POST', '**/events');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  assert.equal((await program.ask('GET', '/events?q=Only+one')).length, 1);
  await lose('PUT', '**/events/*');
  await page.getByLabel('Name', { exact: true }).fill('Only one, renamed');
  await page.getByRole('button', { name: 'Save' }).click();
  // The word of the first time may still be there.
  await program.until('/events?q=Only+one%2C+renamed', (found) => found.length === 1);
  await page.getByText('Saved.').waitFor();
  assert.equal(await page.getByText('Somebody else').count(), 0);
  await leave(visitor);
});

test('saving that comes to no end says why and can be stopped; saved again it is still one event', async () => {
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/organise/events/new');
  await page.getByLabel('Name', { exact: true }).fill('Stopped');
  await page.getByLabel('Starts').fill(inRome(13, '20:00'));
  const broken = async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    await route.fetch();
    const problem = { type: 'urn:myevents:problem:internal', title: 't', status: 500, detail: 'the disk is on fire', requestId: 'r1' };
    return route.fulfill({ status: 500, contentType: 'application/problem+json', body: JSON.stringify(problem) });
  };
  await page.route('**/events', broken);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('the disk is on fire').waitFor();
  await page.getByText('It isn’t known yet whether this was saved.').waitFor();
  await page.getByRole('button', { name: 'Stop trying' }).click();
  await page.getByText('It may have been saved all the same').waitFor();
  await page.unroute('**/events', broken);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  assert.equal((await program.ask('GET', '/events?q=Stopped')).length, 1);
  await leave(visitor);
});

test('figures of a part of the events say so', async (t) => {
  const many = await Program.start();
  t.after(() => many.stop());
  const start = Math.floor(Date.now() / 1000) + 10 * 86_400;
  for (let turn = 1; turn <= 101; turn += 1) await many.ask('POST', '/events', { Name: `Evening ${turn}`, StartDate: start + turn, EndDate: start + turn, Duration: 1 });
  const visitor = await browser.visitor(many.origin);
  const { page } = visitor;
  await page.goto('/organise');
  await page.getByText('These are the figures of the first 100 events').waitFor();
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.getByText('These are the figures of').waitFor({ state: 'detached' });
  assert.equal(await page.locator('.sale-row').count(), 101);
  await leave(visitor);
});

test('an event is copied, and the original cancelled', async () => {
  const event = await program.newEvent({ Name: 'Twice', MaxSeatsPerBooking: 7 });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/organise');
  await page.getByRole('link', { name: 'Copy: Twice' }).click();
  await page.getByText('Copy of Twice').waitFor();
  await page.getByLabel('Name', { exact: true }).fill('Twice again');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  const [copy] = await program.ask('GET', '/events?q=Twice+again');
  assert.deepEqual([copy.MaxSeatsPerBooking, copy.StartDate, copy.Location.Halls], [7, event.StartDate - (event.StartDate % 60), event.Location.Halls]);
  assert.notEqual(copy.ID, event.ID);

  await page.goto(`/organise/events/${event.ID}`);
  await page.getByRole('button', { name: 'Cancel event' }).click();
  await page.getByLabel('I understand that this can’t be undone').check();
  await page.getByRole('button', { name: 'Cancel the event for good' }).click();
  await page.getByText('How your events are selling.').waitFor();
  assert.equal((await program.ask('GET', `/events/${event.ID}`)).Cancelled, true);
  await page.goto(`/organise/events/${event.ID}`);
  await page.getByText('This event was cancelled and can’t be changed.').waitFor();
  await leave(visitor);
});

test('bookings are found, exported and cancelled for somebody', async () => {
  const event = await program.newEvent({ Name: 'Busy' }, 100);
  await program.book(event, 2, { name: 'Ada Lovelace', email: 'ada@example.org' });
  await program.book(event, 3, { name: '=HYPERLINK("x")', email: 'a,b@example.org' });
  await program.book(event, 1);
  const gone = await program.book(event, 4, { name: 'Gone' });
  await program.ask('DELETE', `/bookings/${gone.ID}`);
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto(`/organise/events/${event.ID}/bookings`);
  await page.getByRole('cell', { name: 'Ada Lovelace ada@example.org' }).waitFor();
  assert.equal(await page.getByRole('row').count(), 5);
  await page.getByRole('heading', { name: 'Seats booked over time' }).waitFor();
  await page.getByText('As a table').click();
  await page.getByRole('cell', { name: '6', exact: true }).waitFor();

  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export as CSV' }).click()]);
  const csv = readFileSync(await download.path(), 'utf8');
  assert.equal(csv.trim().split('\r\n').length, 5);
  assert.ok(csv.includes(`"'=HYPERLINK(""x"")","a,b@example.org",3,confirmed`), csv);

  await page.getByLabel('State').selectOption('cancelled');
  await page.getByRole('cell', { name: 'Gone', exact: true }).waitFor();
  await page.getByRole('cell', { name: 'Ada Lovelace ada@example.org' }).waitFor({ state: 'detached' });
  await page.getByLabel('State').selectOption('');
  await page.getByLabel('Search by name or e-mail').fill('ADA@');
  await page.getByRole('cell', { name: 'Gone', exact: true }).waitFor({ state: 'detached' });
  await page.getByLabel('From').fill('2099-01-01');
  await page.getByText('Nothing matches').waitFor();
  await page.getByLabel('From').fill('');
  await page.getByRole('button', { name: 'Cancel the booking of Ada Lovelace' }).click();
  await page.getByLabel('I understand that this can’t be undone').check();
  await page.getByRole('button', { name: 'Cancel for good' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('cell', { name: 'Cancelled', exact: true }).waitFor();
  await page.getByRole('status').getByText('The booking of Ada Lovelace was cancelled.').waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
  assert.equal(await program.left(event), 96);
  await leave(visitor);
});

test('where the organiser’s lists are closed the page says so', async () => {
  const event = await program.newEvent({ Name: 'Closed' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.route('**/bookings?**', (route) =>
    route.fulfill({
      status: 403,
      contentType: 'application/problem+json',
      body: JSON.stringify({ type: 'urn:myevents:problem:forbidden', title: 't', status: 403, detail: 'the list is open only on loopback', requestId: 'r' }),
    }),
  );
  await page.goto(`/organise/events/${event.ID}/bookings`);
  await page.getByRole('heading', { name: 'The list of bookings is closed' }).waitFor();
  await page.getByText('the list is open only on loopback').waitFor();
  await leave(visitor);
});
