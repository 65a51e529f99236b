/** How often something is asked again: quickly while it changes, ever more slowly while it does not. */
import { useRef } from 'react';

const STEPS = [3_000, 3_000, 4_000, 5_000, 8_000, 12_000, 20_000, 30_000, 60_000];

interface Polled {
  state: { data: unknown; dataUpdatedAt: number; errorUpdatedAt: number };
}

/** For `refetchInterval`. TanStack Query hands out the same object while the answer is the same, and does not poll in hidden tabs. */
export function useBackoff(): (query: Polled) => number {
  const seen = useRef<{ data: unknown; stamp: number; quiet: number }>({ data: undefined, stamp: 0, quiet: 0 });
  return ({ state }) => {
    const last = seen.current;
    const stamp = Math.max(state.dataUpdatedAt, state.errorUpdatedAt);
    if (stamp !== last.stamp) {
      const quiet = last.data !== undefined && state.data === last.data ? last.quiet + 1 : 0;
      seen.current = { data: state.data, stamp, quiet };
    }
    return STEPS[Math.min(seen.current.quiet, STEPS.length - 1)] ?? 60_000;
  };
}
