/** Beside an event: what is left, whether it is on sale, the form, and the booking on its way. */
import { useEffect, useRef, useState } from 'react';
import { Alert, Button } from 'react-bootstrap';
import { useNavigate } from 'react-router';
import type { Event } from '../api/client';
import { useConfig } from '../app/config';
import { lasting } from '../app/storage';
import { mostSeats, needsPerson, type Seats } from '../events/sale';
import { useSale } from '../events/useSale';
import { short, zoneOf } from '../events/when';
import { useI18n } from '../i18n';
import { offered, signIn, useSignIn } from '../sign-in/session';
import { Bone, Failure, ProblemText } from '../ui/States';
import { type Attempt, dismiss, start, useAttempts } from './attempts';
import { BookingForm, type Wish } from './BookingForm';
import { type Identity, newIdentity, newPending } from './pending';
import { Progress } from './Progress';
import { ticketEvent } from './tickets';

/** How full it is, as a bar. */
function Meter({ left, capacity }: { left: number; capacity: number }) {
  const { t, locale } = useI18n();
  const number = (value: number) => new Intl.NumberFormat(locale).format(value);
  return (
    <div className="meter-box" role="status">
      <progress className="meter" max={Math.max(capacity, 1)} value={capacity - left} aria-hidden="true" />
      <p className="muted">{t('seats.of', { left: number(left), capacity: number(capacity) })}</p>
    </div>
  );
}

function Refused({ attempt, retry }: { attempt: Attempt; retry: (seats: number) => void }) {
  const { t } = useI18n();
  if (attempt.ended?.kind !== 'refused') return null;
  const { error } = attempt.ended;
  const left = error.word === 'sold-out' ? error.problem?.available : undefined;
  return (
    <Alert variant="warning">
      <p className="alert-title">{t('book.refused')}</p>
      <p>{left ? t('book.seats.left', { n: left }) : <ProblemText error={error} />}</p>
      {left ? (
        <Button size="sm" onClick={() => retry(left)}>
          {t('book.take', { n: left })}
        </Button>
      ) : null}
    </Alert>
  );
}

export function BookingPanel({ event, seats, refresh }: { event: Event; seats: Seats; refresh: () => void }) {
  const { t, locale } = useI18n();
  const { sales, signIn: need } = useConfig();
  const { session } = useSignIn();
  const unsigned = need.needed && !session;
  const navigate = useNavigate();
  const attempts = useAttempts();
  const identity = useRef<Identity>(null);
  const [lasts] = useState(lasting);
  const here = attempts.filter((each) => each.pending.event.id === event.ID);
  const attempt = here.find((each) => !each.pending.left);
  // A first try that was given up may still be granted: another one under a new key could book twice.
  const undecided = here.some((each) => each.pending.left && !each.ended);
  const ended = attempt?.ended;
  // A booking that was made stays busy: the ticket's view is on its way, and the form must not be sent again meanwhile.
  const busy = attempt !== undefined && (ended === undefined || ended.kind === 'booked');
  const key = attempt?.pending.key;

  useEffect(() => {
    if (ended?.kind === 'booked') {
      void navigate(`/t/${ended.booking.ID}`, { state: { fresh: true } });
      return;
    }
    // Without one on its way, or with its outcome known, what comes next is another booking.
    if (!key || ended) identity.current = null;
    if (ended) refresh();
    // Only the end of a booking matters here; `refresh` is new at every turn.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [ended, key]);

  const submit = (wish: Wish) => {
    // A second click comes before the page has been drawn anew.
    if (busy || undecided || identity.current) return;
    if (key) dismiss(key);
    identity.current = newIdentity();
    start(newPending(identity.current, ticketEvent(event), wish, Date.now(), session?.person));
    // It goes on as soon as somebody is back.
    if (unsigned) void signIn(`/e/${event.ID}`, identity.current.key);
  };

  const zone = zoneOf(event);
  const sale = useSale(event);
  const left = seats.kind === 'left' ? seats.left : null;
  const before = attempt?.pending.body;
  const wish = { seats: before?.seats ?? 1, name: before?.name ?? '', email: before?.email ?? '' };
  const limits = { left, most: mostSeats(event, sales), needsEmail: needsPerson(event) && !need.needed };
  const known = seats.kind === 'left' || (seats.kind === 'unknown' && sales.unknownCapacity === 'allow');
  const closed = unsigned && !offered();
  const open = sale.kind === 'open' && !closed && known && !undecided && (left !== 0 || busy);

  return (
    <section className="panel" id="book" aria-labelledby="book-title">
      <h2 id="book-title">{t('book.title')}</h2>
      {seats.kind === 'left' && sale.kind === 'open' && <Meter left={seats.left} capacity={seats.capacity} />}
      {seats.kind === 'loading' && sale.kind === 'open' && <Bone className="bone-short" />}
      {sale.kind === 'cancelled' && (
        <Alert variant="secondary">
          <p className="alert-title">{t('event.cancelled')}</p>
          <p>{t('event.cancelled.text')}</p>
        </Alert>
      )}
      {sale.kind === 'notYet' && <Alert variant="secondary">{t('book.notYet', { date: short(sale.at, zone, locale) })}</Alert>}
      {sale.kind === 'ended' && <Alert variant="secondary">{t('sale.endedAt', { date: short(sale.at, zone, locale) })}</Alert>}
      {sale.kind === 'over' && <Alert variant="secondary">{t('sale.isOver')}</Alert>}
      {sale.kind === 'open' && seats.kind === 'failed' && !busy && <Failure error={seats.error} retry={refresh} />}
      {sale.kind === 'open' && left === 0 && !busy && (
        <Alert variant="secondary">
          <p className="alert-title">{t('book.soldOut')}</p>
          <p>{t('book.soldOut.text')}</p>
        </Alert>
      )}
      {sale.kind === 'open' && seats.kind === 'unknown' && !known && <Alert variant="secondary">{t('book.unknown')}</Alert>}
      {sale.kind === 'open' && closed && (
        <Alert variant="secondary">
          <p className="alert-title">{t('signIn.missing')}</p>
          <p>{t('signIn.missing.text')}</p>
        </Alert>
      )}
      <div aria-live="assertive">{attempt && <Refused attempt={attempt} retry={(seats) => submit({ ...attempt.pending.body, seats })} />}</div>
      {busy && <Progress attempt={attempt} />}
      {undecided && <p className="muted">{t('book.undecided')}</p>}
      {/* It stays while nothing can be booked, so that what was typed is still there when a seat comes back. */}
      <div hidden={!open}>
        <BookingForm limits={limits} first={wish} busy={busy} signIn={unsigned} submit={submit} />
        {event.SalesEnd != null && <p className="field-help">{t('sale.until', { date: short(event.SalesEnd, zone, locale) })}</p>}
        <p className="panel-foot">{t(unsigned ? 'book.account' : need.needed ? 'book.inAccount' : 'book.noAccount')} {t(lasts ? 'book.kept' : 'book.notKept')}</p>
      </div>
    </section>
  );
}
