/** What a view shows while it has nothing to show: loading, empty, broken, unreachable, not found. */
import { lazy, type ReactNode, Suspense } from 'react';
import { Button } from 'react-bootstrap';
import { Link } from 'react-router';
import { asApiError } from '../api/problem';
import { useI18n } from '../i18n';
import { en, type Key } from '../i18n/en';
import { Icon, type IconName } from './Icon';
import { Title } from './Page';

const SignInNotice = lazy(() => import('../sign-in/Account').then((part) => ({ default: part.SignInNotice })));

export function Notice({ icon, title, text, children, main = false }: { icon: IconName; title: string; text?: string; children?: ReactNode; main?: boolean }) {
  return (
    <section className="notice">
      <span className="notice-icon">
        <Icon name={icon} size={28} />
      </span>
      {main ? <Title>{title}</Title> : <h2>{title}</h2>}
      {text && <p>{text}</p>}
      {children && <div className="notice-actions">{children}</div>}
    </section>
  );
}

/** A problem in the reader's language, and what the service itself says of it. */
export function useProblemText(): (error: unknown) => { title: string; detail?: string; request?: string } {
  const { t } = useI18n();
  return (thrown) => {
    const error = asApiError(thrown);
    const key = `problem.${error.word}`;
    const title = key in en ? t(key as Key) : error.status === 0 ? `${t('state.silence')}.` : `${t('state.error')} (${error.status}).`;
    return { title, detail: error.problem?.detail, request: error.problem?.requestId };
  };
}

export function ProblemText({ error }: { error: unknown }) {
  const { t, language } = useI18n();
  const { title, detail, request } = useProblemText()(error);
  const foreign = language === 'en' ? undefined : 'en';
  return (
    <>
      <strong>{title}</strong>
      {detail && (
        <span className="problem-detail" lang={foreign}>
          {' '}
          {detail}
        </span>
      )}
      {request && asApiError(error).status >= 500 && <small className="problem-request">{t('state.request', { id: request })}</small>}
    </>
  );
}

export function Failure({ error, retry, main = false }: { error: unknown; retry: () => void; main?: boolean }) {
  const { t } = useI18n();
  if (asApiError(error).word === 'unauthenticated') return <Suspense><SignInNotice main={main} /></Suspense>;
  const silent = asApiError(error).status === 0;
  return (
    <div role="alert">
      <Notice icon="warning" title={silent ? t('state.silence') : t('state.error')} text={silent ? t('state.silence.text') : undefined} main={main}>
        {!silent && (
          <p>
            <ProblemText error={error} />
          </p>
        )}
        <Button onClick={retry}>{t('state.retry')}</Button>
      </Notice>
    </div>
  );
}

export function NotFound({ title, text }: { title?: string; text?: string }) {
  const { t } = useI18n();
  return (
    <Notice icon="search" title={title ?? t('state.notFound')} text={text ?? t('state.notFound.text')} main>
      <Link className="btn btn-primary" to="/">
        {t('state.home')}
      </Link>
    </Notice>
  );
}

/** A grey shape in the size of what will come. */
export function Bone({ className = '' }: { className?: string }) {
  return <span className={`bone ${className}`} aria-hidden="true" />;
}

export function Loading({ children }: { children?: ReactNode }) {
  const { t } = useI18n();
  return (
    <div aria-busy="true">
      <span className="visually-hidden" role="status">
        {t('app.loading')}
      </span>
      {children ?? (
        <div className="bones">
          <Bone className="bone-title" />
          <Bone />
          <Bone />
          <Bone className="bone-short" />
        </div>
      )}
    </div>
  );
}
