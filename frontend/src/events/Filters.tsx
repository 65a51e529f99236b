/** Search and dates above the list. */
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Button, Form } from 'react-bootstrap';
import { useI18n } from '../i18n';
import type { Key } from '../i18n/en';
import { Icon } from '../ui/Icon';
import { isNarrowed, NO_WISH, type When, WHENS, type Wish } from './filter';

const LABELS: Record<When, Key> = { any: 'list.when.any', week: 'list.when.week', month: 'list.when.month', dates: 'list.when.dates' };
/** How long a person may pause in a word before it is looked for. */
const PAUSE = 300;

export function Filters({ wish, change }: { wish: Wish; change: (wish: Wish) => void }) {
  const { t } = useI18n();
  // The fields show at once what was done to them; the address follows.
  const [draft, setDraft] = useState(wish);
  const sent = useRef(wish);
  useEffect(() => {
    // The address has changed by another way than these fields, such as going back.
    if (JSON.stringify(wish) !== JSON.stringify(sent.current)) {
      sent.current = wish;
      setDraft(wish);
    }
  }, [wish]);
  const send = (next: Wish) => {
    sent.current = next;
    setDraft(next);
    change(next);
  };
  useEffect(() => {
    if (draft.q === sent.current.q) return;
    const timer = setTimeout(() => {
      sent.current = draft;
      change(draft);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [draft, change]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send(draft);
  };
  return (
    <search className="filters">
      <Form onSubmit={submit}>
        <div className="search-field">
          <Icon name="search" />
          <Form.Control
            type="search"
            aria-label={t('list.search')}
            placeholder={t('list.search')}
            value={draft.q}
            maxLength={200}
            onChange={(event) => setDraft({ ...draft, q: event.target.value })}
          />
        </div>
        <fieldset className="chips">
          <legend className="visually-hidden">{t('list.when')}</legend>
          {WHENS.map((when) => (
            <label key={when} className="chip">
              <input type="radio" name="when" checked={draft.when === when} onChange={() => send({ ...draft, when })} />
              <span>{t(LABELS[when])}</span>
            </label>
          ))}
          {isNarrowed(draft) && (
            <Button variant="link" size="sm" onClick={() => send(NO_WISH)}>
              {t('list.clear')}
            </Button>
          )}
        </fieldset>
        {draft.when === 'dates' && (
          <div className="dates">
            <Form.Group controlId="from">
              <Form.Label>{t('list.from')}</Form.Label>
              <Form.Control type="date" value={draft.from} max={draft.to || undefined} onChange={(event) => send({ ...draft, from: event.target.value })} />
            </Form.Group>
            <Form.Group controlId="to">
              <Form.Label>{t('list.to')}</Form.Label>
              <Form.Control type="date" value={draft.to} min={draft.from || undefined} onChange={(event) => send({ ...draft, to: event.target.value })} />
            </Form.Group>
          </div>
        )}
      </Form>
    </search>
  );
}
