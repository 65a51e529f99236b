/** `/`: what is on. */
import { useCallback, useMemo } from 'react';
import { Button } from 'react-bootstrap';
import { useSearchParams } from 'react-router';
import type { Event } from '../api/client';
import { useEvents, useLeft } from '../api/queries';
import { useI18n } from '../i18n';
import { Head } from '../ui/Page';
import { Bone, Failure, Loading, Notice } from '../ui/States';
import { EventCard } from './EventCard';
import { Filters } from './Filters';
import { isNarrowed, NO_WISH, readWish, toFilter, type Wish, writeWish } from './filter';
import { seatsOf } from './sale';

function Bones() {
  return (
    <Loading>
      <div className="cards">
        {Array.from({ length: 6 }, (_, index) => (
          <div key={index} className="event-card" aria-hidden="true">
            <Bone className="bone-poster" />
            <div className="event-card-body">
              <Bone className="bone-title" />
              <Bone className="bone-short" />
              <Bone className="bone-short" />
            </div>
          </div>
        ))}
      </div>
    </Loading>
  );
}

function Cards({ events }: { events: Event[] }) {
  const ids = useMemo(() => events.filter((event) => !event.Cancelled).map((event) => event.ID), [events]);
  const left = useLeft(ids);
  return (
    <div className="cards">
      {events.map((event) => (
        <EventCard key={event.ID} event={event} seats={seatsOf(left.data?.[event.ID], left)} />
      ))}
    </div>
  );
}

export function EventList() {
  const { t } = useI18n();
  const [params, setParams] = useSearchParams();
  const wish = useMemo(() => readWish(params), [params]);
  const change = useCallback((next: Wish) => setParams(writeWish(next), { replace: true }), [setParams]);
  // The day is fixed while the wish is: a new second must not be a new question.
  const filter = useMemo(() => toFilter(wish, new Date()), [wish]);
  const list = useEvents(filter);
  const events = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data]);
  return (
    <>
      <Head title={t('list.title')} lead={t('list.lead')} />
      <Filters wish={wish} change={change} />
      <p className="count" role="status">
        {list.isSuccess && !list.isPlaceholderData && events.length > 0 && t(list.hasNextPage ? 'list.count.more' : 'list.count', { n: events.length })}
      </p>
      {list.isPending ? (
        <Bones />
      ) : list.isError && events.length === 0 ? (
        <Failure error={list.error} retry={() => void list.refetch()} />
      ) : events.length === 0 ? (
        isNarrowed(wish) ? (
          <Notice icon="search" title={t('list.none')} text={t('list.none.text')}>
            <Button variant="outline-primary" onClick={() => change(NO_WISH)}>
              {t('list.clear')}
            </Button>
          </Notice>
        ) : (
          <Notice icon="calendar" title={t('list.empty')} text={t('list.empty.text')} />
        )
      ) : (
        <div className={list.isPlaceholderData ? 'is-stale' : undefined} aria-busy={list.isPlaceholderData}>
          <Cards events={events} />
        </div>
      )}
      {list.hasNextPage && (
        <div className="more">
          <Button variant="outline-primary" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {list.isFetchingNextPage ? t('app.loading') : t('list.more')}
          </Button>
        </div>
      )}
    </>
  );
}
