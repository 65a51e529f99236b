/** A buyer's way: see what is on, book, keep the ticket, cancel; and what may come in between. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encode } from 'uqr';
import { leave } from './browser.mjs';
import { Program, stage } from './program.mjs';

let program;
let browser;

stage((begun) => ({ program, browser } = begun));

async function open(event, options) {
  const visitor = await browser.visitor(program.origin, options);
  await visitor.page.goto(`/e/${event.ID}`);
  return { visitor, page: visitor.page };
}

const focusOnTitle = (page, title) =>
  page.waitForFunction((text) => document.activeElement?.tagName === 'H1' && document.activeElement.textContent === text, title);
const book = (page, seats = 1) => page.getByRole('button', { name: seats === 1 ? 'Book 1 seat' : `Book ${seats} seats`, exact: true });

test('from the list to the ticket, and back by cancelling', async () => {
  const event = await program.newEvent({ Name: 'La traviata' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/');
  await page.getByRole('searchbox').fill('traviata');
  await page.waitForURL('/?q=traviata');
  await page.getByText('1 event', { exact: true }).waitFor();
  await page.getByText('10 left').waitFor();
  await page.getByRole('link', { name: 'La traviata' }).click();
  await page.getByRole('heading', { level: 1, name: 'La traviata' }).waitFor();
  await page.getByText(/Time at the venue: Greenwich Mean Time|Irish Standard Time/).waitFor();
  await page.getByText('In your time zone:').waitFor();

  await page.getByRole('button', { name: 'One seat more' }).click();
  await page.getByRole('button', { name: 'One seat more' }).click();
  await page.getByLabel('Name').fill('Ada Lovelace');
  await page.getByLabel('E-mail').fill('ada@example.org');
  await book(page, 3).click();
  await page.getByText('Booked. Here is your ticket.').waitFor();
  const id = page.url().split('/t/')[1];
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  await page.getByText('Ada Lovelace').waitFor();
  assert.equal(await program.left(event), 7);
  const [stored] = await program.bookings(event);
  assert.deepEqual([stored.ID, stored.Seats, stored.Name, stored.Email], [id, 3, 'Ada Lovelace', 'ada@example.org']);

  await page.getByRole('link', { name: /My tickets/ }).click();
  await page.getByRole('link', { name: 'La traviata' }).click();
  await page.getByRole('button', { name: 'Cancel booking' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Your 3 seats for La traviata').waitFor();
  const sure = dialog.getByRole('button', { name: 'Cancel for good' });
  assert.equal(await sure.isDisabled(), true, 'nothing is cancelled without a tick');
  await dialog.getByLabel('I understand that this can’t be undone').check();
  await sure.click();
  await page.getByRole('status').getByText('This booking was cancelled.').waitFor();
  await focusOnTitle(page, 'Your ticket');
  assert.equal(await program.left(event), 10);
  await page.getByRole('link', { name: /My tickets/ }).click();
  await page.getByRole('heading', { name: 'Past and cancelled' }).waitFor();
  await page.getByRole('button', { name: 'Remove the ticket for La traviata from this list' }).click();
  await page.getByText('No tickets yet').waitFor();
  await page.getByRole('status').getByText('The ticket for La traviata is no longer in this list.').waitFor();
  await focusOnTitle(page, 'My tickets');
  await leave(visitor);
});

test('my tickets follow what becomes of their events', async () => {
  const moved = await program.newEvent({ Name: 'Will move' });
  const off = await program.newEvent({ Name: 'Will be dropped' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  for (const event of [moved, off]) {
    await page.goto(`/e/${event.ID}`);
    await book(page).click();
    await page.getByText('Booked. Here is your ticket.').waitFor();
  }
  const day = 86_400;
  await program.ask('PUT', `/events/${moved.ID}`, { ...moved, Name: 'Has moved', StartDate: moved.StartDate + day, EndDate: moved.EndDate + day });
  await program.ask('DELETE', `/events/${off.ID}`);
  await page.goto('/my');
  const coming = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Coming up' }) });
  await coming.getByRole('link', { name: 'Has moved' }).waitFor();
  await coming.locator(`time[datetime="${new Date((moved.StartDate + day) * 1000).toISOString()}"]`).waitFor();
  const past = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Past and cancelled' }) });
  await past.getByRole('link', { name: 'Will be dropped' }).waitFor();
  await past.getByText('This event was cancelled').waitFor();
  assert.equal(await coming.getByText('Will be dropped').count(), 0);
  await leave(visitor);
});

test('at the entrance, without a network, the ticket is still there', async () => {
  const event = await program.newEvent({ Name: 'No signal' });
  const { visitor, page } = await open(event);
  await page.getByRole('button', { name: 'One seat more' }).click();
  await book(page, 2).click();
  await page.getByText('Booked. Here is your ticket.').waitFor();
  const code = await page.locator('.qr path').getAttribute('d');
  await page.getByRole('link', { name: /My tickets/ }).click();
  await page.getByRole('heading', { name: 'Coming up' }).waitFor();
  // What was asked before is forgotten, as after a longer while; only the files of the page are there.
  await page.route(/\/(events|bookings|availability)/, (route) => route.abort());
  await page.reload();
  await page.getByRole('link', { name: 'No signal' }).click();
  await page.getByText('it may be out of date').waitFor();
  assert.equal(await page.locator('.qr path').getAttribute('d'), code);
  await page.getByText('2 seats').waitFor();
  await page.getByRole('heading', { name: 'No signal' }).waitFor();
  await page.getByText('West Street Opera House').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Cancel booking' }).count(), 0);
  await page.unroute(/\/(events|bookings|availability)/);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('it may be out of date').waitFor({ state: 'detached' });
  await leave(visitor);
});

test('a browser that keeps nothing is told so, and books all the same', async () => {
  const event = await program.newEvent({ Name: 'Full disk' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await visitor.context.addInitScript(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
  });
  await page.goto(`/e/${event.ID}`);
  await page.getByText('This browser keeps nothing for this site').waitFor();
  assert.equal(await page.getByText('Your ticket is kept in this browser.').count(), 0);
  const cut = (route) => route.abort('connectionreset');
  await page.route('**/bookings', cut);
  await book(page).click();
  await page.getByText('Please leave this page open').waitFor();
  await page.unroute('**/bookings', cut);
  await page.getByText('Booked. Here is your ticket.').waitFor();
  await page.getByText('This browser won’t remember it').waitFor();
  assert.equal((await program.bookings(event)).length, 1);
  await leave(visitor);
});

