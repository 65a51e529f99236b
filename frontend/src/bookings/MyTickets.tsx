/** `/my`: the tickets that this browser knows. */
import { useQueries } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Button } from 'react-bootstrap';
import { Link } from 'react-router';
import { nowSeconds } from '../api/clock';
import { fetchBooking, fetchEvent, useOwn } from '../api/queries';
import { useConfig } from '../app/config';
import { DateBlock } from '../events/EventCard';
import { knownZone, timeRange } from '../events/when';
import { useI18n } from '../i18n';
import { SignInNotice } from '../sign-in/Account';
import { useSignIn } from '../sign-in/session';
import { Icon } from '../ui/Icon';
import { keepFocus } from '../ui/focus';
import { Head } from '../ui/Page';
import { Failure, Loading, Notice } from '../ui/States';
import { bookingOf, forgetTicket, keepTicket, type Ticket, ticketEvent, useTickets } from './tickets';

function Row({ ticket, over, remove }: { ticket: Ticket; over: boolean; remove?: () => void }) {
  const { t, locale } = useI18n();
  const { event } = ticket;
  const zone = knownZone(event.zone);
  const cancelled = ticket.state !== 'confirmed' || event.cancelled;
  return (
    <li className={over ? 'ticket-row is-off' : 'ticket-row'}>
      <DateBlock seconds={event.start} zone={zone} />
      <div className="ticket-row-body">
        <h3>
          <Link to={`/t/${ticket.id}`} className="stretched">
            {event.name}
          </Link>
        </h3>
        <p className="muted">
          {timeRange(event.start, event.end, zone, locale)}
          {event.place && (
            <>
              {' · '}
              <bdi>{event.place}</bdi>
            </>
          )}
        </p>
        <p>
          <span className={cancelled ? 'tag tag-off' : 'tag tag-good'}>{t(ticket.state !== 'confirmed' ? 'ticket.cancelled' : event.cancelled ? 'event.cancelled' : 'ticket.confirmed')}</span>{' '}
          <span className="muted">{t('ticket.seats', { n: ticket.seats })}</span>
        </p>
      </div>
      {over && remove && (
        <Button variant="link" size="sm" className="above" aria-label={t('my.remove.label', { event: event.name })} onClick={remove}>
          <Icon name="bin" size={18} />
        </Button>
      )}
    </li>
  );
}

export function MyTickets() {
  const { t } = useI18n();
  const tickets = useTickets();
  const { needed } = useConfig().signIn;
  const person = useSignIn().session?.person;
  const own = useOwn(person);
  const answers = useQueries({
    queries: tickets.map((ticket) => ({
      queryKey: ['booking', ticket.id],
      queryFn: ({ signal }: { signal: AbortSignal }) => fetchBooking(ticket.id, signal),
      // The account's own list has it, or nobody may ask.
      enabled: !needed || (person !== undefined && ticket.person !== person),
    })),
  });
  const now = nowSeconds();
  const isOver = (ticket: Ticket) => ticket.state !== 'confirmed' || ticket.event.cancelled === true || ticket.event.end < now;
  const unknown = own.data?.filter((booking) => !tickets.some((ticket) => ticket.id === booking.ID)) ?? [];
  const coming = [...new Set([...tickets.filter((ticket) => !isOver(ticket)).map((ticket) => ticket.event.id), ...unknown.map((booking) => booking.EventID)])];
  const events = useQueries({
    queries: coming.map((id) => ({
      queryKey: ['event', id],
      queryFn: ({ signal }: { signal: AbortSignal }) => fetchEvent(id, signal),
    })),
  });
  useEffect(() => {
    // What is kept follows what the services say.
    const about = (id: string) => events.find((each) => each.data?.event.ID === id)?.data?.event;
    for (const booking of unknown) {
      const event = about(booking.EventID);
      if (event) keepTicket(booking, ticketEvent(event), person);
    }
    tickets.forEach((ticket, index) => {
      const mine = own.data?.find((booking) => booking.ID === ticket.id);
      const asked = mine ?? answers[index]?.data;
      const booking = asked?.ID === ticket.id ? asked : bookingOf(ticket);
      const event = about(ticket.event.id);
      const now = event ? ticketEvent(event) : ticket.event;
      const whose = mine ? person : ticket.person;
      const same = booking.State === ticket.state && whose === ticket.person && JSON.stringify(now) === JSON.stringify(ticket.event);
      if (!same) keepTicket(booking, now, whose);
    });
  });
  const [removed, setRemoved] = useState('');
  const remove = (ticket: Ticket) => {
    forgetTicket(ticket.id);
    setRemoved(t('my.removed', { event: ticket.event.name }));
    keepFocus();
  };
  const groups = [
    { title: t('my.coming'), list: tickets.filter((ticket) => !isOver(ticket)), over: false },
    { title: t('my.past'), list: tickets.filter(isOver).reverse(), over: true },
  ];
  return (
    <>
      <Head title={t('my.title')} lead={person ? t('my.account') : tickets.length > 0 ? t('my.lead') : undefined} />
      {needed && !person && <SignInNotice />}
      {own.isError && <Failure error={own.error} retry={() => void own.refetch()} />}
      {own.isPending && person && tickets.length === 0 && <Loading />}
      <p className="visually-hidden" role="status">
        {removed}
      </p>
      {tickets.length === 0 && (needed ? own.isSuccess && unknown.length === 0 : true) && (
        <Notice icon="ticket" title={t('my.empty')} text={t(person ? 'my.empty.account' : 'my.empty.text')}>
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
                  <Row key={ticket.id} ticket={ticket} over={over} remove={ticket.person ? undefined : () => remove(ticket)} />
                ))}
              </ul>
            </section>
          ),
      )}
    </>
  );
}
