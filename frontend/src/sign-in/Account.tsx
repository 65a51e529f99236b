/** Sign-in in the frame of the page, and what views show to whoever is not signed in. */
import { Alert, Button } from 'react-bootstrap';
import { useLocation } from 'react-router';
import { forgetTicketsOf } from '../bookings/tickets';
import { useI18n } from '../i18n';
import { Icon } from '../ui/Icon';
import { Notice } from '../ui/States';
import { forgetFault, offered, signIn, type SignInFault, signOut, useSignIn } from './session';

/** In the header: the way in, or who is in and the way out. */
export function Account() {
  const { t } = useI18n();
  const { session, leaving } = useSignIn();
  const { pathname } = useLocation();
  if (!session) {
    return (
      <Button size="sm" variant="outline-primary" disabled={leaving} onClick={() => void signIn(pathname === '/sign-in' ? '/' : undefined)}>
        {t('signIn.in')}
      </Button>
    );
  }
  return (
    <>
      <span className="account" title={t('signIn.as', { name: session.name || t('signIn.nameless') })}>
        <Icon name="people" size={18} />
        <span className="visually-hidden">{t('signIn.as', { name: '' })}</span>
        <bdi>{session.name || t('signIn.nameless')}</bdi>
      </span>
      <Button size="sm" variant="outline-primary" disabled={leaving} onClick={() => void leaveAccount(session.person)}>
        {t('signIn.out')}
      </Button>
    </>
  );
}

/** What this browser kept of the account goes with it. */
async function leaveAccount(person: string): Promise<void> {
  forgetTicketsOf(person);
  await signOut();
}

export function FaultText({ fault }: { fault: SignInFault }) {
  const { t } = useI18n();
  return (
    <>
      {t(`signIn.fault.${fault.kind}`)} {fault.said && <span className="problem-detail">{t('signIn.said', { text: fault.said })}</span>}
    </>
  );
}

/** Above every view: that it has run out, or why it does not work. */
export function SignInBanner() {
  const { t } = useI18n();
  const { session, ended, fault, leaving } = useSignIn();
  const shown = fault !== undefined || (ended && !session);
  return (
    <div className="banners" role="alert">
      {shown && (
        <Alert variant="warning" dismissible onClose={forgetFault} closeLabel={t('state.close')}>
          <p>{fault ? <FaultText fault={fault} /> : t('signIn.ended')}</p>
          {!session && (
            <Button size="sm" disabled={leaving} onClick={() => void signIn()}>
              {t('signIn.in')}
            </Button>
          )}
        </Alert>
      )}
    </div>
  );
}

/** In place of what only signed-in people may see. Where the page can't sign anybody in it says that. */
export function SignInNotice({ main = false }: { main?: boolean }) {
  const { t } = useI18n();
  const { leaving } = useSignIn();
  if (!offered()) return <Notice icon="people" title={t('signIn.missing')} text={t('signIn.missing.text')} main={main} />;
  return (
    <Notice icon="people" title={t('signIn.needed')} text={t('signIn.needed.text')} main={main}>
      <Button disabled={leaving} onClick={() => void signIn()}>
        {t(leaving ? 'confirm.busy' : 'signIn.in')}
      </Button>
    </Notice>
  );
}
