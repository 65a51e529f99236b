/** Between Unix seconds and what a `datetime-local` field holds, in a time zone that need not be the browser's. */

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(zone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(zone);
  if (!formatter) {
    const [two, all] = ['2-digit', 'numeric'] as const;
    formatter = new Intl.DateTimeFormat('en', { timeZone: zone, hourCycle: 'h23', year: all, month: two, day: two, hour: two, minute: two });
    formatters.set(zone, formatter);
  }
  return formatter;
}

/** `2026-12-24T19:00`, the wall clock in the zone. */
export function toLocal(seconds: number, zone: string): string {
  const parts = new Map(formatterOf(zone).formatToParts(new Date(seconds * 1_000)).map((part) => [part.type, part.value]));
  const year = (parts.get('year') ?? '').padStart(4, '0');
  return `${year}-${parts.get('month')}-${parts.get('day')}T${parts.get('hour')}:${parts.get('minute')}`;
}

/** The moment when the zone's clock shows this; the earlier one where it shows it twice, nothing where it never does. */
export function fromLocal(text: string, zone: string): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})/.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute] = match.slice(1).map(Number) as [number, number, number, number, number];
  const asUtc = Date.UTC(year, month - 1, day, hour, minute) / 1_000;
  const wanted = text.slice(0, 16);
  // The clock of the zone is off UTC by what it was a day before or will be a day after; zones change by more never.
  const offsets = [-86_400, 86_400].map((shift) => {
    const at = asUtc + shift;
    const local = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})/.exec(toLocal(at, zone));
    const [y, mo, d, h, mi] = (local?.slice(1).map(Number) ?? [0, 0, 0, 0, 0]) as [number, number, number, number, number];
    return Date.UTC(y, mo - 1, d, h, mi) / 1_000 - at;
  });
  const moments = offsets.map((offset) => asUtc - offset).filter((at) => toLocal(at, zone) === wanted);
  return moments.length > 0 ? Math.min(...moments) : undefined;
}
