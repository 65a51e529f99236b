/** The browser of the tests, and what every test watches: errors, requests to elsewhere, accessibility. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = process.env.PAGE_SHOTS ?? new URL('shots', import.meta.url).pathname;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 360, height: 780 };

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export class Browser {
  static async start() {
    const browser = new Browser();
    assert.ok(existsSync(CHROMIUM), `no browser at ${CHROMIUM}`);
    browser.folder = mkdtempSync(join(tmpdir(), 'myevents-chromium-'));
    browser.chromium = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS, `--crash-dumps-dir=${browser.folder}`] });
    return browser;
  }

  /** A person with a browser of their own. */
  async visitor(origin, { provider, ...options } = {}) {
    const context = await this.chromium.newContext({
      baseURL: origin,
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      viewport: DESKTOP,
      reducedMotion: 'reduce',
      acceptDownloads: true,
      ...options,
    });
    const visitor = { context, faults: [], elsewhere: [], referrers: [] };
    context.setDefaultTimeout(20_000);
    context.on('request', (request) => {
      const known = [origin, provider, provider && 'https://fonts.googleapis.com'].some((each) => each && request.url().startsWith(`${each}/`));
      if (!known && !/^(blob|data):/.test(request.url())) visitor.elsewhere.push(request.url());
      const referrer = request.headers().referer;
      // What the identity provider does on its own pages is its affair.
      if (referrer && !(provider && referrer.startsWith(`${provider}/`))) visitor.referrers.push(`${referrer} → ${request.url()}`);
    });
    visitor.watch = (page) => {
      page.on('pageerror', (error) => visitor.faults.push(String(error)));
      page.on('console', (message) => {
        const text = message.text();
        if (provider && page.url().startsWith(`${provider}/`)) return;
        // That a request was refused or cut off is what some tests are about.
        if (['error', 'warning'].includes(message.type()) && !/Failed to load resource|net::ERR_/.test(text)) visitor.faults.push(text);
      });
    };
    // Its pages want a font from far away.
    if (provider) await context.route(/^https:\/\/fonts\.googleapis\.com\//, (route) => route.fulfill({ contentType: 'text/css', body: '' }));
    context.on('page', visitor.watch);
    visitor.page = await context.newPage();
    return visitor;
  }

  async stop() {
    await this.chromium.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Nothing broke, nobody else was asked, nobody was told where the visitor comes from. */
export async function leave(visitor) {
  await visitor.context.close();
  assert.deepEqual(visitor.faults, [], 'the page has errors');
  assert.deepEqual(visitor.elsewhere, [], 'requests left the site');
  assert.deepEqual(visitor.referrers, [], 'a referrer was sent');
}

/** axe finds nothing on the view as it is now. */
export async function accessible(page, what) {
  // The policy of the page allows no foreign script, and a test should not loosen it: evaluated ones are not the page's.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  );
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map((node) => `${node.html}\n      ${node.failureSummary}`).join('\n    ')}`);
  assert.deepEqual(found, [], `axe on ${what}`);
}

/** Nothing sticks out at the side. */
export async function fits(page, what) {
  const { wide, width } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, width: window.innerWidth }));
  assert.ok(wide <= width, `${what} is ${wide} wide in a window of ${width}`);
}

export async function shoot(page, name, options = {}) {
  mkdirSync(SHOTS, { recursive: true });
  await page.evaluate(async () => {
    window.scrollTo(0, 0);
    await document.fonts.ready;
  });
  const path = join(SHOTS, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled', ...options });
  return path;
}

/** The pictures of the README; taken over from the test's with UPDATE_DOCS=1. */
export async function picture(page, name) {
  const path = await shoot(page, `readme-${name}`, { fullPage: true });
  if (process.env.UPDATE_DOCS === '1') copyFileSync(path, new URL(`../../docs/images/${name}.png`, import.meta.url));
}
