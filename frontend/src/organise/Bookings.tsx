/** `/organise/events/{id}/bookings`: who comes, how it sells, and cancelling for somebody. */
import { useDeferredValue, useMemo, useState } from 'react';
import { Alert, Button, Form } from 'react-bootstrap';
import { Link, useParams } from 'react-router';
import type { Booking } from '../api/client';
import { nowSeconds } from '../api/clock';
import { asApiError } from '../api/problem';
import { useEvent } from '../api/queries';
import { useCancel } from '../bookings/cancel';
import { dayEnd, dayStart, short } from '../events/when';
import { useI18n } from '../i18n';
import { Confirm } from '../ui/Confirm';
import { download, fileName } from '../ui/download';
import { Field } from '../ui/Field';
import { Icon } from '../ui/Icon';
import { Head } from '../ui/Page';
import { Failure, Loading, Notice, ProblemText } from '../ui/States';
import { type BookingFilter, CHARTED, collect, useBookings, useCharted } from './bookingQueries';
import { Chart } from './Chart';
import { bookingsCsv } from './csv';
import { series } from './series';

interface Wish {
  q: string;
  state: string;
  from: string;
  to: string;
}

function toFilter(wish: Wish): BookingFilter {
  return { q: wish.q.trim() || undefined, state: wish.state || undefined, from: dayStart(wish.from), to: dayEnd(wish.to) };
}

function Filters({ wish, change }: { wish: Wish; change: (wish: Wish) => void }) {
  const { t } = useI18n();
  return (
    <div className="booking-filters">
      <Field label={t('bookings.search')}>
        {(field) => <Form.Control {...field} type="search" maxLength={200} value={wish.q} onChange={(event) => change({ ...wish, q: event.target.value })} />}
      </Field>
      <Field label={t('bookings.state')}>
        {(field) => (
          <Form.Select {...field} value={wish.state} onChange={(event) => change({ ...wish, state: event.target.value })}>
            <option value="">{t('bookings.state.any')}</option>
            <option value="confirmed">{t('ticket.confirmed')}</option>
            <option value="cancelled">{t('ticket.cancelled')}</option>
          </Form.Select>
        )}
      </Field>
      <Field label={t('list.from')}>
        {(field) => <Form.Control {...field} type="date" value={wish.from} onChange={(event) => change({ ...wish, from: event.target.value })} />}
      </Field>
      <Field label={t('list.to')}>
        {(field) => <Form.Control {...field} type="date" value={wish.to} onChange={(event) => change({ ...wish, to: event.target.value })} />}
      </Field>
    </div>
  );
}

