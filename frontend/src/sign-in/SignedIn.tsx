/** `/sign-in`: where the provider sends people back to. */
import { useEffect, useState } from 'react';
import { Button } from 'react-bootstrap';
import { useNavigate } from 'react-router';
import { adopt } from '../bookings/attempts';
import { useI18n } from '../i18n';
import { Title } from '../ui/Page';
import { Loading, Notice } from '../ui/States';
import { FaultText } from './Account';
import { completeSignIn, signIn, SignInFault } from './session';

/** What came with the address; once only, as the code in it is good for one use, and the address must not keep it. */
let arrived: ReturnType<typeof completeSignIn> | undefined;
function answer(): ReturnType<typeof completeSignIn> {
  if (window.location.search) {
    const given = new URLSearchParams(window.location.search);
    window.history.replaceState(window.history.state, '', '/sign-in');
    arrived = completeSignIn(given);
  }
  return (arrived ??= Promise.reject(new SignInFault('foreign')));
}

export function SignedIn() {
  const { t } = useI18n();
  const navigate = useNavigate();
  const [fault, setFault] = useState<SignInFault>();
  useEffect(() => {
    answer().then(
      ({ back, booking }) => {
        if (booking) adopt(booking);
        void navigate(back, { replace: true });
      },
      (error: unknown) => setFault(error instanceof SignInFault ? error : new SignInFault('away')),
    );
  }, [navigate]);
  if (!fault) {
    return (
      <>
        <Title>{t('signIn.returning')}</Title>
        <Loading />
      </>
    );
  }
  return (
    <div role="alert">
      <Notice icon="warning" title={t('signIn.failed')} main>
        <p>
          <FaultText fault={fault} />
        </p>
        <Button onClick={() => void signIn(fault.back ?? '/')}>{t('signIn.again')}</Button>
      </Notice>
    </div>
  );
}
