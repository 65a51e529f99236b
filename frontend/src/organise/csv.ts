/** Bookings as a table for spreadsheets (RFC 4180). */
import type { Booking } from '../api/client';

/** A cell that begins like a formula would be run by the spreadsheet: an apostrophe makes it text. */
function cell(value: string | number): string {
  const text = String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function bookingsCsv(bookings: Booking[]): string {
  const rows = bookings.map((booking) => [
    booking.ID,
    new Date(booking.Date * 1_000).toISOString(),
    booking.Name ?? '',
    booking.Email ?? '',
    booking.Seats,
    booking.State,
  ]);
  const lines = [['ID', 'Date', 'Name', 'Email', 'Seats', 'State'], ...rows].map((row) => row.map(cell).join(','));
  // The mark in front tells spreadsheets that it is UTF-8.
  return `\uFEFF${lines.join('\r\n')}\r\n`;
}