test('a double click books once', async () => {
  const event = await program.newEvent({ Name: 'Double' });
  const { visitor, page } = await open(event);
  let sent = 0;
  await page.route('**/bookings', async (route) => {
    sent += 1;
    await route.continue();
  });
  await book(page).dblclick();
  await page.getByText('Booked. Here is your ticket.').waitFor();
  assert.equal((await program.bookings(event)).length, 1);
  assert.equal(sent, 1);
  await leave(visitor);
});

test('sold out in between: what is left is said, and taken with one press', async () => {
  const event = await program.newEvent({ Name: 'Nearly gone' }, 6);
  const { visitor, page } = await open(event);
  await page.getByText('6 of 6 seats left').waitFor();
  // The page learns of it only by the refusal: what it would hear by asking is held back.
  await page.route('**/availability?**', (route) => route.abort());
  for (let turn = 0; turn < 3; turn += 1) await page.getByRole('button', { name: 'One seat more' }).click();
  await program.book(event, 4);
  await book(page, 4).click();
  await page.getByText('Nothing was booked', { exact: true }).waitFor();
  await page.getByRole('alert').getByText('Only 2 seats are left now.').waitFor();
  assert.equal((await program.bookings(event)).length, 1);
  await page.unroute('**/availability?**');
  await page.getByRole('button', { name: 'Take 2 seats' }).click();
  await page.getByText('Booked. Here is your ticket.').waitFor();
  assert.equal(await program.left(event), 0);
  await leave(visitor);
});

