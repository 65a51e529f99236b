/** How the page is built and unit-tested: hashed files, no inline scripts, styles that work in both reading directions. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { logical } from './scripts/logical.ts';

export default defineConfig({
  plugins: [react()],
  css: {
    postcss: { plugins: [logical()] },
    preprocessorOptions: {
      // Bootstrap 5.3 is written with Sass features that newer Sass wants to be rid of.
      scss: { quietDeps: true, silenceDeprecations: ['import', 'global-builtin', 'color-functions', 'if-function'] },
    },
  },
  build: {
    // One folder below dist, because dist itself is checked in (cargo watches it).
    outDir: 'dist/site',
    emptyOutDir: true,
    target: 'es2022',
    // Everything small stays a file: `data:` addresses would need a wider content security policy.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // What every visit loads, in one file of ours: small ones beside each other compress badly.
        advancedChunks: { groups: [{ name: 'frame', test: /\/src\/(api|app|i18n\/(en|index|message)|sign-in\/(session|scopes)|bookings\/(Banners|attempts|settle|tickets|pending)|ui\/(Icon|Page|States|focus))/ }] },
      },
    },
  },
  server: {
    // `npm run dev` beside a running `myevents`.
    proxy: Object.fromEntries(
      ['/events', '/locations', '/bookings', '/availability', '/users', '/config.json', '/docs', '/openapi.json'].map(
        (path) => [path, process.env['MYEVENTS'] ?? 'http://127.0.0.1:8080'],
      ),
    ),
  },
  test: {
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/test/setup.ts'],
    css: false,
    // One process is enough for a few small files, and leaves the machine to others.
    fileParallelism: false,
    isolate: false,
    pool: 'threads',
    // A machine that builds other things beside is slow, not wrong.
    testTimeout: 60_000,
  },
});
