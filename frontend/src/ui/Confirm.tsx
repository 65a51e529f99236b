/** Asks before something that can't be undone. The dangerous button waits for a tick of its own. */
import { type ReactNode, useLayoutEffect, useRef, useState } from 'react';
import { Button, Form } from 'react-bootstrap';
import { useI18n } from '../i18n';
import { keepFocus } from './focus';
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
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    // The browser's own: what is behind can be reached neither by pointer nor by keyboard.
    dialog.current?.showModal();
    return () => {
      setTimeout(() => {
        if (before instanceof HTMLElement && before.isConnected) before.focus();
        // What was done may have taken the button away.
        keepFocus();
      });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className="confirm"
      aria-labelledby="confirm-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!busy) close();
      }}
      // A browser may close it without asking, after a second Escape.
      onClose={() => {
        if (busy) dialog.current?.showModal();
        else close();
      }}
    >
      <h2 id="confirm-title">{title}</h2>
      <p>{text}</p>
      <Form.Check id="confirm-sure" label={t('confirm.sure')} checked={sure} disabled={busy} onChange={(event) => setSure(event.target.checked)} />
      <div role="alert">
        {error ? (
          <p className="field-error">
            <ProblemText error={error} />
          </p>
        ) : null}
      </div>
      <div className="button-row confirm-row">
        <Button variant="outline-primary" disabled={busy} onClick={close}>
          {no}
        </Button>
        <Button variant="danger" disabled={!sure || busy} onClick={act}>
          {busy ? t('confirm.busy') : yes}
        </Button>
      </div>
    </dialog>
  );
}
