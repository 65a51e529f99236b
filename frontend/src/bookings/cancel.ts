/** Cancels a booking: done again and again it is the same, so a lost answer is simply asked for once more. */
import { useMutation } from '@tanstack/react-query';
import { bookings, taken } from '../api/client';
import { asApiError } from '../api/problem';
import { queries } from '../api/queries';

export function useCancel() {
  return useMutation({
    mutationFn: async (id: string) => {
      await taken(bookings().DELETE('/bookings/{id}', { params: { path: { id } } }));
      return id;
    },
    retry: (count, error) => count < 5 && [0, 502, 503, 504].includes(asApiError(error).status),
    retryDelay: (count) => Math.min(500 * 2 ** count, 5_000),
    onSuccess: async (id) => {
      void queries.invalidateQueries({ queryKey: ['left'] });
      void queries.invalidateQueries({ queryKey: ['charted'] });
      // The view shows it before the dialog closes, so that the focus goes to what is still there.
      await Promise.all([['booking', id], ['bookings'], ['own']].map((queryKey) => queries.invalidateQueries({ queryKey })));
    },
  });
}
