/** A labelled field with its help and its error, joined for screen readers. */
import { type ReactNode, useId } from 'react';
import { Form } from 'react-bootstrap';

interface Props {
  label: string;
  /** Beside the label, such as "optional". */
  aside?: string;
  help?: string;
  error?: string;
  children: (field: { id: string; isInvalid: boolean; 'aria-describedby': string | undefined; 'aria-invalid': boolean | undefined }) => ReactNode;
}

export function Field({ label, aside, help, error, children }: Props) {
  const id = useId();
  const described = [error && `${id}-error`, help && `${id}-help`].filter(Boolean).join(' ');
  return (
    <div className="field">
      <Form.Label htmlFor={id}>
        {label}
        {aside && <span className="muted"> ({aside})</span>}
      </Form.Label>
      {children({ id, isInvalid: Boolean(error), 'aria-describedby': described || undefined, 'aria-invalid': error ? true : undefined })}
      {error && (
        <p id={`${id}-error`} className="field-error">
          {error}
        </p>
      )}
      {help && (
        <p id={`${id}-help`} className="field-help">
          {help}
        </p>
      )}
    </div>
  );
}