test('seats that go while somebody types are said at once, and so are those that come back', async () => {
  const event = await program.newEvent({ Name: 'Going fast' }, 5);
  const { visitor, page } = await open(event);
  await page.getByLabel('Seats', { exact: true }).fill('4');
  await page.getByLabel('Name').fill('Grace');
  const first = await program.book(event, 3);
  await page.getByText('2 of 5 seats left').waitFor();
  await page.getByText('Only 2 seats are left now.').waitFor();
  await book(page, 4).click();
  assert.equal((await program.bookings(event)).length, 1, 'a wish that can’t be met is not sent');
  const rest = await program.book(event, 2);
  await page.getByText('All seats are taken.').waitFor();
  assert.equal(await book(page, 4).isVisible(), false);
  await program.ask('DELETE', `/bookings/${first.ID}`);
  await page.getByText('3 of 5 seats left').waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'Grace', 'what was typed is still there');
  await page.getByLabel('Seats', { exact: true }).fill('3');
  await book(page, 3).click();
  await page.getByText('Booked. Here is your ticket.').waitFor();
  assert.ok(rest.ID);
  await leave(visitor);
});

test('a hostile name is text, wherever it is shown', async () => {
  const name = `<img src=x onerror="window.broken=1"><script>window.broken=1</script> {n} ' " &amp; \u202Eeman`;
  const event = await program.newEvent({
    Name: name,
    Location: { Name: '"><svg onload=window.broken=1>', Address: 'javascript:alert(1)', Halls: [{ name: '<b>x</b>', capacity: 5 }] },
  });
  const { visitor, page } = await open(event);
  await page.getByRole('heading', { level: 1, name }).waitFor();
  await page.getByText('"><svg onload=window.broken=1>').waitFor();
  await page.getByText('<b>x</b>').waitFor();
  await page.getByLabel('Name').fill('<i>me</i>');
  await book(page).click();
  await page.getByText('<i>me</i>').waitFor();
  for (const path of ['/', '/my', '/organise', `/organise/events/${event.ID}`, `/organise/events/${event.ID}/bookings`]) {
    await page.goto(path);
    await page.getByText(name.slice(0, 40)).or(page.locator(`input[value^="<img"]`)).first().waitFor();
  }
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  await leave(visitor);
});

test('sales that ended, that have not begun, and events without known seats can’t be booked, and say so', async () => {
  const now = Math.floor(Date.now() / 1000);
  const cases = [
    [{ SalesEnd: now - 3_600 }, 10, /Sales ended on/, 'Sales ended'],
    [{ SalesStart: now + 86_400 }, 10, /Booking opens on/, /On sale from/],
    [{}, null, /It isn’t known yet how many seats there are/, 'Seats not known yet'],
  ];
  for (const [change, seats, text, tag] of cases) {
    const event = await program.newEvent({ Name: 'Not now', ...change }, seats);
    const { visitor, page } = await open(event);
    await page.getByText(text).waitFor();
    await page.getByText(tag, { exact: typeof tag === 'string' }).first().waitFor();
    assert.equal(await book(page).isVisible(), false);
    await leave(visitor);
  }
  const cancelled = await program.newEvent({ Name: 'Called off' });
  await program.ask('DELETE', `/events/${cancelled.ID}`);
  const { visitor, page } = await open(cancelled);
  await page.getByText('This event was cancelled').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Add to calendar' }).count(), 0, 'nobody is to go there');
  assert.equal(await book(page).isVisible(), false);
  await page.goto('/?q=Called+off');
  await page.getByText('Cancelled', { exact: true }).waitFor();
  await leave(visitor);
});

test('an open page notices when sales begin, and when they end', async () => {
  const now = () => Math.floor(Date.now() / 1000);
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  // The page is loaded before the clock begins to count.
  const other = await program.newEvent({ Name: 'Other' });
  await page.goto(`/e/${other.ID}`);
  await book(page).waitFor();
  const opens = await program.newEvent({ Name: 'Opens soon', SalesStart: now() + 12 });
  await page.goto(`/e/${opens.ID}`);
  await page.getByText(/Booking opens on/).waitFor();
  assert.equal(await book(page).isVisible(), false);
  await book(page).waitFor({ timeout: 40_000 });
  await page.getByText(/Booking opens on/).waitFor({ state: 'detached' });
  await page.getByText('10 left', { exact: true }).waitFor();
  const ends = await program.newEvent({ Name: 'Ends soon', SalesEnd: now() + 12 });
  await page.goto(`/e/${ends.ID}`);
  await book(page).waitFor();
  await page.getByText(/Sales ended on/).waitFor({ timeout: 40_000 });
  assert.equal(await book(page).isVisible(), false);
  await page.getByText('Sales ended', { exact: true }).waitFor();
  await leave(visitor);
});

