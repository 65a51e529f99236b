/** Bookings that an earlier visit left open, above whatever view is shown. */
import { lazy, Suspense } from 'react';
import { Alert, Button, Spinner } from 'react-bootstrap';
import { Link, useLocation } from 'react-router';
import { useI18n } from '../i18n';
import { ProblemText } from '../ui/States';
import { type Attempt, dismiss, leave, nudge, useAttempts } from './attempts';

const SignInForIt = lazy(() => import('./SignInForIt').then((part) => ({ default: part.SignInForIt })));

function Banner({ attempt }: { attempt: Attempt }) {
  const { t } = useI18n();
  const { pending, ended, delay } = attempt;
  const event = pending.event.name;
  const done = () => dismiss(pending.key);
  if (ended?.kind === 'booked') {
    return (
      <Alert variant="success" dismissible onClose={done} closeLabel={t('state.close')}>
        {t('book.found', { n: ended.booking.Seats, event })}{' '}
        <Link to={`/t/${ended.booking.ID}`} className="alert-link" onClick={done}>
          {t('book.show')}
        </Link>
      </Alert>
    );
  }
  if (ended) {
    return (
      <Alert variant="warning" dismissible onClose={done} closeLabel={t('state.close')}>
        {t('book.nothing', { event })} {ended.kind === 'refused' && <ProblemText error={ended.error} />}
      </Alert>
    );
  }
  if (delay === 'signIn') {
    return (
      <Alert variant="warning">
        <p>{t('book.signIn.event', { event })}</p>
        <Suspense>
          <SignInForIt pending={pending} />
        </Suspense>
      </Alert>
    );
  }
  return (
    <Alert variant="info">
      <Spinner size="sm" aria-hidden="true" /> {t(pending.left ? 'book.looking' : 'book.resuming', { event })}
      {delay && (
        <span className="button-row">
          <Button variant="link" size="sm" onClick={nudge}>
            {t('book.now')}
          </Button>
          {!pending.left && (
            <Button variant="link" size="sm" onClick={() => leave(pending.key)}>
              {t('book.leave')}
            </Button>
          )}
        </span>
      )}
    </Alert>
  );
}

export function Banners() {
  const { pathname } = useLocation();
  const attempts = useAttempts();
  // On the way back from signing in everything is about to change.
  if (pathname === '/sign-in') return null;
  // The event's own view shows what was begun there.
  const shown = attempts.filter(
    ({ pending }) => pathname !== `/t/${pending.body.id}` && (pending.left || pathname !== `/e/${pending.event.id}`),
  );
  return (
    <div className="banners" role="status">
      {shown.map((attempt) => (
        <Banner key={attempt.pending.key} attempt={attempt} />
      ))}
    </div>
  );
}
