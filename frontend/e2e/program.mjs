/** The real `myevents` program: started on a free port, killed, started again on the same data; and its interface. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Browser } from './browser.mjs';

const BINARY = process.env.PAGE_TEST_PROGRAM ?? new URL('../../target/debug/myevents', import.meta.url).pathname;

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The program and the browser of a file's tests: begun before the first, ended after the last. `more` names flags, or makes the program. */
export function stage(take, more = []) {
  const begun = {};
  before(async () => {
    begun.program = typeof more === 'function' ? await more() : await Program.start(...more);
    begun.browser = await Browser.start();
    await take(begun);
  });
  after(async () => {
    await begun.browser?.stop();
    await begun.program?.stop();
  });
}

export class Program {
  static async start(...flags) {
    const program = await Program.placed(...flags);
    await program.up();
    return program;
  }

  /** Its address is known, and it does not run yet. */
  static async placed(...flags) {
    const program = new Program();
    program.data = mkdtempSync(join(tmpdir(), 'myevents-page-'));
    program.port = await freePort();
    program.origin = `http://127.0.0.1:${program.port}`;
    program.flags = flags;
    program.settings = {};
    program.headers = {};
    // A test that breaks off must not leave it running.
    process.once('exit', () => program.child?.kill('SIGKILL'));
    return program;
  }

  /** Starts it, on the same data as before. */
  async up() {
    this.log = '';
    const listen = ['--listen', `127.0.0.1:${this.port}`, '--event-listen', 'none', '--booking-listen', 'none', '--metrics-listen', 'none'];
    this.child = spawn(BINARY, ['serve', '--data', this.data, ...listen, ...this.flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.settings },
    });
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => (this.log += text));
    for (let turn = 0; turn < 600; turn += 1) {
      if (this.child.exitCode !== null) throw new Error(`myevents ended at its start:\n${this.log}`);
      const ready = await fetch(`${this.origin}/readyz`).catch(() => undefined);
      if (ready?.ok) return;
      await sleep(50);
    }
    throw new Error(`myevents is not ready:\n${this.log}`);
  }

  /** From now on its interface is asked with a key that may do everything. */
  async signIn() {
    const scopes = ['events:admin', 'bookings:admin'].flatMap((scope) => ['--scope', scope]);
    const made = execFileSync(BINARY, ['--data', this.data, 'api-keys', 'make', 'tests', ...scopes], { env: { ...process.env, ...this.settings }, encoding: 'utf8' });
    this.headers = { authorization: `Bearer ${/mye_\S+/.exec(made)[0]}` };
    // A running program hears of a new key after some seconds.
    for (let turn = 0; turn < 1200; turn += 1) {
      const answer = await fetch(`${this.origin}/users/me`, { headers: this.headers });
      const listed = await fetch(`${this.origin}/events`, { headers: this.headers });
      if (answer.status !== 401 && listed.status !== 401) return;
      await sleep(50);
    }
    throw new Error('the key is never taken');
  }

  /** `kill -9`. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  async stop() {
    this.child.kill('SIGTERM');
    await this.ended;
    rmSync(this.data, { recursive: true, force: true });
  }

  /** One request past the page; throws unless it succeeds. */
  async ask(method, path, body, headers = {}) {
    const response = await fetch(this.origin + path, {
      method,
      headers: { 'content-type': 'application/json', ...this.headers, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** An event that can be booked at once. */
  async newEvent(change = {}, seats = 10) {
    const start = Math.floor(Date.now() / 1000) + 20 * 86_400;
    const event = await this.ask('POST', '/events', {
      Name: 'Aida',
      Duration: 120,
      StartDate: start,
      EndDate: start + 7_200,
      Location: {
        Name: 'West Street Opera House',
        Address: '11 West Street',
        Country: 'Ireland',
        OpenTime: 8,
        CloseTime: 23,
        TimeZone: 'Europe/Dublin',
        Halls: seats === null ? [] : [{ name: 'Cesar hall', location: 'second floor', capacity: seats }],
      },
      ...change,
    });
    await this.until(`/availability?ids=${event.ID}`, (found) => found.length === 1);
    return event;
  }

  async until(path, met) {
    for (let turn = 0; turn < 1600; turn += 1) {
      const found = await this.ask('GET', path);
      if (met(found)) return found;
      await sleep(25);
    }
    throw new Error(`${path} never became as it should`);
  }

  async bookings(event) {
    return this.ask('GET', `/events/${event.ID}/bookings`);
  }

  async left(event) {
    return (await this.ask('GET', `/events/${event.ID}/availability`)).Available;
  }

  async book(event, seats, more = {}) {
    return this.ask('POST', `/events/${event.ID}/bookings`, { seats, ...more });
  }
}
