/** `/my`: the tickets that this browser knows. */
import { useQueries } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Button } from 'react-bootstrap';
import { Link } from 'react-router';
import { nowSeconds } from '../api/clock';
import { fetchBooking } from '../api/queries';
import { DateBlock } from '../events/EventCard';
import { knownZone, timeRange } from '../events/when';
import { useI18n } from '../i18n';
import { Icon } from '../ui/Icon';
import { Head } from '../ui/Page';
import { Notice } from '../ui/States';
import { forgetTicket, keepTicket, type Ticket, useTickets } from './tickets';

function Row({ ticket, over }: { ticket: Ticket; over: boolean }) {
  const { t, locale } = useI18n();
  const { event } = ticket;
  const zone = knownZone(event.zone);
  const cancelled = ticket.state !== 'confirmed';
  return (
    <li className={over ? 'ticket-row is-off' : 'ticket-row'}>
      <DateBlock seconds={event.start} zone={zone} />
      <div className="ticket-row-body">
        <h3>
          <Link to={`/t/${ticket.id}`} className="stretched">
            {event.name}
          </Link>
        </h3>
        <p className="muted">{[timeRange(event.start, event.end, zone, locale), event.place].filter(Boolean).join(' · ')}</p>
        <p>
          <span className={cancelled ? 'tag tag-off' : 'tag tag-good'}>{t(cancelled ? 'ticket.cancelled' : 'ticket.confirmed')}</span>{' '}
          <span className="muted">{t('ticket.seats', { n: ticket.seats })}</span>
        </p>
      </div>
      {over && (
        <Button variant="link" size="sm" className="above" aria-label={t('my.remove.label', { event: event.name })} onClick={() => forgetTicket(ticket.id)}>
          <Icon name="bin" size={18} />
        </Button>
      )}
    </li>
  );
}

export function MyTickets() {
  const { t } = useI18n();
  const tickets = useTickets();
  const answers = useQueries({
    queries: tickets.map((ticket) => ({
      queryKey: ['booking', ticket.id],
      queryFn: ({ signal }: { signal: AbortSignal }) => fetchBooking(ticket.id, signal),
    })),
  });
  useEffect(() => {
    tickets.forEach((ticket, index) => {
      const booking = answers[index]?.data;
      if (booking && booking.ID === ticket.id && booking.State !== ticket.state) keepTicket(booking, ticket.event);
    });
  }, [tickets, answers]);
  const now = nowSeconds();
  const isOver = (ticket: Ticket) => ticket.state !== 'confirmed' || ticket.event.end < now;
  const groups = [
    { title: t('my.coming'), list: tickets.filter((ticket) => !isOver(ticket)), over: false },
    { title: t('my.past'), list: tickets.filter(isOver).reverse(), over: true },
  ];
  return (
    <>
      <Head title={t('my.title')} lead={tickets.length > 0 ? t('my.lead') : undefined} />
      {tickets.length === 0 && (
        <Notice icon="ticket" title={t('my.empty')} text={t('my.empty.text')}>
          <Link className="btn btn-primary" to="/">
            {t('state.home')}
          </Link>
        </Notice>
      )}
      {groups.map(
        ({ title, list, over }) =>
          list.length > 0 && (
            <section key={title} className="month">
              <h2>{title}</h2>
              <ul className="ticket-rows">
                {list.map((ticket) => (
                  <Row key={ticket.id} ticket={ticket} over={over} />
                ))}
              </ul>
            </section>
          ),
      )}
    </>
  );
}
