/** A location as the form holds it, and what of it is wrong. */
import type { Location } from '../api/client';
import type { Key } from '../i18n/en';
import { type Faults, LONGEST_NAME } from './eventDraft';

export interface HallDraft {
  name: string;
  location: string;
  capacity: string;
}

export interface LocationDraft {
  name: string;
  address: string;
  country: string;
  openTime: string;
  closeTime: string;
  timeZone: string;
  halls: HallDraft[];
}

export const LOCATION_LABELS: Record<keyof LocationDraft, Key> = {
  name: 'form.name',
  address: 'location.address',
  country: 'location.country',
  openTime: 'location.opens',
  closeTime: 'location.closes',
  timeZone: 'location.zone',
  halls: 'location.halls',
};

export function emptyLocation(): LocationDraft {
  return {
    name: '',
    address: '',
    country: '',
    openTime: '10',
    closeTime: '23',
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    halls: [{ name: '', location: '', capacity: '' }],
  };
}

export function locationDraft(location: Location): LocationDraft {
  return {
    name: location.Name ?? '',
    address: location.Address ?? '',
    country: location.Country ?? '',
    openTime: String(location.OpenTime ?? 0),
    closeTime: String(location.CloseTime ?? 0),
    timeZone: location.TimeZone ?? '',
    halls: (location.Halls ?? []).map((hall) => ({ name: hall.name, location: hall.location ?? '', capacity: String(hall.capacity) })),
  };
}

function isZone(zone: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: zone }));
  } catch {
    return false;
  }
}

const whole = (text: string, least: number, most: number): boolean =>
  /^\d+$/.test(text.trim()) && Number(text) >= least && Number(text) <= most;

export function hallFault(hall: HallDraft): Key | undefined {
  if (hall.name.trim() === '') return 'form.required';
  return whole(hall.capacity, 1, 2_147_483_647) ? undefined : 'form.number';
}

export function locationFaults(draft: LocationDraft): Faults<LocationDraft> {
  const faults: Faults<LocationDraft> = {};
  if (draft.name.trim() === '') faults.name = { key: 'form.required' };
  else if (draft.name.length > LONGEST_NAME) faults.name = { key: 'form.long', values: { n: LONGEST_NAME } };
  if (draft.timeZone !== '' && !isZone(draft.timeZone)) faults.timeZone = { key: 'location.zone.wrong' };
  const wrong = draft.halls.map(hallFault).find((fault) => fault !== undefined);
  if (wrong) faults.halls = { key: wrong, values: { n: 1 } };
  return faults;
}

export function locationBody(draft: LocationDraft, before?: Location): Location {
  return {
    ID: before?.ID,
    Name: draft.name.trim(),
    Address: draft.address.trim(),
    Country: draft.country.trim(),
    OpenTime: Number(draft.openTime),
    CloseTime: Number(draft.closeTime),
    TimeZone: draft.timeZone.trim() || undefined,
    Halls: draft.halls.map((hall) => ({ name: hall.name.trim(), location: hall.location.trim() || undefined, capacity: Number(hall.capacity) })),
  };
}

export function locationField(detail: string): keyof LocationDraft | undefined {
  const fields: [RegExp, keyof LocationDraft][] = [
    [/^Name\b/, 'name'],
    [/^Address\b/, 'address'],
    [/^Country\b/, 'country'],
    [/^OpenTime\b/, 'openTime'],
    [/^CloseTime\b/, 'closeTime'],
    [/^TimeZone\b/, 'timeZone'],
    [/^Halls\b|hall/, 'halls'],
  ];
  return fields.find(([pattern]) => pattern.test(detail))?.[1];
}
