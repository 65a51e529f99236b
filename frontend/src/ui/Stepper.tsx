/** A small whole number, by buttons, arrow keys or typing. */
import { Form } from 'react-bootstrap';
import { Icon } from './Icon';

interface Props {
  id: string;
  label: string;
  value: string;
  max: number;
  change: (value: string) => void;
  fewer: string;
  more: string;
  invalid: boolean;
  describedBy?: string;
}

export function Stepper({ id, label, value, max, change, fewer, more, invalid, describedBy }: Props) {
  const number = Number(value);
  const step = (by: number) => change(String(Math.max(1, Math.min(max, (Number.isInteger(number) ? number : 0) + by))));
  return (
    <div className="stepper-row">
      <Form.Label htmlFor={id}>{label}</Form.Label>
      <div className="stepper">
        <button type="button" className="btn btn-step" aria-label={fewer} disabled={!(number > 1)} onClick={() => step(-1)}>
          <Icon name="minus" />
        </button>
        <Form.Control
          id={id}
          type="number"
          inputMode="numeric"
          min={1}
          max={max}
          value={value}
          isInvalid={invalid}
          aria-describedby={describedBy}
          onChange={(event) => change(event.target.value)}
        />
        <button type="button" className="btn btn-step" aria-label={more} disabled={number >= max} onClick={() => step(1)}>
          <Icon name="plus" />
        </button>
      </div>
    </div>
  );
}
