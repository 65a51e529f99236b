/** The form: how many seats, and for whom. */
import { type FormEvent, useId, useRef, useState } from 'react';
import { Button, Form } from 'react-bootstrap';
import { useI18n } from '../i18n';
import { Field } from '../ui/Field';
import { Stepper } from '../ui/Stepper';
import { emailFault, type Limits, seatsFault } from './check';

export interface Wish {
  seats: number;
  name?: string;
  email?: string;
}

interface Props {
  limits: Limits;
  first: { seats: number; name: string; email: string };
  busy: boolean;
  /** Sending it leads to the sign-in first. */
  signIn?: boolean;
  submit: (wish: Wish) => void;
}

/** The service takes longer ones, but nobody has them. */
const LONGEST = 200;

export function BookingForm({ limits, first, busy, signIn = false, submit }: Props) {
  const { t } = useI18n();
  const [seats, setSeats] = useState(String(first.seats));
  const [name, setName] = useState(first.name);
  const [email, setEmail] = useState(first.email);
  const [tried, setTried] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const id = useId();
  const wrongSeats = seatsFault(seats, limits);
  const wrongEmail = emailFault(email, limits);
  const reach = Math.min(limits.most, limits.left ?? limits.most);
  const send = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (wrongSeats || wrongEmail) {
      form.current?.querySelector<HTMLInputElement>(wrongSeats ? 'input[type=number]' : 'input[type=email]')?.focus();
      return;
    }
    submit({ seats: Number(seats), name: name.trim() || undefined, email: email.trim() || undefined });
  };
  return (
    <Form ref={form} onSubmit={send} noValidate aria-busy={busy}>
      <fieldset disabled={busy}>
        <legend className="visually-hidden">{t('book.title')}</legend>
        <Stepper
          id={`${id}-seats`}
          label={t('book.seats')}
          value={seats}
          max={reach}
          change={setSeats}
          fewer={t('book.fewer')}
          more={t('book.another')}
          invalid={Boolean(wrongSeats)}
          describedBy={`${id}-limit`}
        />
        <p id={`${id}-limit`} className={wrongSeats ? 'field-error' : 'field-help'} aria-live="polite">
          {wrongSeats ? t(wrongSeats.key, wrongSeats.values) : t('book.max', { n: limits.most })}
        </p>
        <Field label={t('book.name')} aside={t('book.optional')} help={t('book.name.help')}>
          {(field) => <Form.Control {...field} autoComplete="name" maxLength={LONGEST} value={name} onChange={(event) => setName(event.target.value)} />}
        </Field>
        <Field
          label={t('book.email')}
          aside={limits.needsEmail ? undefined : t('book.optional')}
          help={limits.needsEmail ? t('book.email.needed') : undefined}
          error={wrongEmail && (tried || wrongEmail.key === 'book.email.wrong') && (tried || email.includes('@')) ? t(wrongEmail.key) : undefined}
        >
          {(field) => (
            <Form.Control
              {...field}
              type="email"
              autoComplete="email"
              maxLength={LONGEST}
              required={limits.needsEmail}
              value={email}
              onChange={(event) => setEmail(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" className="wide" size="lg">
          {busy ? t('book.sending') : t(signIn ? 'book.submit.signIn' : 'book.submit', { n: Number.isInteger(Number(seats)) ? Number(seats) : 0 })}
        </Button>
      </fieldset>
    </Form>
  );
}
