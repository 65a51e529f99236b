/** `/e/{id}`: one event, and the form to book it. */
import { useEffect } from 'react';
import { Button } from 'react-bootstrap';
import { Link, useParams } from 'react-router';
import type { Event } from '../api/client';
import { nowSeconds } from '../api/clock';
import { asApiError } from '../api/problem';
import { queries, useEvent, useLeft } from '../api/queries';
import { useConfig } from '../app/config';
import { BookingPanel } from '../bookings/BookingPanel';
import { ticketEvent } from '../bookings/tickets';
import { useI18n } from '../i18n';
import { download, fileName } from '../ui/download';
import { Icon } from '../ui/Icon';
import { Title } from '../ui/Page';
import { Bone, Failure, Loading, NotFound } from '../ui/States';
import { Badge } from './Badge';
import { DateBlock } from './EventCard';
import { calendarFile } from './ics';
import { Poster } from './Poster';
import { seatsOf } from './sale';
import { differsHere, duration, hereTime, hour, longDay, timeRange, zoneName, zoneOf } from './when';

export function address(event: Event): string {
  return [event.Location?.Address, event.Location?.Country].filter(Boolean).join(', ');
}

export function CalendarButton({ event }: { event: Event }) {
  const { t } = useI18n();
  const save = () => {
    const page = `${window.location.origin}/e/${event.ID}`;
    download(fileName(event.Name, 'ics'), 'text/calendar;charset=utf-8', calendarFile(ticketEvent(event), address(event), nowSeconds(), page));
  };
  return (
    <Button variant="outline-primary" size="sm" onClick={save}>
      <Icon name="calendar" size={16} /> {t('event.calendar')}
    </Button>
  );
}

function When({ event }: { event: Event }) {
  const { t, locale } = useI18n();
  const zone = zoneOf(event);
  return (
    <div className="fact">
      <Icon name="calendar" />
      <div>
        <h2>{t('event.when')}</h2>
        <p className="fact-main">{longDay(event.StartDate, zone, locale)}</p>
        <p>
          {timeRange(event.StartDate, event.EndDate, zone, locale)}
          {event.Duration > 0 && <span className="muted"> · {t('event.duration', { duration: duration(event.Duration, locale) })}</span>}
        </p>
        <p className="muted">{t('event.zone', { zone: zoneName(event.StartDate, zone, locale) })}</p>
        {differsHere(event.StartDate, zone) && <p className="muted">{t('event.yourTime', { time: hereTime(event.StartDate, locale) })}</p>}
        {!event.Cancelled && <CalendarButton event={event} />}
      </div>
    </div>
  );
}

function Where({ event }: { event: Event }) {
  const { t, locale } = useI18n();
  const { map } = useConfig();
  const place = event.Location;
  if (!place?.ID) {
    return (
      <div className="fact">
        <Icon name="pin" />
        <div>
          <h2>{t('event.where')}</h2>
          <p>{t('event.noPlace')}</p>
        </div>
      </div>
    );
  }
  const halls = (place.Halls ?? []).filter((hall) => !event.HallNames?.length || event.HallNames.includes(hall.name));
  const query = [place.Address || place.Name, place.Country].filter(Boolean).join(', ');
  const opens = place.OpenTime ?? 0;
  const closes = place.CloseTime ?? 0;
  return (
    <>
      <div className="fact">
        <Icon name="pin" />
        <div>
          <h2>{t('event.where')}</h2>
          <p className="fact-main">{place.Name}</p>
          {address(event) && <p>{address(event)}</p>}
          {opens !== closes && <p className="muted">{t('event.open', { from: hour(opens, locale), to: hour(closes, locale) })}</p>}
          {map && query && (
            <a
              className="btn btn-outline-primary btn-sm"
              href={map.replace('{query}', encodeURIComponent(query))}
              target="_blank"
              rel="noreferrer noopener"
            >
              <Icon name="out" size={16} /> {t('event.map')}
              <span className="visually-hidden"> {t('event.map.label')}</span>
            </a>
          )}
        </div>
      </div>
      {halls.length > 0 && (
        <div className="fact">
          <Icon name="hall" />
          <div>
            <h2>{t('event.hall', { n: halls.length })}</h2>
            <ul className="halls">
              {halls.map((hall, index) => (
                <li key={index}>
                  <span className="fact-main">{hall.name}</span>
                  <span className="muted"> {[hall.location, t('event.hallSeats', { n: hall.capacity })].filter(Boolean).join(' · ')}</span>
                </li>
              ))}
            </ul>
          </div>
        </div>
      )}
    </>
  );
}

export function EventPage() {
  const { id = '' } = useParams();
  const { t } = useI18n();
  const asked = useEvent(id);
  const left = useLeft([id]);
  const none = left.data?.[id]?.Available === 0;
  useEffect(() => {
    // None left may mean that it was called off.
    if (none) void queries.invalidateQueries({ queryKey: ['event', id] });
  }, [none, id]);
  if (asked.isPending) {
    return (
      <Loading>
        <div className="event-page">
          <div className="event-hero">
            <Bone className="bone-poster" />
          </div>
          <div className="bones">
            <Bone className="bone-title" />
            <Bone />
            <Bone className="bone-short" />
          </div>
        </div>
      </Loading>
    );
  }
  if (!asked.data) {
    return asApiError(asked.error).status === 404 ? <NotFound /> : <Failure error={asked.error} retry={() => void asked.refetch()} main />;
  }
  const { event } = asked.data;
  const seats = seatsOf(left.data?.[id], left);
  const refresh = () => {
    void left.refetch();
    void queries.invalidateQueries({ queryKey: ['event', id] });
  };
  return (
    <article className="event-page">
      <p className="back">
        <Link to="/">
          <Icon name="back" size={18} flip /> {t('event.back')}
        </Link>
      </p>
      <div className={event.Cancelled ? 'event-hero is-off' : 'event-hero'}>
        <Poster seed={event.ID} />
        <DateBlock seconds={event.StartDate} zone={zoneOf(event)} />
      </div>
      <div className="event-columns">
        <div className="event-facts">
          <div className="event-title">
            <Title>{event.Name}</Title>
            <Badge event={event} seats={seats} />
          </div>
          <When event={event} />
          <Where event={event} />
        </div>
        <BookingPanel event={event} seats={seats} refresh={refresh} />
      </div>
    </article>
  );
}
