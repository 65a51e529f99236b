/** Puts a brotli and a gzip copy beside each text file of the built page, and says what the first view weighs. */
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const site = new URL('../dist/site/', import.meta.url).pathname;
const FIRST_VIEW = 120 * 1024;

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const sizes = new Map();
for (const path of files(site)) {
  if (!/\.(html|js|css|svg|json|webmanifest|txt)$/.test(path)) continue;
  const bytes = readFileSync(path);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  const small = { br: brotliCompressSync(bytes, { params }), gz: gzipSync(bytes, { level: 9 }) };
  sizes.set(path.slice(site.length), { plain: bytes.length, br: small.br.length, gz: small.gz.length });
  // A copy that saves nothing is not worth its place in the program.
  if (small.br.length < bytes.length) writeFileSync(`${path}.br`, small.br);
  if (small.gz.length < bytes.length) writeFileSync(`${path}.gz`, small.gz);
}

const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
for (const [name, size] of [...sizes].sort()) {
  console.log(`${name.padEnd(44)} ${kib(size.plain).padStart(11)}  br ${kib(size.br).padStart(10)}  gz ${kib(size.gz).padStart(10)}`);
}
const html = readFileSync(join(site, 'index.html'), 'utf8');
const first = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1]);
const gzipped = first.reduce((sum, name) => sum + sizes.get(name).gz, 0);
const brotli = first.reduce((sum, name) => sum + sizes.get(name).br, 0);
console.log(`first view: ${first.length} scripts, br ${kib(brotli)}, gz ${kib(gzipped)} (at most ${kib(FIRST_VIEW)})`);
if (gzipped > FIRST_VIEW) {
  console.error('the scripts of the first view are too large');
  process.exit(1);
}
