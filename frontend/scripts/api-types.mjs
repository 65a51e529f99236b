/** Writes src/api/schema.d.ts from an OpenAPI document, or with --check says whether it is up to date. */
import { readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const check = process.argv.includes('--check');
const document = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
if (!document) {
  console.error('usage: node scripts/api-types.mjs [--check] OPENAPI.json');
  process.exit(2);
}
const target = new URL('../src/api/schema.d.ts', import.meta.url);
const tree = await openapiTS(JSON.parse(readFileSync(document, 'utf8')));
const wanted = `/** Made from \`myevents openapi\` by \`cargo xtask page\`; not to be edited. */\n\n${astToString(tree)}`;
let there = '';
try {
  there = readFileSync(target, 'utf8');
} catch {
  // The first time there is none.
}
if (there === wanted) process.exit(0);
if (check) {
  console.error('src/api/schema.d.ts is not what `myevents openapi` says: run `cargo xtask page --types`');
  process.exit(1);
}
writeFileSync(target, wanted);
console.log('wrote src/api/schema.d.ts');
