/** Search and dates above the list. */
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Button, Form } from 'react-bootstrap';
import { useI18n } from '../i18n';
import type { Key } from '../i18n/en';
import { Icon } from '../ui/Icon';
import { isNarrowed, type When, WHENS, type Wish } from './filter';

const LABELS: Record<When, Key> = { any: 'list.when.any', week: 'list.when.week', month: 'list.when.month', dates: 'list.when.dates' };
/** How long a person may pause in a word before it is looked for. */
const PAUSE = 300;

export function Filters({ wish, change }: { wish: Wish; change: (wish: Wish) => void }) {
  const { t } = useI18n();
  const [text, setText] = useState(wish.q);
  const sent = useRef(wish.q);
  useEffect(() => {
    // The address changed by another way than typing, such as going back.
    if (wish.q !== sent.current) {
      sent.current = wish.q;
      setText(wish.q);
    }
  }, [wish.q]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      change({ ...wish, q: text });
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [text, wish, change]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    sent.current = text;
    change({ ...wish, q: text });
  };
  return (
    <search className="filters">
      <Form onSubmit={submit} role="search">
        <div className="search-field">
          <Icon name="search" />
          <Form.Control
            type="search"
            aria-label={t('list.search')}
            placeholder={t('list.search')}
            value={text}
            maxLength={200}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        <fieldset className="chips">
          <legend className="visually-hidden">{t('list.when')}</legend>
          {WHENS.map((when) => (
            <label key={when} className="chip">
              <input type="radio" name="when" checked={wish.when === when} onChange={() => change({ ...wish, when })} />
              <span>{t(LABELS[when])}</span>
            </label>
          ))}
          {isNarrowed(wish) && (
            <Button variant="link" size="sm" onClick={() => change({ q: '', when: 'any', from: '', to: '' })}>
              {t('list.clear')}
            </Button>
          )}
        </fieldset>
        {wish.when === 'dates' && (
          <div className="dates">
            <Form.Group controlId="from">
              <Form.Label>{t('list.from')}</Form.Label>
              <Form.Control type="date" value={wish.from} max={wish.to || undefined} onChange={(event) => change({ ...wish, from: event.target.value })} />
            </Form.Group>
            <Form.Group controlId="to">
              <Form.Label>{t('list.to')}</Form.Label>
              <Form.Control type="date" value={wish.to} min={wish.from || undefined} onChange={(event) => change({ ...wish, to: event.target.value })} />
            </Form.Group>
          </div>
        )}
      </Form>
    </search>
  );
}
