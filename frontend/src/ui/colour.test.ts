import { expect, test } from 'vitest';
import { readConfig } from '../app/config';
import { oldAddress } from '../app/oldAddress';
import { contrast, palette } from './colour';

test('any brand can be read, on light and dark ground', () => {
  for (const brand of ['#0f6b6b', '#ffffff', '#000000', '#ffee00', '#ff2d2d', '#7f7f7f', '#3355ff', '#c8e6a0']) {
    for (const scheme of ['light', 'dark'] as const) {
      const { solid, onSolid, ink, pressed } = palette(brand, scheme);
      expect(contrast(solid, onSolid)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(pressed, onSolid)).toBeGreaterThanOrEqual(4.5);
      for (const ground of scheme === 'light' ? ['#ffffff', '#f7f6f3', '#efede8'] : ['#121417', '#1b1e22', '#262a2f']) {
        expect(contrast(ink, ground)).toBeGreaterThanOrEqual(4.5);
      }
    }
  }
});

test('a configuration with faults in it falls back where they are', () => {
  const config = readConfig({ branding: { name: 'Opera', colour: 'red; }' }, sales: { maxSeatsPerBooking: '9' }, map: 'javascript:alert(1)', api: null });
  expect(config.branding).toEqual({ name: 'Opera', colour: '#0f6b6b', logo: '' });
  expect(config.sales.maxSeatsPerBooking).toBe(20);
  expect(config.map).toMatch(/^https:/);
  expect(config.api).toEqual({ events: '', bookings: '' });
  expect(readConfig('nonsense').branding.name).toBe('MyEvents');
});

test('addresses of the original page', () => {
  expect(oldAddress('#/events/abc/book')).toBe('/e/abc');
  expect(oldAddress('#/')).toBe('/');
  expect(oldAddress('#content')).toBeUndefined();
});