test('an open page notices that its event was moved, and that it was cancelled', async () => {
  const event = await program.newEvent({ Name: 'Moves' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.clock.install();
  await page.goto(`/e/${event.ID}`);
  await page.getByText('10 of 10 seats left').waitFor();
  await program.ask('PUT', `/events/${event.ID}`, { ...event, Name: 'Moves to June' });
  await page.clock.fastForward(61_000);
  await page.getByRole('heading', { level: 1, name: 'Moves to June' }).waitFor();
  await program.ask('DELETE', `/events/${event.ID}`);
  await program.until(`/availability?ids=${event.ID}`, ([known]) => known.Available === 0);
  // Availability is asked for sooner than the event itself: none left may mean that it was called off.
  await page.clock.fastForward(8_000);
  await page.getByText('This event was cancelled').waitFor();
  assert.equal(await page.getByText('All seats are taken.').count(), 0);
  await leave(visitor);
});

test('a cancellation that only a refusal tells is shown as such', async () => {
  const event = await program.newEvent({ Name: 'Too late' });
  const { visitor, page } = await open(event);
  await page.getByText('10 of 10 seats left').waitFor();
  await page.route('**/availability?**', (route) => route.abort());
  await program.ask('DELETE', `/events/${event.ID}`);
  await program.until(`/availability?ids=${event.ID}`, ([known]) => known.Available === 0);
  await book(page).click();
  await page.getByText('Nothing was booked', { exact: true }).waitFor();
  await page.getByText('This event was cancelled').waitFor();
  assert.equal(await book(page).isVisible(), false);
  await leave(visitor);
});

test('“Show more” goes on where the list ended', async (t) => {
  const many = await Program.start();
  t.after(() => many.stop());
  const start = Math.floor(Date.now() / 1000) + 10 * 86_400;
  for (let turn = 1; turn <= 30; turn += 1) {
    await many.ask('POST', '/events', { Name: `Evening ${turn}`, StartDate: start + turn * 3_600, EndDate: start + turn * 3_600 + 60, Duration: 1 });
  }
  const visitor = await browser.visitor(many.origin);
  const { page } = visitor;
  await page.goto('/');
  await page.getByText('more than 24 events').waitFor();
  const shown = () => page.locator('.event-card h2').allInnerTexts();
  assert.equal((await shown()).length, 24);
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.getByText('30 events', { exact: true }).waitFor();
  assert.deepEqual(await shown(), Array.from({ length: 30 }, (_, index) => `Evening ${index + 1}`));
  assert.equal(await page.getByRole('button', { name: 'Show more' }).count(), 0);
  await leave(visitor);
});

test('the QR code says the ticket’s address, on paper only the ticket is left, and the map shows the place', async () => {
  const event = await program.newEvent({ Name: 'On paper' });
  const { visitor, page } = await open(event);
  const map = page.getByRole('link', { name: 'Show on a map (opens another site)' });
  assert.equal(await map.getAttribute('href'), `https://www.openstreetmap.org/search?query=${encodeURIComponent('11 West Street, Ireland')}`);
  assert.match(await map.getAttribute('rel'), /noreferrer/);
  await book(page).click();
  await page.getByText('Booked. Here is your ticket.').waitFor();
  const { data, size } = encode(page.url(), { ecc: 'M', border: 4 });
  const modules = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? `${x} ${y}` : [])));
  const qr = page.getByRole('img', { name: 'QR code of this ticket' });
  assert.equal(await qr.getAttribute('viewBox'), `0 0 ${size} ${size}`);
  const drawn = await qr.locator('path').getAttribute('d');
  assert.deepEqual([...drawn.matchAll(/M(\d+) (\d+)h1v1h-1z/g)].map((match) => `${match[1]} ${match[2]}`), modules);

  await page.emulateMedia({ media: 'print' });
  assert.equal(await qr.isVisible(), true);
  for (const gone of [page.getByRole('navigation'), page.getByText('Booked. Here is your ticket.'), page.getByText('Whoever has this code'), page.locator('.foot')]) {
    assert.equal(await gone.isVisible(), false, String(gone));
  }
  assert.deepEqual(await page.locator('.ticket').evaluate((ticket) => [getComputedStyle(document.body).backgroundColor, ticket.scrollWidth <= window.innerWidth]), ['rgb(255, 255, 255)', true]);
  await page.emulateMedia({ media: 'screen' });

  await program.ask('DELETE', `/events/${event.ID}`);
  await page.reload();
  await page.getByText('The event was cancelled.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Add to calendar' }).count(), 0, 'nobody is to go there');
  await leave(visitor);
});

