/** `/organise/events/new`, `/organise/events/{id}`: make, copy, change and cancel an event. */
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import { Alert, Button, Form } from 'react-bootstrap';
import { Link, useLocation, useNavigate, useParams, useSearchParams } from 'react-router';
import { type Event, events, taken } from '../api/client';
import { asApiError } from '../api/problem';
import { zoneOf } from '../events/when';
import { useI18n } from '../i18n';
import { Confirm } from '../ui/Confirm';
import { Icon } from '../ui/Icon';
import { Head } from '../ui/Page';
import { Failure, Loading, NotFound } from '../ui/States';
import { ConflictBox } from './ConflictBox';
import { EMPTY_EVENT, EVENT_LABELS, type EventDraft, eventDraft, eventFaults, eventField } from './eventDraft';
import { EventForm } from './EventForm';
import { changed, EVENTS, useLocations, useStored } from './kinds';
import { useRights } from './rights';
import { SaveBar } from './SaveBar';
import { useFaultFocus } from './useFaultFocus';
import { type Stored, useRecord } from './useRecord';

/** A field of a draft in words, for comparing. */
function shown(name: keyof EventDraft, draft: EventDraft): string {
  switch (name) {
    case 'location':
      return draft.location?.Name ?? '';
    case 'hallNames':
      return draft.hallNames.join(', ');
    case 'start':
    case 'end':
    case 'salesStart':
    case 'salesEnd':
      return draft[name].replace('T', ' ');
    default:
      return draft[name];
  }
}

function CancelEvent({ event, close }: { event: Event; close: () => void }) {
  const { t } = useI18n();
  const navigate = useNavigate();
  const cancel = useMutation({
    mutationFn: () => taken(events().DELETE('/events/{id}', { params: { path: { id: event.ID } } })),
    retry: (count, error) => count < 5 && [0, 502, 503, 504].includes(asApiError(error).status),
    retryDelay: (count) => Math.min(500 * 2 ** count, 5_000),
    onSuccess: () => {
      changed();
      void navigate('/organise');
    },
  });
  return (
    <Confirm
      title={t('editEvent.cancel.title')}
      text={t('editEvent.cancel.text', { event: event.Name })}
      no={t('editEvent.cancel.no')}
      yes={t('editEvent.cancel.yes')}
      busy={cancel.isPending}
      error={cancel.error}
      act={() => cancel.mutate()}
      close={close}
    />
  );
}

function Editor({ id, stored, first }: { id?: string; stored?: Stored<Event>; first: EventDraft }) {
  const { t, language } = useI18n();
  const navigate = useNavigate();
  const location = useLocation();
  const locations = useLocations();
  const form = useRef<HTMLFormElement>(null);
  const [tried, setTried] = useState(false);
  const [saved, setSaved] = useState((location.state as { saved?: boolean } | null)?.saved === true);
  const [asking, setAsking] = useState(false);
  const done = ({ record }: Stored<Event>) => {
    changed();
    setTried(false);
    setSaved(true);
    if (!id) void navigate(`/organise/events/${record.ID}`, { replace: true, state: { saved: true } });
  };
  const record = useRecord({ kind: EVENTS, id, stored, first, done });
  const { draft, setDraft, error, conflict } = record;
  const faults = eventFaults(draft);
  const wrong = Object.keys(faults).length > 0;
  const detail = error?.problem?.detail ?? '';
  const field = error && [400, 422].includes(error.status) ? eventField(detail) : undefined;
  useFaultFocus(form, error, field !== undefined);
  const event = record.base.stored?.record;
  if (event?.Cancelled) {
    return (
      <Alert variant="secondary">
        {t('editEvent.cancelled')} <Link to={`/organise/events/new?copy=${event.ID}`}>{t('organise.copy')}</Link>
      </Alert>
    );
  }
  const submit = (submitted: FormEvent) => {
    submitted.preventDefault();
    setTried(true);
    setSaved(false);
    if (wrong) {
      // After the marks have been drawn.
      setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus());
      return;
    }
    void record.save();
  };
  return (
    <Form ref={form} onSubmit={submit} noValidate className="sheet">
      {conflict && <ConflictBox conflict={conflict} draft={draft} labels={EVENT_LABELS} show={shown} change={setDraft} />}
      {locations.isError && <Failure error={locations.error} retry={() => void locations.refetch()} />}
      <fieldset disabled={record.saving !== 'idle'}>
        <EventForm
          draft={draft}
          change={setDraft}
          locations={locations.data ?? []}
          faults={faults}
          tried={tried}
          said={field && { field, text: language === 'en' ? detail : `${t('problem.unprocessable')} ${detail}` }}
        />
      </fieldset>
      <SaveBar
        saving={record.saving}
        why={record.why}
        error={error}
        unknown={record.unknown}
        atField={field !== undefined}
        tried={tried}
        wrong={wrong}
        saved={saved}
        changed={record.changed}
        label={conflict && conflict.torn.length > 0 ? t('conflict.save') : undefined}
        stop={record.stop}
        discard={record.discard}
      />
      {event && (
        <div className="danger">
          <Button variant="outline-danger" size="sm" onClick={() => setAsking(true)}>
            {t('editEvent.cancel')}
          </Button>
        </div>
      )}
      {asking && event && <CancelEvent event={event} close={() => setAsking(false)} />}
    </Form>
  );
}

/** A copy begins where the original ends: everything but when it is on sale, which lies in the past by then. */
function copyOf(event: Event, name: string): EventDraft {
  return { ...eventDraft(event), name, salesStart: '', salesEnd: '' };
}

export function NewEvent() {
  const { t } = useI18n();
  const [params] = useSearchParams();
  const copied = params.get('copy') ?? undefined;
  const asked = useStored(EVENTS, 'event', copied);
  if (copied && asked.isPending) return <Loading />;
  if (copied && !asked.data) {
    return asApiError(asked.error).status === 404 ? <NotFound /> : <Failure error={asked.error} retry={() => void asked.refetch()} main />;
  }
  const event = asked.data?.record;
  return (
    <>
      <Head title={t('newEvent.title')} lead={event && t('newEvent.copy', { name: event.Name })} />
      <Editor key={copied ?? 'new'} first={event ? copyOf(event, event.Name) : EMPTY_EVENT} />
    </>
  );
}

export function EditEvent() {
  const { t } = useI18n();
  const { id = '' } = useParams();
  const rights = useRights();
  const asked = useStored(EVENTS, 'event', id);
  if (asked.isPending) return <Loading />;
  if (!asked.data) {
    return asApiError(asked.error).status === 404 ? <NotFound /> : <Failure error={asked.error} retry={() => void asked.refetch()} main />;
  }
  const { record } = asked.data;
  return (
    <>
      <Head title={t('editEvent.title')} lead={`${record.Name} · ${zoneOf(record)}`}>
        <Link className="btn btn-outline-primary btn-sm" to={`/e/${id}`}>
          <Icon name="out" size={16} /> {t('organise.view')}
        </Link>
        {rights.bookings && (
          <Link className="btn btn-outline-primary btn-sm" to={`/organise/events/${id}/bookings`}>
            <Icon name="people" size={16} /> {t('organise.bookings')}
          </Link>
        )}
        <Link className="btn btn-outline-primary btn-sm" to={`/organise/events/new?copy=${id}`}>
          <Icon name="copy" size={16} /> {t('organise.copy')}
        </Link>
      </Head>
      <Editor key={id} id={id} stored={asked.data} first={eventDraft(record)} />
    </>
  );
}
