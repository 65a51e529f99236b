/** Whether an event can be booked, followed while the page is open. */
import { useEffect, useReducer } from 'react';
import type { Event } from '../api/client';
import { nowSeconds } from '../api/clock';
import { useConfig } from '../app/config';
import { nextTurn, type Sale, saleOf } from './sale';

/** Timers stand still while a device sleeps, and the services' time may be learnt late: look again after that long at most. */
const LONGEST = 600;

export function useSale(event: Event): Sale {
  const { sales } = useConfig();
  const [, look] = useReducer((turn: number) => turn + 1, 0);
  const now = nowSeconds();
  const next = nextTurn(event, now);
  useEffect(() => {
    if (next === undefined) return undefined;
    const timer = setTimeout(look, Math.min(next - now, LONGEST) * 1_000);
    return () => clearTimeout(timer);
  });
  return saleOf(event, sales, now);
}
