/** What the organiser's part offers: what the sign-in allows, or everything where nobody signs in. */
import { useConfig } from '../app/config';
import { may, useSignIn } from '../sign-in/session';

export function useRights(): { session: boolean; events: boolean; bookings: boolean } {
  const { needed } = useConfig().signIn;
  const state = useSignIn();
  return {
    session: !needed || state.session !== undefined,
    events: may(needed, state, 'events:write'),
    bookings: may(needed, state, 'bookings:admin'),
  };
}
