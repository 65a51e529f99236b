/** Starts the page: theme, language and configuration first, then the views, then what an earlier visit left open. */
import '@fontsource-variable/inter/wght.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { connect } from './api/client';
import { queries } from './api/queries';
import { App } from './app/App';
import { ConfigProvider, loadConfig, type PageConfig } from './app/config';
import { startTheme } from './app/theme';
import { resumeAll } from './bookings/attempts';
import { firstLanguage, I18nProvider, textsOf } from './i18n';
import { startSession } from './sign-in/session';
import './styles/main.scss';

/** After some seconds, so that nobody looks at an empty window; the first view takes its place. */
async function sayThatNobodyAnswers(): Promise<void> {
  const t = await textsOf(firstLanguage());
  const text = document.createElement('p');
  text.className = 'boot-text';
  text.setAttribute('role', 'status');
  text.textContent = `${t('state.silence')}. ${t('state.silence.text')}`;
  place?.replaceChildren(text);
}

/** Where the services are is written in the configuration: without it there is nothing to ask, so it is asked for until it comes. */
async function configuration(): Promise<PageConfig> {
  for (let turn = 0; ; turn += 1) {
    try {
      return await loadConfig();
    } catch {
      if (turn === 3) void sayThatNobodyAnswers();
      await new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** turn, 10_000)));
    }
  }
}

const place = document.getElementById('root');
startTheme();
const [config, language] = await Promise.all([configuration(), firstLanguage()]);
startTheme(config.branding.colour);
connect(config);
startSession(config);
resumeAll(config);

if (place) {
  createRoot(place).render(
    <StrictMode>
      <I18nProvider first={language}>
        <ConfigProvider value={config}>
          <QueryClientProvider client={queries}>
            <BrowserRouter>
              <App />
            </BrowserRouter>
          </QueryClientProvider>
        </ConfigProvider>
      </I18nProvider>
    </StrictMode>,
  );
}
