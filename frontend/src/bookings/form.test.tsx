// @vitest-environment jsdom
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { I18nProvider } from '../i18n';
import { BookingForm } from './BookingForm';

function show(limits: { left: number | null; most: number; needsEmail: boolean }, busy = false) {
  const submit = vi.fn();
  render(
    <I18nProvider first="en">
      <BookingForm limits={limits} first={{ seats: 1, name: '', email: '' }} busy={busy} submit={submit} />
    </I18nProvider>,
  );
  return { submit, user: userEvent.setup() };
}

test('the stepper goes no further than what is left and what a booking may have', async () => {
  const { submit, user } = show({ left: 3, most: 20, needsEmail: false });
  const more = screen.getByRole('button', { name: 'One seat more' });
  await user.click(more);
  await user.click(more);
  expect(more).toHaveProperty('disabled', true);
  await user.click(screen.getByRole('button', { name: 'Book 3 seats' }));
  expect(submit).toHaveBeenCalledWith({ seats: 3, name: undefined, email: undefined });
});

test('what can’t be is said and not sent, and the field gets the focus', async () => {
  const { submit, user } = show({ left: null, most: 4, needsEmail: true });
  const seats = screen.getByRole('spinbutton', { name: 'Seats' });
  await user.clear(seats);
  await user.type(seats, '9');
  await user.click(screen.getByRole('button', { name: 'Book 9 seats' }));
  expect(screen.getByText('One booking may have up to 4 seats.')).toBeTruthy();
  expect(document.activeElement).toBe(seats);
  await user.clear(seats);
  await user.type(seats, '2');
  await user.click(screen.getByRole('button', { name: 'Book 2 seats' }));
  expect(screen.getByText('Please give an e-mail address.')).toBeTruthy();
  expect(submit).not.toHaveBeenCalled();
  await user.type(screen.getByLabelText('E-mail'), 'ada@example.org');
  await user.click(screen.getByRole('button', { name: 'Book 2 seats' }));
  expect(submit).toHaveBeenCalledWith({ seats: 2, name: undefined, email: 'ada@example.org' });
});

test('while it is on its way nothing can be changed', () => {
  show({ left: 3, most: 20, needsEmail: false }, true);
  expect(screen.getByRole('button', { name: 'Booking…' }).closest('fieldset')?.disabled).toBe(true);
});
