/** `/organise`: how each event sells, at a glance. */
import { useMemo, useState } from 'react';
import { Button, Form } from 'react-bootstrap';
import { Link } from 'react-router';
import type { Availability, Event } from '../api/client';
import { nowSeconds } from '../api/clock';
import { useEvents, useLeft } from '../api/queries';
import { useConfig } from '../app/config';
import { Badge } from '../events/Badge';
import { DateBlock } from '../events/EventCard';
import { saleOf, type Seats, seatsOf } from '../events/sale';
import { zoneOf } from '../events/when';
import { useI18n } from '../i18n';
import { Icon } from '../ui/Icon';
import { Head } from '../ui/Page';
import { Bone, Failure, Loading, Notice } from '../ui/States';
import { useRights } from './rights';

function Bar({ availability }: { availability?: Availability }) {
  const { t, locale } = useI18n();
  if (availability?.Capacity == null || availability.Available == null) return null;
  const sold = availability.Capacity - availability.Available;
  const number = (value: number) => new Intl.NumberFormat(locale).format(value);
  return (
    <>
      <progress className="meter" max={Math.max(availability.Capacity, 1)} value={sold} aria-hidden="true" />
      <p className="muted">{t('sales.bar', { sold: number(sold), capacity: number(availability.Capacity) })}</p>
    </>
  );
}

function Row({ event, availability, seats }: { event: Event; availability?: Availability; seats: Seats }) {
  const { t } = useI18n();
  const rights = useRights();
  const act = (to: string, icon: 'edit' | 'people' | 'copy', label: string) => (
    <Link className="btn btn-outline-primary btn-sm" to={to} aria-label={`${label}: ${event.Name}`}>
      <Icon name={icon} size={16} /> {label}
    </Link>
  );
  return (
    <li className={event.Cancelled ? 'row-card sale-row is-off' : 'row-card sale-row'}>
      <DateBlock seconds={event.StartDate} zone={zoneOf(event)} />
      <div className="sale-name">
        <h2>
          <Link to={`/organise/events/${event.ID}`}>{event.Name}</Link>
        </h2>
        <p className="muted">{event.Location?.Name}</p>
        <Badge event={event} seats={seats} />
      </div>
      <div className="sale-bar">
        {/* What is left of a cancelled event is 0, which is not what was sold. */}
        {!event.Cancelled && <Bar availability={availability} />}
      </div>
      <div className="button-row">
        {rights.bookings && act(`/organise/events/${event.ID}/bookings`, 'people', t('organise.bookings'))}
        {rights.events && !event.Cancelled && act(`/organise/events/${event.ID}`, 'edit', t('organise.edit'))}
        {rights.events && act(`/organise/events/new?copy=${event.ID}`, 'copy', t('organise.copy'))}
      </div>
    </li>
  );
}

function Tiles({ events, left }: { events: Event[]; left: Record<string, Availability> | undefined }) {
  const { t, locale } = useI18n();
  const { sales } = useConfig();
  const now = nowSeconds();
  const open = events.filter((event) => saleOf(event, sales, now).kind === 'open');
  let [capacity, free] = [0, 0];
  for (const event of events) {
    const known = left?.[event.ID];
    if (event.Cancelled || known?.Capacity == null || known.Available == null) continue;
    capacity += known.Capacity;
    free += known.Available;
  }
  const number = new Intl.NumberFormat(locale);
  const share = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
  const tiles: [string, string | undefined][] = [
    [t('sales.coming'), number.format(open.length)],
    [t('sales.sold'), left && number.format(capacity - free)],
    [t('sales.free'), left && number.format(free)],
    [t('sales.filled'), left && share.format(capacity > 0 ? (capacity - free) / capacity : 0)],
  ];
  return (
    <dl className="tiles">
      {tiles.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? <Bone className="bone-short" />}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Sales() {
  const { t } = useI18n();
  const [past, setPast] = useState(false);
  const filter = useMemo(() => {
    const day = new Date();
    return { cancelled: true, from: past ? undefined : new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime() / 1_000 };
  }, [past]);
  const list = useEvents(filter, 100);
  const events = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data]);
  const ids = useMemo(() => events.map((event) => event.ID), [events]);
  const left = useLeft(ids);
  const rights = useRights();
  return (
    <>
      <Head title={t('organise.title')} lead={t('sales.lead')}>
        {rights.events && (
          <Link className="btn btn-primary" to="/organise/events/new">
            <Icon name="plus" size={18} /> {t('organise.newEvent')}
          </Link>
        )}
      </Head>
      {list.isPending ? (
        <Loading />
      ) : list.isError && events.length === 0 ? (
        <Failure error={list.error} retry={() => void list.refetch()} />
      ) : (
        <>
          {events.length > 0 && <Tiles events={events} left={left.data} />}
          {list.hasNextPage && <p className="muted">{t('sales.shown', { n: events.length })}</p>}
          <Form.Check id="past" type="switch" className="past" label={t('sales.past')} checked={past} onChange={(event) => setPast(event.target.checked)} />
          {events.length === 0 ? (
            <Notice icon="calendar" title={t('sales.empty')} text={t('sales.empty.text')}>
              {rights.events && (
                <Link className="btn btn-outline-primary" to="/organise/locations/new">
                  {t('organise.newLocation')}
                </Link>
              )}
            </Notice>
          ) : (
            <ul className="rows">
              {events.map((event) => (
                <Row key={event.ID} event={event} availability={left.data?.[event.ID]} seats={seatsOf(left.data?.[event.ID], left)} />
              ))}
            </ul>
          )}
          {list.hasNextPage && (
            <div className="more">
              <Button variant="outline-primary" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                {t('list.more')}
              </Button>
            </div>
          )}
        </>
      )}
    </>
  );
}
