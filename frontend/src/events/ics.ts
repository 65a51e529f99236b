/** Writes an event as an iCalendar file (RFC 5545). */
import type { TicketEvent } from '../bookings/tickets';

function stamp(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace(/[-:]|\.\d+/g, '');
}

function escaped(text: string): string {
  return text.replace(/[\\;,]/g, '\\$&').replace(/\r\n|\r|\n/g, '\\n');
}

/** Lines have at most 75 octets; what follows goes on in the next line behind a space. */
function folded(line: string): string {
  const encoder = new TextEncoder();
  const pieces: string[] = [];
  let piece = '';
  let length = 0;
  for (const letter of line) {
    const size = encoder.encode(letter).length;
    if (length + size > 74) {
      pieces.push(piece);
      piece = '';
      length = 0;
    }
    piece += letter;
    length += size;
  }
  pieces.push(piece);
  return pieces.join('\r\n ');
}

export function calendarFile(event: TicketEvent, address: string, now: number, page?: string): string {
  const place = [event.place, address].filter(Boolean).join(', ');
  const lines = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//MyEvents//page//EN',
    'BEGIN:VEVENT',
    `UID:${event.id}@myevents`,
    `DTSTAMP:${stamp(now)}`,
    `DTSTART:${stamp(event.start)}`,
    `DTEND:${stamp(Math.max(event.end, event.start))}`,
    `SUMMARY:${escaped(event.name)}`,
    ...(place ? [`LOCATION:${escaped(place)}`] : []),
    ...(page ? [`URL:${page}`] : []),
    'END:VEVENT',
    'END:VCALENDAR',
  ];
  return lines.map((line) => `${folded(line)}\r\n`).join('');
}
