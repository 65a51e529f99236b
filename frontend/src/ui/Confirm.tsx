/** Asks before something that can't be undone. The dangerous button waits for a tick of its own. */
import { type ReactNode, useState } from 'react';
import { Button, Form, Modal } from 'react-bootstrap';
import { useI18n } from '../i18n';
import { ProblemText } from './States';

interface Props {
  title: string;
  text: ReactNode;
  no: string;
  yes: string;
  busy: boolean;
  error?: unknown;
  act: () => void;
  close: () => void;
}

export function Confirm({ title, text, no, yes, busy, error, act, close }: Props) {
  const { t } = useI18n();
  const [sure, setSure] = useState(false);
  return (
    <Modal show centered onHide={busy ? undefined : close} aria-labelledby="confirm-title">
      <Modal.Body>
        <h2 id="confirm-title">{title}</h2>
        <p>{text}</p>
        <Form.Check id="confirm-sure" label={t('ticket.cancel.sure')} checked={sure} disabled={busy} onChange={(event) => setSure(event.target.checked)} />
        <div role="alert">
          {error ? (
            <p className="field-error">
              <ProblemText error={error} />
            </p>
          ) : null}
        </div>
      </Modal.Body>
      <Modal.Footer>
        <Button variant="outline-primary" disabled={busy} onClick={close}>
          {no}
        </Button>
        <Button variant="danger" disabled={!sure || busy} onClick={act}>
          {busy ? t('ticket.cancelling') : yes}
        </Button>
      </Modal.Footer>
    </Modal>
  );
}
