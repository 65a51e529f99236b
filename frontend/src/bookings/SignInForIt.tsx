/** A booking that waits for somebody to sign in: do it, or let it be. */
import { Button } from 'react-bootstrap';
import { useI18n } from '../i18n';
import { currentSession, signIn, useSignIn } from '../sign-in/session';
import { adopt, leave } from './attempts';
import type { Pending } from './pending';

export function SignInForIt({ pending }: { pending: Pending }) {
  const { t } = useI18n();
  const { leaving } = useSignIn();
  const go = () => {
    // Signed in already, but not when it was begun.
    if (currentSession()) adopt(pending.key);
    else void signIn(`/e/${pending.event.id}`, pending.key);
  };
  return (
    <div className="button-row">
      <Button size="sm" disabled={leaving} onClick={go}>
        {t(leaving ? 'confirm.busy' : currentSession() ? 'book.goOn' : 'signIn.in')}
      </Button>
      {!pending.left && (
        <Button variant="link" size="sm" onClick={() => leave(pending.key)}>
          {t('book.leave')}
        </Button>
      )}
    </div>
  );
}
