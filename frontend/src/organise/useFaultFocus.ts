/** Brings the keyboard to the field that the service has found wrong: it may be out of sight of the button. */
import { type RefObject, useEffect } from 'react';
import type { ApiError } from '../api/problem';

export function useFaultFocus(form: RefObject<HTMLFormElement | null>, error: ApiError | undefined, atField: boolean): void {
  useEffect(() => {
    if (error && atField) form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  }, [form, error, atField]);
}
