/** A booking on its way, and what one may do meanwhile. */
import { useState } from 'react';
import { Button, Spinner } from 'react-bootstrap';
import { lasting } from '../app/storage';
import { useI18n } from '../i18n';
import { type Attempt, leave, nudge } from './attempts';
import { SignInForIt } from './SignInForIt';

export function Progress({ attempt }: { attempt: Attempt }) {
  const { t } = useI18n();
  const { delay, pending } = attempt;
  const [lasts] = useState(lasting);
  if (delay === 'signIn') {
    return (
      <div className="progress-box">
        <p role="status">{t('book.signIn')}</p>
        <SignInForIt pending={pending} />
      </div>
    );
  }
  return (
    <div className="progress-box">
      <p className="progress-line" role="status">
        <Spinner size="sm" aria-hidden="true" />
        <span>{delay ? t(`book.${delay}`) : t('book.sending')}</span>
      </p>
      {delay && (
        <>
          <p className="muted">{t(lasts ? 'book.safe' : 'book.unsafe')}</p>
          <div className="button-row">
            {delay !== 'deciding' && (
              <Button variant="outline-primary" size="sm" onClick={nudge}>
                {t('book.now')}
              </Button>
            )}
            <Button variant="link" size="sm" onClick={() => leave(pending.key)}>
              {t('book.leave')}
            </Button>
          </div>
        </>
      )}
    </div>
  );
}
