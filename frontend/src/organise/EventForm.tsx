/** The fields of an event. */
import { Form } from 'react-bootstrap';
import type { Location } from '../api/client';
import { nowSeconds } from '../api/clock';
import { useConfig } from '../app/config';
import { zoneName } from '../events/when';
import { useI18n } from '../i18n';
import { Field } from '../ui/Field';
import { capacityOf, type EventDraft, type Faults, withStart, zoneOfDraft } from './eventDraft';
import { fromLocal } from './zoned';

interface Props {
  draft: EventDraft;
  change: (draft: EventDraft) => void;
  locations: Location[];
  faults: Faults<EventDraft>;
  /** What the service said, at the field it spoke of. */
  said?: { field: keyof EventDraft; text: string };
  tried: boolean;
}

const same = (a: Location | null, b: Location): boolean => JSON.stringify(a) === JSON.stringify(b);

function LocationField({ draft, change, locations, error }: Pick<Props, 'draft' | 'change' | 'locations'> & { error?: string }) {
  const { t } = useI18n();
  const stored = locations.findIndex((each) => same(draft.location, each));
  const value = draft.location === null ? '' : stored >= 0 ? String(stored) : 'kept';
  const choose = (next: string) => {
    if (next === 'kept') return;
    change({ ...draft, location: next === '' ? null : (locations[Number(next)] ?? null), hallNames: [] });
  };
  return (
    <Field label={t('form.location')} error={error}>
      {(field) => (
        <Form.Select {...field} value={value} onChange={(event) => choose(event.target.value)}>
          <option value="">{t('form.location.none')}</option>
          {value === 'kept' && <option value="kept">{t('form.location.kept', { name: draft.location?.Name ?? '' })}</option>}
          {locations.map((location, index) => (
            <option key={location.ID} value={index}>
              {[location.Name, location.Address].filter(Boolean).join(', ')}
            </option>
          ))}
        </Form.Select>
      )}
    </Field>
  );
}

function Halls({ draft, change, error }: Pick<Props, 'draft' | 'change'> & { error?: string }) {
  const { t } = useI18n();
  const halls = draft.location?.Halls ?? [];
  const seats = capacityOf(draft);
  const toggle = (name: string, on: boolean) =>
    change({ ...draft, hallNames: on ? [...draft.hallNames, name] : draft.hallNames.filter((each) => each !== name) });
  if (halls.length === 0) return draft.location ? <p className="field-help">{t('location.noHalls')}</p> : null;
  return (
    <fieldset className="field">
      <legend className="form-label">{t('form.halls')}</legend>
      {halls.map((hall, index) => (
        <Form.Check
          key={index}
          id={`hall-${index}`}
          label={`${hall.name} (${t('event.hallSeats', { n: hall.capacity })})`}
          checked={draft.hallNames.includes(hall.name)}
          onChange={(event) => toggle(hall.name, event.target.checked)}
        />
      ))}
      {error && <p className="field-error">{error}</p>}
      <p className="field-help">
        {t('form.halls.help')} {seats !== undefined && t('form.capacity', { n: seats })}
      </p>
    </fieldset>
  );
}

export function EventForm({ draft, change, locations, faults, said, tried }: Props) {
  const { t, locale } = useI18n();
  const { sales } = useConfig();
  const zone = zoneOfDraft(draft);
  const start = fromLocal(draft.start, zone);
  const text = (name: keyof EventDraft): string | undefined => {
    if (said?.field === name) return said.text;
    const fault = faults[name];
    // An empty field is no fault before one has tried to save.
    return fault && (tried || fault.key !== 'form.required') ? t(fault.key, fault.values) : undefined;
  };
  const time = (name: 'start' | 'end' | 'salesStart' | 'salesEnd', label: string, help?: string) => (
    <Field label={label} aside={name.startsWith('sales') ? t('book.optional') : undefined} error={text(name)} help={help}>
      {(field) => (
        <Form.Control
          {...field}
          type="datetime-local"
          max="9999-12-31T23:59"
          value={draft[name]}
          onChange={(event) => change(name === 'start' ? withStart(draft, event.target.value) : { ...draft, [name]: event.target.value })}
        />
      )}
    </Field>
  );
  const limit = (name: 'maxBooking' | 'maxPersonSeats' | 'maxPersonBookings', label: string, placeholder?: string) => (
    <Field label={label} error={text(name)}>
      {(field) => (
        <Form.Control
          {...field}
          type="number"
          inputMode="numeric"
          min={1}
          placeholder={placeholder}
          value={draft[name]}
          onChange={(event) => change({ ...draft, [name]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <>
      <Field label={t('form.name')} error={text('name')}>
        {(field) => <Form.Control {...field} required value={draft.name} onChange={(event) => change({ ...draft, name: event.target.value })} />}
      </Field>
      <LocationField draft={draft} change={change} locations={locations} error={text('location')} />
      <Halls draft={draft} change={change} error={text('hallNames')} />
      <div className="field-pair">
        {time('start', t('form.start'), start !== undefined && start < nowSeconds() ? t('form.past') : undefined)}
        {time('end', t('form.end'))}
      </div>
      <div className="field-pair">
        {time('salesStart', t('form.salesStart'))}
        {time('salesEnd', t('form.salesEnd'))}
      </div>
      <p className="field-help form-note">{t('form.zone', { zone: zoneName(start ?? nowSeconds(), zone, locale) })}</p>
      <fieldset>
        <legend className="form-part">{t('form.limits')}</legend>
        <div className="field-pair">
          {limit('maxBooking', t('form.maxBooking'), t('form.default', { n: sales.maxSeatsPerBooking }))}
          {limit('maxPersonSeats', t('form.maxPersonSeats'))}
          {limit('maxPersonBookings', t('form.maxPersonBookings'))}
        </div>
        <p className="field-help form-note">{t('form.limits.help')}</p>
      </fieldset>
    </>
  );
}
