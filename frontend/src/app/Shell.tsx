/** What is around every view: header, banners, footer. */
import { lazy, type ReactNode, Suspense, useState, useSyncExternalStore } from 'react';
import { NavLink, useLocation } from 'react-router';
import { Banners } from '../bookings/Banners';
import { useTickets } from '../bookings/tickets';
import { LANGUAGE_NAMES, LANGUAGES, type Language, useI18n } from '../i18n';
import { offered } from '../sign-in/session';
import { Broken } from '../ui/Broken';
import { Icon, type IconName } from '../ui/Icon';
import { Loading } from '../ui/States';
import { useConfig } from './config';
import { chosenTheme, chooseTheme, type Theme, THEMES } from './theme';

// Where nobody signs in nobody has to load it.
const Account = lazy(() => import('../sign-in/Account').then((part) => ({ default: part.Account })));
const SignInBanner = lazy(() => import('../sign-in/Account').then((part) => ({ default: part.SignInBanner })));

const THEME_ICONS: Record<Theme, IconName> = { auto: 'auto', light: 'sun', dark: 'moon' };

function ThemeButton() {
  const { t } = useI18n();
  const [theme, setTheme] = useState(chosenTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'auto';
  const turn = () => {
    chooseTheme(next);
    setTheme(next);
  };
  return (
    <button type="button" className="btn btn-icon" aria-label={t(`app.theme.${theme}`)} title={t(`app.theme.${theme}`)} onClick={turn}>
      <Icon name={THEME_ICONS[theme]} />
    </button>
  );
}

function LanguageChoice() {
  const { t, language, choose } = useI18n();
  return (
    <select className="language" aria-label={t('app.language')} value={language} onChange={(event) => choose(event.target.value as Language)}>
      {LANGUAGES.map((each) => (
        <option key={each} value={each} lang={each}>
          {LANGUAGE_NAMES[each]}
        </option>
      ))}
    </select>
  );
}

function Brand() {
  const { branding } = useConfig();
  return (
    <NavLink to="/" className="brand">
      {branding.logo ? <img src={branding.logo} alt="" height="28" /> : <Icon name="ticket" size={26} />}
      <span>{branding.name}</span>
    </NavLink>
  );
}

function online(listener: () => void): () => void {
  window.addEventListener('online', listener);
  window.addEventListener('offline', listener);
  return () => {
    window.removeEventListener('online', listener);
    window.removeEventListener('offline', listener);
  };
}

function Offline() {
  const { t } = useI18n();
  const connected = useSyncExternalStore(online, () => navigator.onLine);
  return <div role="status">{!connected && <p className="offline">{t('app.offline')}</p>}</div>;
}

export function Shell({ children }: { children: ReactNode }) {
  const { t } = useI18n();
  const { branding, organiser } = useConfig();
  const tickets = useTickets().filter((ticket) => ticket.state === 'confirmed').length;
  const { pathname } = useLocation();
  return (
    <>
      <a className="skip" href="#content">
        {t('app.skip')}
      </a>
      <header className="top no-print">
        <div className="top-in">
          <Brand />
          <nav aria-label={t('app.nav')}>
            <NavLink to="/" end className={({ isActive }) => (isActive || pathname.startsWith('/e/') ? 'active' : '')}>
              {t('app.events')}
            </NavLink>
            <NavLink to="/my" className={({ isActive }) => (isActive || pathname.startsWith('/t/') ? 'active' : '')}>
              {t('app.tickets')}
              {tickets > 0 && <span className="bubble">{tickets}</span>}
            </NavLink>
            {organiser && <NavLink to="/organise">{t('app.organise')}</NavLink>}
          </nav>
          <div className="top-tools">
            <Suspense>{offered() && <Account />}</Suspense>
            <LanguageChoice />
            <ThemeButton />
          </div>
        </div>
      </header>
      <Offline />
      <main id="content" tabIndex={-1}>
        <Suspense>{offered() && <SignInBanner />}</Suspense>
        <Banners />
        <Broken>
          <Suspense fallback={<Loading />}>{children}</Suspense>
        </Broken>
      </main>
      <footer className="foot no-print">
        <p>
          {branding.name} · {t('app.promise')}
        </p>
        <p>
          <a href="/docs">{t('app.docs')}</a>
        </p>
      </footer>
    </>
  );
}
