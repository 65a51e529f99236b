/** The halls of a location, one row each. */
import { Button, Form } from 'react-bootstrap';
import { useI18n } from '../i18n';
import { Field } from '../ui/Field';
import { Icon } from '../ui/Icon';
import { type HallDraft, hallFault, type LocationDraft } from './locationDraft';

interface Props {
  draft: LocationDraft;
  change: (draft: LocationDraft) => void;
  tried: boolean;
  said?: string;
}

export function HallRows({ draft, change, tried, said }: Props) {
  const { t } = useI18n();
  const put = (index: number, hall: HallDraft) => change({ ...draft, halls: draft.halls.map((each, at) => (at === index ? hall : each)) });
  return (
    <fieldset className="field">
      <legend className="form-part">{t('location.halls')}</legend>
      {draft.halls.length === 0 && <p className="field-help">{t('location.noHalls')}</p>}
      {draft.halls.map((hall, index) => {
        const fault = tried || hall.capacity !== '' ? hallFault(hall) : undefined;
        const input = (name: keyof HallDraft, label: string, error?: string) => (
          <Field label={label} error={error}>
            {(field) => (
              <Form.Control
                {...field}
                inputMode={name === 'capacity' ? 'numeric' : undefined}
                value={hall[name]}
                onChange={(event) => put(index, { ...hall, [name]: event.target.value })}
              />
            )}
          </Field>
        );
        return (
          <div key={index} className="hall-row">
            {input('name', t('location.hall.name'), fault === 'form.required' ? t(fault) : undefined)}
            {input('location', t('location.hall.place'))}
            {input('capacity', t('location.hall.seats'), fault === 'form.number' ? t(fault, { n: 1 }) : undefined)}
            <Button
              variant="outline-primary"
              className="hall-remove"
              aria-label={t('location.hall.remove', { n: index + 1 })}
              onClick={() => change({ ...draft, halls: draft.halls.filter((_, at) => at !== index) })}
            >
              <Icon name="bin" size={18} />
            </Button>
          </div>
        );
      })}
      {said && <p className="field-error">{said}</p>}
      <Button variant="outline-primary" size="sm" onClick={() => change({ ...draft, halls: [...draft.halls, { name: '', location: '', capacity: '' }] })}>
        <Icon name="plus" size={16} /> {t('location.hall.add')}
      </Button>
    </fieldset>
  );
}