test('the services’ settings count: past events, limits of a booking and of a person', async (t) => {
  const start = Math.floor(Date.now() / 1000) - 86_400;
  const past = { Name: 'Yesterday', StartDate: start, EndDate: start + 3_600 };
  const allowed = await program.newEvent(past);
  const first = await open(allowed);
  await book(first.page).waitFor();
  await leave(first.visitor);

  process.env.MYEVENTS_REFUSE_PAST_EVENTS = 'true';
  process.env.MYEVENTS_MAX_SEATS_PER_BOOKING = '3';
  const strict = await Program.start();
  t.after(() => strict.stop());
  delete process.env.MYEVENTS_REFUSE_PAST_EVENTS;
  delete process.env.MYEVENTS_MAX_SEATS_PER_BOOKING;
  const visitor = await browser.visitor(strict.origin);
  const { page } = visitor;
  await page.goto(`/e/${(await strict.newEvent(past)).ID}`);
  await page.getByText('This event is over.').waitFor();

  const event = await strict.newEvent({ Name: 'One each', MaxBookingsPerPerson: 1 });
  await page.goto(`/e/${event.ID}`);
  await page.getByText('Up to 3 seats a booking.').waitFor();
  await page.getByLabel('Seats', { exact: true }).fill('4');
  await page.getByText('One booking may have up to 3 seats.').waitFor();
  await page.getByLabel('Seats', { exact: true }).fill('3');
  await book(page, 3).click();
  await page.getByText('Please give an e-mail address.').waitFor();
  await page.getByLabel('E-mail').fill('ada@example.org');
  await book(page, 3).click();
  await page.getByText('Booked. Here is your ticket.').waitFor();
  await page.goto(`/e/${event.ID}`);
  await page.getByLabel('E-mail').fill('ada@example.org');
  await book(page).click();
  await page.getByText('This would be more than one person may book.').waitFor();
  assert.equal((await strict.bookings(event)).length, 1);
  await leave(visitor);
});

test('the original page’s addresses lead to ours, and its requests work beside it', async () => {
  const event = await program.newEvent({ Name: 'Old friends' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto(`/#/events/${event.ID}/book`);
  await page.getByRole('heading', { level: 1, name: 'Old friends' }).waitFor();
  assert.equal(new URL(page.url()).pathname, `/e/${event.ID}`);
  // Word for word what it sends: no header of its own, so the body is text/plain.
  const answers = await page.evaluate(async (id) => {
    const list = await (await fetch('/events', { method: 'GET', mode: 'cors' })).json();
    const one = await (await fetch(`/events/${id}`)).json();
    const booked = await fetch(`/events/${id}/bookings`, { method: 'POST', body: JSON.stringify({ seats: 2 }) });
    return { listed: list.some((each) => each.ID === id), place: one.Location.Name, status: booked.status };
  }, event.ID);
  assert.deepEqual(answers, { listed: true, place: 'West Street Opera House', status: 201 });
  assert.equal(await program.left(event), 8);
  await leave(visitor);
});

test('the calendar file has the time and the place', async () => {
  const event = await program.newEvent({ Name: 'Für Elise; live, again' });
  const { visitor, page } = await open(event);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Add to calendar' }).click()]);
  assert.equal(download.suggestedFilename(), 'Fur-Elise-live-again.ics');
  const file = readFileSync(await download.path(), 'utf8');
  const at = new Date(event.StartDate * 1000).toISOString().replace(/[-:]|\.\d+/g, '');
  assert.ok(file.includes(`DTSTART:${at}\r\n`), file);
  assert.ok(file.includes('SUMMARY:Für Elise\\; live\\, again\r\n'), file);
  assert.ok(file.includes('LOCATION:West Street Opera House\\, 11 West Street\\, Ireland\r\n'), file);
  await leave(visitor);
});
