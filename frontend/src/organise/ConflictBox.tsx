/** What somebody else has stored meanwhile, field by field, and whose counts. */
import { useEffect, useRef } from 'react';
import { Alert, Form } from 'react-bootstrap';
import { useI18n } from '../i18n';
import type { Key } from '../i18n/en';
import type { Conflict } from './useRecord';

interface Props<Rec, Draft> {
  conflict: Conflict<Rec, Draft>;
  draft: Draft;
  labels: Record<keyof Draft, Key>;
  show: (name: keyof Draft, draft: Draft) => string;
  change: (draft: Draft) => void;
}

export function ConflictBox<Rec, Draft extends object>({ conflict, draft, labels, show, change }: Props<Rec, Draft>) {
  const { t } = useI18n();
  const { torn, taken, theirDraft, mine } = conflict;
  const heading = useRef<HTMLHeadingElement>(null);
  // It stands above the form, out of sight of the button that brought it about.
  useEffect(() => heading.current?.focus(), [conflict]);
  const value = (name: keyof Draft, from: Draft) => show(name, from) || t('conflict.empty');
  return (
    <Alert variant="warning" className="conflict">
      <h2 ref={heading} tabIndex={-1}>
        {t('conflict.title')}
      </h2>
      <p>{t(torn.length > 0 ? 'conflict.text' : 'conflict.same')}</p>
      {torn.map((name) => {
        const theirs = JSON.stringify(draft[name]) === JSON.stringify(theirDraft[name]);
        const choice = (whose: 'theirs' | 'yours', from: Draft, checked: boolean) => (
          <Form.Check
            type="radio"
            id={`conflict-${String(name)}-${whose}`}
            name={`conflict-${String(name)}`}
            label={`${t(`conflict.${whose}`)}: ${value(name, from)}`}
            checked={checked}
            onChange={() => change({ ...draft, [name]: from[name] })}
          />
        );
        return (
          <fieldset key={String(name)}>
            <legend>{t(labels[name])}</legend>
            {choice('theirs', theirDraft, theirs)}
            {choice('yours', mine, !theirs)}
          </fieldset>
        );
      })}
      {taken.length > 0 && <p>{t('conflict.taken', { fields: taken.map((name) => `${t(labels[name])} (${value(name, theirDraft)})`).join(', ') })}</p>}
    </Alert>
  );
}