function Table({ list, cancel }: { list: Booking[]; cancel: (booking: Booking) => void }) {
  const { t, locale } = useI18n();
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const who = (booking: Booking) => booking.Name ?? booking.Email ?? t('bookings.nobody');
  return (
    <table className="table-plain table-stack">
      <thead>
        <tr>
          <th scope="col">{t('bookings.date')}</th>
          <th scope="col">{t('bookings.holder')}</th>
          <th scope="col">{t('bookings.seats')}</th>
          <th scope="col">{t('bookings.state')}</th>
          <th scope="col">
            <span className="visually-hidden">{t('organise.actions')}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {list.map((booking) => {
          const off = booking.State !== 'confirmed';
          return (
            <tr key={booking.ID}>
              <td data-label={t('bookings.date')}>{short(booking.Date, zone, locale)}</td>
              <td data-label={t('bookings.holder')}>
                <span>
                  <span className={booking.Name ? 'fact-main' : 'muted'}>{booking.Name ?? t('bookings.nobody')}</span>
                  {booking.Email && <span className="muted booking-email">{booking.Email}</span>}
                </span>
              </td>
              <td data-label={t('bookings.seats')}>{new Intl.NumberFormat(locale).format(booking.Seats)}</td>
              <td data-label={t('bookings.state')}>
                <span className={off ? 'tag tag-off' : 'tag tag-good'}>{t(off ? 'ticket.cancelled' : 'ticket.confirmed')}</span>
              </td>
              <td className="table-act">
                {!off && (
                  <Button variant="outline-danger" size="sm" aria-label={t('bookings.cancel.label', { who: who(booking) })} onClick={() => cancel(booking)}>
                    {t('bookings.cancel')}
                  </Button>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Sold({ id }: { id: string }) {
  const { t } = useI18n();
  const asked = useCharted(id);
  const { width, spans } = useMemo(() => series(asked.data ?? [], nowSeconds()), [asked.data]);
  if (spans.length === 0) return null;
  return (
    <section className="sheet">
      <Chart spans={spans} width={width} />
      {(asked.data?.length ?? 0) >= CHARTED && <p className="muted">{t('bookings.chart.some', { n: CHARTED })}</p>}
    </section>
  );
}

export function Bookings() {
  const { id = '' } = useParams();
  const { t } = useI18n();
  const about = useEvent(id);
  const [wish, setWish] = useState<Wish>({ q: '', state: '', from: '', to: '' });
  const wanted = useDeferredValue(wish);
  const filter = useMemo(() => toFilter(wanted), [wanted]);
  const list = useBookings(id, filter);
  const all = list.data?.pages.flatMap((page) => page.items) ?? [];
  const [chosen, setChosen] = useState<Booking>();
  const [done, setDone] = useState('');
  const [collecting, setCollecting] = useState(false);
  const [failed, setFailed] = useState<unknown>();
  const cancel = useCancel();
  const name = about.data?.event.Name ?? '';
  const save = async () => {
    setCollecting(true);
    setFailed(undefined);
    try {
      download(fileName(name, 'csv'), 'text/csv;charset=utf-8', bookingsCsv(await collect(id, filter)));
    } catch (error) {
      setFailed(error);
    } finally {
      setCollecting(false);
    }
  };
  const closed = asApiError(list.error).status === 403;
  const narrowed = Object.values(wish).some((value) => value !== '');
  const who = chosen?.Name ?? chosen?.Email ?? t('bookings.nobody');
  return (
    <>
      <Head title={t('bookings.title')} lead={name && t('bookings.of', { event: name })}>
        {!closed && (
          <Button variant="outline-primary" size="sm" disabled={collecting || all.length === 0} onClick={() => void save()}>
            <Icon name="download" size={16} /> {t(collecting ? 'bookings.csv.busy' : 'bookings.csv')}
          </Button>
        )}
        <Link className="btn btn-outline-primary btn-sm" to={`/organise/events/${id}`}>
          <Icon name="edit" size={16} /> {t('organise.edit')}
        </Link>
      </Head>
      {failed !== undefined && (
        <Alert variant="danger">
          <ProblemText error={failed} />
        </Alert>
      )}
      {closed ? (
        <Notice icon="people" title={t('bookings.closed')}>
          <p>
            <ProblemText error={list.error} />
          </p>
        </Notice>
      ) : (
        <>
          <Sold id={id} />
          <Filters wish={wish} change={setWish} />
          {list.isPending ? (
            <Loading />
          ) : list.isError && all.length === 0 ? (
            <Failure error={list.error} retry={() => void list.refetch()} />
          ) : all.length === 0 ? (
            <Notice icon="people" title={t(narrowed ? 'list.none' : 'bookings.none')} text={t(narrowed ? 'list.none.text' : 'bookings.none.text')} />
          ) : (
            <Table list={all} cancel={setChosen} />
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
      <p className="visually-hidden" role="status">
        {done}
      </p>
      {chosen && (
        <Confirm
          title={t('bookings.cancel.title', { who })}
          text={t('bookings.cancel.text', { n: chosen.Seats })}
          no={t('ticket.cancel.no')}
          yes={t('ticket.cancel.yes')}
          busy={cancel.isPending}
          error={cancel.error}
          act={() =>
            cancel.mutate(chosen.ID, {
              onSuccess: () => {
                setDone(t('bookings.cancelled', { who }));
                setChosen(undefined);
              },
            })
          }
          close={() => {
            cancel.reset();
            setChosen(undefined);
          }}
        />
      )}
    </>
  );
}
