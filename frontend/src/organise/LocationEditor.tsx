/** `/organise/locations/new`, `/organise/locations/{id}`: make, change and delete a location. */
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import { Button, Form } from 'react-bootstrap';
import { useLocation, useNavigate, useParams } from 'react-router';
import { events, type Location, taken } from '../api/client';
import { asApiError } from '../api/problem';
import { hour } from '../events/when';
import { useI18n } from '../i18n';
import { Confirm } from '../ui/Confirm';
import { Field } from '../ui/Field';
import { Head } from '../ui/Page';
import { Failure, Loading, NotFound } from '../ui/States';
import { ConflictBox } from './ConflictBox';
import { HallRows } from './HallRows';
import { changed, LOCATIONS, useStored } from './kinds';
import { emptyLocation, LOCATION_LABELS, type LocationDraft, locationDraft, locationFaults, locationField } from './locationDraft';
import { SaveBar } from './SaveBar';
import { useFaultFocus } from './useFaultFocus';
import { type Stored, useRecord } from './useRecord';

function shown(name: keyof LocationDraft, draft: LocationDraft): string {
  if (name === 'halls') return draft.halls.map((hall) => `${hall.name} ${hall.capacity}`).join(', ');
  return draft[name];
}

const ZONES = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : [];

function DeleteLocation({ location, close }: { location: Location; close: () => void }) {
  const { t } = useI18n();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => taken(events().DELETE('/locations/{id}', { params: { path: { id: location.ID ?? '' } } })),
    onSuccess: () => {
      changed();
      void navigate('/organise/locations');
    },
  });
  return (
    <Confirm
      title={t('locations.delete.title')}
      text={t('locations.delete.text', { name: location.Name ?? '' })}
      no={t('locations.delete.no')}
      yes={t('locations.delete.yes')}
      busy={remove.isPending}
      error={remove.error}
      act={() => remove.mutate()}
      close={close}
    />
  );
}

function Editor({ id, stored, first }: { id?: string; stored?: Stored<Location>; first: LocationDraft }) {
  const { t, locale, language } = useI18n();
  const navigate = useNavigate();
  const place = useLocation();
  const form = useRef<HTMLFormElement>(null);
  const [tried, setTried] = useState(false);
  const [saved, setSaved] = useState((place.state as { saved?: boolean } | null)?.saved === true);
  const [asking, setAsking] = useState(false);
  const done = ({ record }: Stored<Location>) => {
    changed();
    setTried(false);
    setSaved(true);
    if (!id) void navigate(`/organise/locations/${record.ID}`, { replace: true, state: { saved: true } });
  };
  const record = useRecord({ kind: LOCATIONS, id, stored, first, done });
  const { draft, setDraft, error, conflict } = record;
  const faults = locationFaults(draft);
  const wrong = Object.keys(faults).length > 0;
  const detail = error?.problem?.detail ?? '';
  const at = error && [400, 422].includes(error.status) ? locationField(detail) : undefined;
  useFaultFocus(form, error, at !== undefined);
  const text = (name: keyof LocationDraft): string | undefined => {
    if (at === name) return language === 'en' ? detail : `${t('problem.unprocessable')} ${detail}`;
    const fault = faults[name];
    return fault && (tried || fault.key !== 'form.required') ? t(fault.key, fault.values) : undefined;
  };
  const input = (name: 'name' | 'address' | 'country') => (
    <Field label={t(LOCATION_LABELS[name])} error={text(name)}>
      {(field) => <Form.Control {...field} value={draft[name]} onChange={(event) => setDraft({ ...draft, [name]: event.target.value })} />}
    </Field>
  );
  const hours = (name: 'openTime' | 'closeTime') => (
    <Field label={t(LOCATION_LABELS[name])} error={text(name)}>
      {(field) => (
        <Form.Select {...field} value={draft[name]} onChange={(event) => setDraft({ ...draft, [name]: event.target.value })}>
          {Array.from({ length: 24 }, (_, value) => (
            <option key={value} value={value}>
              {hour(value, locale)}
            </option>
          ))}
        </Form.Select>
      )}
    </Field>
  );
  const submit = (submitted: FormEvent) => {
    submitted.preventDefault();
    setTried(true);
    setSaved(false);
    if (wrong) {
      setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus());
      return;
    }
    void record.save();
  };
  const location = record.base.stored?.record;
  return (
    <Form ref={form} onSubmit={submit} noValidate className="sheet">
      {conflict && <ConflictBox conflict={conflict} draft={draft} labels={LOCATION_LABELS} show={shown} change={setDraft} />}
      <fieldset disabled={record.saving !== 'idle'}>
        {input('name')}
        {input('address')}
        {input('country')}
        <div className="field-pair">
          {hours('openTime')}
          {hours('closeTime')}
          <Field label={t('location.zone')} help={t('location.zone.help')} error={text('timeZone')}>
            {(field) => (
              <Form.Control {...field} list="zones" value={draft.timeZone} onChange={(event) => setDraft({ ...draft, timeZone: event.target.value })} />
            )}
          </Field>
          <datalist id="zones">
            {ZONES.map((zone) => (
              <option key={zone} value={zone} />
            ))}
          </datalist>
        </div>
        <HallRows draft={draft} change={setDraft} tried={tried} said={at === 'halls' ? text('halls') : undefined} />
      </fieldset>
      <SaveBar
        saving={record.saving}
        why={record.why}
        error={error}
        unknown={record.unknown}
        atField={at !== undefined}
        tried={tried}
        wrong={wrong}
        saved={saved}
        changed={record.changed}
        label={conflict && conflict.torn.length > 0 ? t('conflict.save') : undefined}
        stop={record.stop}
        discard={record.discard}
      />
      {location && (
        <div className="danger">
          <Button variant="outline-danger" size="sm" onClick={() => setAsking(true)}>
            {t('locations.delete')}
          </Button>
        </div>
      )}
      {asking && location && <DeleteLocation location={location} close={() => setAsking(false)} />}
    </Form>
  );
}

export function NewLocation() {
  const { t } = useI18n();
  return (
    <>
      <Head title={t('locations.new')} />
      <Editor key="new" first={emptyLocation()} />
    </>
  );
}

export function EditLocation() {
  const { t } = useI18n();
  const { id = '' } = useParams();
  const asked = useStored(LOCATIONS, 'location', id);
  if (asked.isPending) return <Loading />;
  if (!asked.data) {
    return asApiError(asked.error).status === 404 ? <NotFound /> : <Failure error={asked.error} retry={() => void asked.refetch()} main />;
  }
  return (
    <>
      <Head title={t('locations.edit')} lead={asked.data.record.Name} />
      <Editor key={id} id={id} stored={asked.data} first={locationDraft(asked.data.record)} />
    </>
  );
}
