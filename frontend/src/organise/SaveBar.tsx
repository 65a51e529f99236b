/** Below a form: save, and how it goes. */
import { Alert, Button } from 'react-bootstrap';
import { useI18n } from '../i18n';
import { ProblemText } from '../ui/States';
import type { Saving } from './useRecord';

interface Props {
  saving: Saving;
  /** Why it takes so long. */
  why?: unknown;
  error?: unknown;
  /** It may have been saved all the same. */
  unknown: boolean;
  /** The problem is shown at its field already. */
  atField: boolean;
  tried: boolean;
  wrong: boolean;
  saved: boolean;
  changed: boolean;
  label?: string;
  stop: () => void;
  discard: () => void;
}

export function SaveBar({ saving, why, error, unknown, atField, tried, wrong, saved, changed, label, stop, discard }: Props) {
  const { t } = useI18n();
  return (
    <div className="save-bar">
      <div aria-live="polite">
        {error && !atField ? (
          <Alert variant="danger">
            <ProblemText error={error} /> {unknown && t('organise.unknown')}
          </Alert>
        ) : null}
        {(tried && wrong) || atField ? <Alert variant="warning">{t('organise.fix')}</Alert> : null}
        {saving === 'waiting' && (
          <Alert variant="info">
            <ProblemText error={why} /> {t('organise.waiting')}
          </Alert>
        )}
        {saved && !changed && saving === 'idle' && !error && <Alert variant="success">{t('organise.saved')}</Alert>}
      </div>
      <div className="button-row">
        <Button type="submit" disabled={saving !== 'idle'}>
          {saving === 'idle' ? (label ?? t('organise.save')) : t('organise.saving')}
        </Button>
        {saving === 'waiting' && (
          <Button variant="outline-primary" onClick={stop}>
            {t('book.leave')}
          </Button>
        )}
        {changed && (
          <Button variant="link" disabled={saving !== 'idle'} onClick={discard}>
            {t('organise.discard')}
          </Button>
        )}
      </div>
    </div>
  );
}
