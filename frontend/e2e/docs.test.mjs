/** The page of the interface's document: it works under the policy that it is served with, and asks nobody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leave } from './browser.mjs';
import { stage } from './program.mjs';

let program;
let browser;

stage((begun) => ({ program, browser } = begun));

test('the document is shown, and a request can be tried', async () => {
  const visitor = await browser.visitor(program.origin);
  const { page } = visitor;
  await page.goto('/docs');
  await page.locator('.opblock').first().waitFor();
  const operation = page.locator('.opblock-get').filter({ has: page.locator('[data-path="/healthz"]') }).first();
  await operation.locator('.opblock-summary-control, .opblock-summary').first().click();
  await operation.getByRole('button', { name: 'Try it out' }).click();
  await operation.getByRole('button', { name: 'Execute' }).click();
  await operation.locator('.live-responses-table .response-col_status').filter({ hasText: '200' }).first().waitFor();
  assert.ok((await page.locator('.opblock').count()) > 10);
  await leave(visitor);
});
