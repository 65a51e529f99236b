/** `/t/{bookingId}`: the ticket. */
import { useEffect, useState } from 'react';
import { Alert, Button } from 'react-bootstrap';
import { Link, useLocation, useParams } from 'react-router';
import type { Booking, Event } from '../api/client';
import { asApiError } from '../api/problem';
import { useBooking, useEvent } from '../api/queries';
import { lasting } from '../app/storage';
import { CalendarButton } from '../events/EventPage';
import { Poster } from '../events/Poster';
import { longDay, short, timeRange, zoneName, zoneOf } from '../events/when';
import { useI18n } from '../i18n';
import { offered, signIn } from '../sign-in/session';
import { Confirm } from '../ui/Confirm';
import { Icon } from '../ui/Icon';
import { Title } from '../ui/Page';
import { Failure, Loading, NotFound } from '../ui/States';
import { dismissBooked } from './attempts';
import { useCancel } from './cancel';
import { Qr } from './Qr';
import { bookingOf, eventOf, keepTicket, ticketEvent, useTickets } from './tickets';

function Facts({ booking, event }: { booking: Booking; event?: Event }) {
  const { t, locale } = useI18n();
  const zone = event ? zoneOf(event) : 'UTC';
  const rows: [string, string | undefined][] = [
    [t('book.seats'), t('ticket.seats', { n: booking.Seats })],
    [t('ticket.holder'), booking.Name ?? undefined],
    [t('book.email'), booking.Email ?? undefined],
    [t('ticket.booked'), short(booking.Date, zone, locale)],
    [t('ticket.number'), booking.ID],
  ];
  return (
    <dl className="ticket-facts">
      {rows.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>{name}</dt>
              <dd className={value === booking.ID ? 'number' : undefined}>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function Ticket({ booking, event }: { booking: Booking; event?: Event }) {
  const { t, locale } = useI18n();
  const cancelled = booking.State !== 'confirmed';
  const zone = event ? zoneOf(event) : 'UTC';
  const place = event?.Location;
  return (
    <article className={cancelled ? 'ticket is-off' : 'ticket'}>
      <div className="ticket-main">
        <Poster seed={booking.EventID} className="ticket-poster" />
        <div className="ticket-body">
          <p className={cancelled ? 'tag tag-off' : 'tag tag-good'}>{t(cancelled ? 'ticket.cancelled' : 'ticket.confirmed')}</p>
          <h2>{event ? <Link to={`/e/${event.ID}`}>{event.Name}</Link> : t('ticket.title')}</h2>
          {event && (
            <>
              <p className="fact-main">
                {longDay(event.StartDate, zone, locale)}, {timeRange(event.StartDate, event.EndDate, zone, locale)}
              </p>
              <p className="muted">{zoneName(event.StartDate, zone, locale)}</p>
              {place?.Name && <p>{[place.Name, place.Address, place.Country].filter(Boolean).join(', ')}</p>}
            </>
          )}
          <Facts booking={booking} event={event} />
        </div>
      </div>
      <div className="ticket-stub">
        <div role="status">{cancelled && <p>{t('ticket.gone')}</p>}</div>
        {!cancelled && (
          <>
            <Qr text={`${window.location.origin}/t/${booking.ID}`} label={t('ticket.qr')} />
            <p>{t('ticket.qr.text')}</p>
          </>
        )}
      </div>
    </article>
  );
}

export function TicketPage() {
  const { id = '' } = useParams();
  const { t } = useI18n();
  const location = useLocation();
  const asked = useBooking(id);
  const kept = useTickets().find((ticket) => ticket.id === id);
  const about = useEvent(asked.data?.EventID ?? kept?.event.id ?? '');
  // At the entrance without a network what is kept is enough: the code needs nothing more.
  const missing = asked.isError && asApiError(asked.error).status === 404;
  const unsigned = offered() && asApiError(asked.error).word === 'unauthenticated';
  const stale = !asked.data && !missing && kept !== undefined;
  const booking = asked.data ?? (stale ? bookingOf(kept) : undefined);
  const event = about.data?.event ?? (kept && eventOf(kept));
  const cancel = useCancel();
  const [lasts] = useState(lasting);
  const [asking, setAsking] = useState(false);
  const fresh = (location.state as { fresh?: boolean } | null)?.fresh === true;
  const known = kept !== undefined;

  useEffect(() => dismissBooked(id), [id]);
  useEffect(() => {
    // What is kept follows what the services say.
    if (known && asked.data && about.data && !about.isPlaceholderData) keepTicket(asked.data, ticketEvent(about.data.event));
  }, [known, asked.data, about.data, about.isPlaceholderData]);

  if (!booking) {
    if (!asked.isError) return <Loading />;
    return missing ? (
      <NotFound title={t('ticket.notFound')} text={t('ticket.notFound.text')} />
    ) : (
      <Failure error={asked.error} retry={() => void asked.refetch()} main />
    );
  }
  const cancelled = booking.State !== 'confirmed';
  const name = event?.Name ?? kept?.event.name ?? '';
  return (
    <div className="ticket-page">
      <Title>{t('ticket.title')}</Title>
      <div role="status">{fresh && !cancelled && <Alert variant="success">{t('book.done')}</Alert>}</div>
      {event?.Cancelled && !cancelled && <Alert variant="warning">{t('ticket.eventCancelled')}</Alert>}
      {stale && !asked.isError && (
        <p className="muted no-print" role="status">
          {t('app.loading')}
        </p>
      )}
      {stale && asked.isError && (
        <Alert variant="warning">
          {t(unsigned ? 'ticket.signIn' : 'ticket.stale')}{' '}
          <Button variant="link" size="sm" onClick={() => void (unsigned ? signIn() : asked.refetch())}>
            {t(unsigned ? 'signIn.in' : 'state.retry')}
          </Button>
        </Alert>
      )}
      {about.isError && !event && <Failure error={about.error} retry={() => void about.refetch()} />}
      <Ticket booking={booking} event={event} />
      <div className="button-row no-print">
        {!cancelled && (
          <Button variant="outline-primary" size="sm" onClick={() => window.print()}>
            <Icon name="print" size={16} /> {t('ticket.print')}
          </Button>
        )}
        {event && !cancelled && !event.Cancelled && <CalendarButton event={event} />}
        {!known && event && (
          <Button variant="outline-primary" size="sm" onClick={() => keepTicket(booking, ticketEvent(event))}>
            <Icon name="ticket" size={16} /> {t('ticket.keep')}
          </Button>
        )}
        {!cancelled && !stale && (
          <Button variant="outline-danger" size="sm" onClick={() => setAsking(true)}>
            {t('ticket.cancel')}
          </Button>
        )}
      </div>
      {!cancelled && (
        <p className="muted no-print">
          {t('ticket.secret')} {known && t(lasts ? 'ticket.kept' : 'ticket.notKept')}
        </p>
      )}
      {asking && (
        <Confirm
          title={t('ticket.cancel.title')}
          text={t('ticket.cancel.text', { n: booking.Seats, event: name })}
          no={t('ticket.cancel.no')}
          yes={t('ticket.cancel.yes')}
          busy={cancel.isPending}
          error={cancel.error}
          act={() => cancel.mutate(id, { onSuccess: () => setAsking(false) })}
          close={() => {
            cancel.reset();
            setAsking(false);
          }}
        />
      )}
    </div>
  );
}
