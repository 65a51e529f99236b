/** `/organise/…`: the organiser's part, loaded when somebody goes there. */
import { useState } from 'react';
import { NavLink, Route, Routes } from 'react-router';
import { useI18n } from '../i18n';
import { SignInNotice } from '../sign-in/Account';
import { NotFound, Notice } from '../ui/States';
import { Bookings } from './Bookings';
import { EditEvent, NewEvent } from './EventEditor';
import { EditLocation, NewLocation } from './LocationEditor';
import { Locations } from './Locations';
import { useRights } from './rights';
import { Sales } from './Sales';

export function Organise() {
  const { t } = useI18n();
  const { session, events, bookings } = useRights();
  // Who was signed in when they came keeps the form that they have open.
  const [entered] = useState(session);
  if (!session && !entered) return <SignInNotice main />;
  if (session && !events && !bookings) return <Notice icon="people" title={t('organise.noRight')} text={t('organise.noRight.text', { scopes: 'events:write, bookings:admin' })} main />;
  return (
    <div className="organise">
      <nav className="sub" aria-label={t('organise.nav')}>
        <NavLink to="/organise" end>
          {t('organise.sales')}
        </NavLink>
        <NavLink to="/organise/locations">{t('organise.locations')}</NavLink>
      </nav>
      <Routes>
        <Route index element={<Sales />} />
        <Route path="events/new" element={<NewEvent />} />
        <Route path="events/:id" element={<EditEvent />} />
        <Route path="events/:id/bookings" element={<Bookings />} />
        <Route path="locations" element={<Locations />} />
        <Route path="locations/new" element={<NewLocation />} />
        <Route path="locations/:id" element={<EditLocation />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
    </div>
  );
}
