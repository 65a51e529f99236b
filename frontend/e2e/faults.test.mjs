/** Bookings whose answer is lost: by a reload, a dead service, a cut connection. Each is made once, and found again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leave } from './browser.mjs';
import { stage } from './program.mjs';

let program;
let browser;

stage((begun) => ({ program, browser } = begun));

async function open(event) {
  const visitor = await browser.visitor(program.origin);
  await visitor.page.goto(`/e/${event.ID}`);
  return { visitor, page: visitor.page, press: () => visitor.page.getByRole('button', { name: 'Book 1 seat' }).click() };
}

const done = (page) => page.getByText('Booked. Here is your ticket.').waitFor();
const kept = (page) => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('myevents.pending.')).length);

test('a reload after the service has booked, before its answer: one booking, found again', async () => {
  const event = await program.newEvent({ Name: 'Reload' });
  const { visitor, page, press } = await open(event);
  const keys = new Set();
  const arrived = new Promise((resolve) => {
    void page.route(
      '**/bookings',
      async (route) => {
        keys.add(route.request().headers()['idempotency-key']);
        await route.fetch();
        // The answer is never handed on.
        resolve();
      },
      { times: 1 },
    );
  });
  await press();
  await arrived;
  assert.equal(await kept(page), 1, 'it was written down before it was sent');
  assert.equal((await program.bookings(event)).length, 1);
  page.on('request', (request) => request.method() === 'POST' && keys.add(request.headers()['idempotency-key']));
  await page.reload();
  await done(page);
  assert.equal((await program.bookings(event)).length, 1);
  assert.equal(keys.size, 1, 'the retry has the same key');
  assert.equal(await kept(page), 0);
  await leave(visitor);
});

test('a reload before the request has got through: booked once after it', async () => {
  const event = await program.newEvent({ Name: 'Reload early' });
  const { visitor, page, press } = await open(event);
  const held = new Promise((resolve) => {
    void page.route('**/bookings', () => resolve(), { times: 1 });
  });
  await press();
  await held;
  assert.equal((await program.bookings(event)).length, 0);
  await page.reload();
  await done(page);
  assert.equal((await program.bookings(event)).length, 1);
  await leave(visitor);
});

test('another view takes it up as well, and says so', async () => {
  const event = await program.newEvent({ Name: 'Elsewhere' });
  const { visitor, page, press } = await open(event);
  const held = new Promise((resolve) => {
    void page.route('**/bookings', () => resolve(), { times: 1 });
  });
  await press();
  await held;
  await page.goto('/my');
  await page.getByText('1 seat for Elsewhere is booked.').waitFor();
  await page.getByRole('link', { name: 'Show ticket' }).click();
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  assert.equal((await program.bookings(event)).length, 1);
  await leave(visitor);
});

test('the service is dead when the button is pressed: booked once it is back', async () => {
  const event = await program.newEvent({ Name: 'Dead first' });
  const { visitor, page, press } = await open(event);
  await page.getByText('10 of 10 seats left').waitFor();
  await program.kill();
  await press();
  await page.getByText('Nobody answers.').waitFor();
  await page.getByText('nothing is booked twice').waitFor();
  await program.up();
  await done(page);
  assert.equal((await program.bookings(event)).length, 1);
  await leave(visitor);
});

test('the service is killed after it has booked and before it has answered: one booking', async () => {
  const event = await program.newEvent({ Name: 'Dead then' });
  const { visitor, page, press } = await open(event);
  await page.route(
    '**/bookings',
    async (route) => {
      await route.fetch();
      await program.kill();
      await route.abort('connectionreset');
    },
    { times: 1 },
  );
  await press();
  await page.getByText('Nobody answers.').waitFor();
  // The browser's own page of an error may come late, and would cut off the way back.
  const refused = page.waitForEvent('framenavigated', (frame) => frame.url().startsWith('chrome-error:'));
  await Promise.all([refused, page.reload().catch(() => undefined)]);
  await program.up();
  await page.goto(`/e/${event.ID}`);
  await done(page);
  assert.equal((await program.bookings(event)).length, 1);
  await leave(visitor);
});

test('a refusal of a retry counts only after the lost try can’t be granted any more', async () => {
  const event = await program.newEvent({ Name: 'Last seat' }, 1);
  const { visitor, page, press } = await open(event);
  const times = [];
  await page.route('**/bookings', async (route) => {
    times.push(Date.now());
    // The first try is lost on its way; meanwhile somebody else takes the seat.
    if (times.length === 1) {
      await program.book(event, 1);
      await route.abort('connectionreset');
    } else {
      await route.continue();
    }
  });
  await press();
  await page.getByText('Your first try is still being decided.').waitFor();
  await page.getByText('Nothing was booked', { exact: true }).waitFor({ timeout: 30_000 });
  const waited = times.at(-1) - times[0];
  assert.ok(waited >= 8_000, `the last try came ${waited} ms after the first`);
  assert.ok(times.length <= 5, `${times.length} tries`);
  assert.equal((await program.bookings(event)).length, 1);
  assert.equal(await kept(page), 0);
  await leave(visitor);
});

