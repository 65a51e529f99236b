/** One event in the list. The whole card is one link. */
import { Link } from 'react-router';
import type { Event } from '../api/client';
import { useI18n } from '../i18n';
import { Icon } from '../ui/Icon';
import { Badge } from './Badge';
import { Poster } from './Poster';
import type { Seats } from './sale';
import { block, timeRange, zoneOf } from './when';

export function DateBlock({ seconds, zone }: { seconds: number; zone: string }) {
  const { locale } = useI18n();
  const { day, month, weekday } = block(seconds, zone, locale);
  return (
    <time className="date-block" dateTime={new Date(seconds * 1_000).toISOString()}>
      <span className="date-weekday">{weekday}</span>
      <span className="date-day">{day}</span>
      <span className="date-month">{month}</span>
    </time>
  );
}

export function EventCard({ event, seats }: { event: Event; seats: Seats }) {
  const { locale } = useI18n();
  const zone = zoneOf(event);
  const place = event.Location?.Name;
  return (
    <article className={event.Cancelled ? 'event-card is-off' : 'event-card'}>
      <Poster seed={event.ID} />
      <DateBlock seconds={event.StartDate} zone={zone} />
      <div className="event-card-body">
        <h2>
          <Link to={`/e/${event.ID}`} className="stretched">
            {event.Name}
          </Link>
        </h2>
        <p className="event-card-facts">
          <Icon name="clock" size={16} />
          <span>{timeRange(event.StartDate, event.EndDate, zone, locale)}</span>
        </p>
        {place && (
          <p className="event-card-facts">
            <Icon name="pin" size={16} />
            <span>{place}</span>
          </p>
        )}
        <div className="event-card-foot">
          <Badge event={event} seats={seats} />
        </div>
      </div>
    </article>
  );
}
