/** What every unit test starts from. */
import { cleanup } from '@testing-library/react';
import { afterEach, beforeEach } from 'vitest';

// Dates are written in the reader's zone: the tests have one reader.
process.env['TZ'] = 'Europe/Berlin';

// Only tests that say so have a document.
beforeEach(() => {
  if (typeof document !== 'undefined') localStorage.clear();
});

afterEach(() => {
  if (typeof document !== 'undefined') cleanup();
});
