/** Writes the licences of all that is in the built page beside it, and refuses what is not permissive. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ALLOWED = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'OFL-1.1']);

const root = new URL('..', import.meta.url).pathname;
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const texts = [];
const refused = [];
for (const [path, { version, license, dev, optional, peer }] of Object.entries(lock.packages)) {
  // What only builds and tests need is not in the page.
  if (path === '' || dev || optional || !existsSync(join(root, path))) continue;
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  // Types are gone after the build; a peer that nobody imports is not in it.
  if (name.startsWith('@types/') || (peer && !license)) continue;
  if (!ALLOWED.has(license)) refused.push(`${name}: ${license}`);
  const file = readdirSync(join(root, path)).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? readFileSync(join(root, path, file), 'utf8').trim() : `Licence: ${license}`;
  texts.push(`${name} ${version} (${license})\n\n${text}\n`);
}
if (refused.length > 0) {
  console.error(`not a permissive licence: ${refused.join(', ')}`);
  process.exit(1);
}
const line = `\n${'-'.repeat(78)}\n\n`;
writeFileSync(join(root, 'dist/site/licences.txt'), `What is in this page, and its licences.\n${line}${texts.join(line)}`);