test('who turns away is told later how it ended', async () => {
  const event = await program.newEvent({ Name: 'Given up' });
  const { visitor, page, press } = await open(event);
  await page.route('**/bookings', async (route) => {
    await route.fetch();
    await route.abort('connectionreset');
  });
  await press();
  await page.getByRole('button', { name: 'Stop trying' }).click();
  await page.getByText('1 seat for Given up is booked.').waitFor();
  assert.equal((await program.bookings(event)).length, 1);
  await leave(visitor);
});

/** A booking that an earlier visit has written down and never heard of again. */
async function leaveBehind(page, event, change = {}) {
  await page.evaluate(
    ({ event, change }) => {
      const long = Date.now() - 3_600_000;
      const about = { id: event.ID, name: event.Name, start: 1, end: 2, zone: 'UTC', place: '' };
      const pending = { key: 'a-key-of-an-earlier-visit', event: about, body: { id: 'abcdef0123456789abcdef01', seats: 1 }, begun: long, lost: long, ...change };
      localStorage.setItem(`myevents.pending.${pending.key}`, JSON.stringify(pending));
    },
    { event, change },
  );
}

test('what is begun long ago is looked up and not sent again, and every view says how it ended', async () => {
  const event = await program.newEvent({ Name: 'Long ago' });
  for (const path of ['/my', `/e/${event.ID}`]) {
    const { visitor, page } = await open(event);
    await leaveBehind(page, event);
    await page.goto(path);
    await page.getByText('Your booking for Long ago didn’t go through. Nothing was booked.').waitFor();
    assert.equal((await program.bookings(event)).length, 0);
    assert.equal(await kept(page), 0);
    await leave(visitor);
  }
});

test('an outage that outlasts a quarter of an hour ends with a word, on the event’s own page', async () => {
  const event = await program.newEvent({ Name: 'Long outage' });
  const { visitor, page, press } = await open(event);
  await page.clock.install();
  await page.route('**/bookings', (route) => route.abort('connectionreset'));
  await press();
  await page.getByText('Nobody answers.').waitFor();
  await page.clock.fastForward(16 * 60_000);
  await page.getByText('Your booking for Long outage didn’t go through. Nothing was booked.').waitFor();
  assert.equal((await program.bookings(event)).length, 0);
  assert.equal(await kept(page), 0);
  await leave(visitor);
});

test('who has stopped trying in one tab is not booked behind their back by another', async () => {
  const event = await program.newEvent({ Name: 'Two tabs' });
  const { visitor, page, press } = await open(event);
  let sent = 0;
  await visitor.context.route('**/bookings', (route) => {
    sent += 1;
    return route.abort('connectionreset');
  });
  await press();
  await page.getByText('Nobody answers.').waitFor();
  const second = await visitor.context.newPage();
  await second.goto(`/e/${event.ID}`);
  await second.getByText('Booking…').first().waitFor();
  await page.getByRole('button', { name: 'Stop trying' }).click();
  await page.getByText('Finding out whether your booking for Two tabs went through…').waitFor();
  const tries = sent;
  await visitor.context.unroute('**/bookings');
  await page.close();
  await second.getByText('Your booking for Two tabs didn’t go through. Nothing was booked.').waitFor({ timeout: 30_000 });
  assert.ok(tries > 0);
  assert.equal((await program.bookings(event)).length, 0);
  assert.equal(await kept(second), 0);
  await leave(visitor);
});

test('what one tab has booked is shown by the other', async () => {
  const event = await program.newEvent({ Name: 'Booked beside' });
  const { visitor, page, press } = await open(event);
  const answered = [];
  visitor.context.on('response', (response) => response.request().method() === 'POST' && answered.push(response.url()));
  await visitor.context.route('**/bookings', (route) => route.abort('connectionreset'));
  await press();
  await page.getByText('Nobody answers.').waitFor();
  const second = await visitor.context.newPage();
  await second.goto(`/e/${event.ID}`);
  await second.getByText('Booking…').first().waitFor();
  await visitor.context.unroute('**/bookings');
  // The page's own next try may come first, and then there is no button any more.
  const asked = page.getByRole('button', { name: 'Ask again now' }).click();
  await Promise.race([asked.catch(() => {}), done(page)]);
  await done(page);
  await done(second);
  assert.equal(second.url(), page.url(), 'both show the same ticket');
  assert.equal(answered.length, 1, 'the second tab sends nothing');
  assert.equal((await program.bookings(event)).length, 1);
  await leave(visitor);
});

test('who has stopped trying can’t book anew before it is known how the first try ended', async () => {
  const event = await program.newEvent({ Name: 'Not twice' });
  const { visitor, page, press } = await open(event);
  const button = page.getByRole('button', { name: 'Book 1 seat' });
  // Neither an answer nor a look comes through, so that nothing is known.
  const cut = /\/bookings(\/|$)/;
  await page.route(cut, async (route) => {
    if (route.request().method() === 'POST') await route.fetch();
    await route.abort('connectionreset');
  });
  await press();
  await page.getByRole('button', { name: 'Stop trying' }).click();
  await page.getByText('Finding out whether your booking for Not twice went through…').waitFor();
  await page.getByText('You can book again as soon as that is known.').waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
  assert.equal(await button.isVisible(), false);
  // The same after a reload: it is known of storage, not of the view.
  await page.reload();
  await page.getByText('You can book again as soon as that is known.').waitFor();
  assert.equal(await button.isVisible(), false);
  await page.unroute(cut);
  await page.getByText('1 seat for Not twice is booked.').waitFor();
  await button.waitFor();
  assert.equal((await program.bookings(event)).length, 1);
  await leave(visitor);
});

test('availability that nobody tells is an error with a retry, not an endless wait', async () => {
  await program.newEvent({ Name: 'Nobody knows' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  const refuse = (route) =>
    route.fulfill({
      status: 503,
      contentType: 'application/problem+json',
      body: JSON.stringify({ type: 'urn:myevents:problem:unavailable', title: 't', status: 503, detail: 'the store is away', requestId: 'abc' }),
    });
  await page.route('**/availability?**', refuse);
  await page.goto('/?q=Nobody+knows');
  await page.getByText('Seats can’t be looked up').waitFor();
  await page.getByRole('link', { name: 'Nobody knows' }).click();
  const panel = page.getByRole('region', { name: 'Book seats' });
  await panel.getByText('the store is away').waitFor();
  assert.equal(await panel.locator('.bone').count(), 0);
  await page.unroute('**/availability?**', refuse);
  await panel.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('10 of 10 seats left').waitFor();
  await page.getByRole('button', { name: 'Book 1 seat' }).waitFor();
  await leave(visitor);
});

test('a site without a configuration has the defaults, and one that nobody answers for says so', async () => {
  const event = await program.newEvent({ Name: 'Unconfigured' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  // As nginx and CloudFront do it: what is not there is answered with the page.
  const fallback = (route) => route.fulfill({ status: 200, contentType: 'text/html', body: '<!doctype html><title>MyEvents</title>' });
  await page.route('**/config.json', fallback);
  await page.goto(`/e/${event.ID}`);
  await page.getByRole('heading', { level: 1, name: 'Unconfigured' }).waitFor();
  await page.unroute('**/config.json', fallback);
  const nobody = (route) => route.abort('connectionreset');
  await page.route('**/config.json', nobody);
  await page.reload();
  await page.getByRole('status').getByText('The service can’t be reached.').waitFor();
  await page.unroute('**/config.json', nobody);
  await page.getByRole('heading', { level: 1, name: 'Unconfigured' }).waitFor();
  await leave(visitor);
});

test('a mistyped address is told in words, and a slash at its end does no harm', async () => {
  const event = await program.newEvent({ Name: 'Slashed' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  for (const path of ['/mz', '/e/a/b', '/tickets/1']) {
    const answer = await page.goto(path);
    assert.equal(answer.status(), 404);
    await page.getByRole('heading', { level: 1, name: 'There is nothing here' }).waitFor();
  }
  for (const [path, title] of [[`/e/${event.ID}/`, 'Slashed'], ['/my/', 'My tickets'], ['/t/00ff/', 'No such ticket']]) {
    await page.goto(path);
    await page.getByRole('heading', { level: 1, name: title }).waitFor();
  }
  await leave(visitor);
});

test('a view that can’t be loaded offers to try again, and works then', async () => {
  const event = await program.newEvent({ Name: 'Comes back' });
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/');
  await page.getByRole('link', { name: 'Comes back' }).waitFor();
  await page.route(/\/(events|availability)/, (route) => route.abort());
  await page.getByLabel('Next 30 days').check({ force: true });
  await page.getByRole('heading', { name: 'The service can’t be reached' }).waitFor();
  await page.unroute(/\/(events|availability)/);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('link', { name: 'Comes back' }).waitFor();
  // A problem is shown with its detail, in words.
  await page.route(`**/events/${event.ID}`, (route) =>
    route.fulfill({
      status: 503,
      headers: { 'content-type': 'application/problem+json', 'retry-after': '1' },
      body: JSON.stringify({ type: 'urn:myevents:problem:unavailable', title: 't', status: 503, detail: 'nothing was changed', requestId: 'abc' }),
    }),
  );
  await page.goto(`/e/${event.ID}`);
  await page.getByText('The service can’t answer just now.').waitFor();
  await page.getByText('nothing was changed').waitFor();
  assert.equal(await page.getByText('{').count(), 0, 'no raw JSON');
  await page.unroute(`**/events/${event.ID}`);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { level: 1, name: 'Comes back' }).waitFor();
  await visitor.context.setOffline(true);
  await page.getByText('You seem to be offline.').waitFor();
  await visitor.context.setOffline(false);
  await page.getByText('You seem to be offline.').waitFor({ state: 'detached' });
  await leave(visitor);
});
