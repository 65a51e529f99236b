/** Which view is at which path. The list comes with the page, the rest when it is gone to. */
import { lazy } from 'react';
import { Navigate, Route, Routes, useLocation } from 'react-router';
import { EventList } from '../events/EventList';
import { NotFound } from '../ui/States';
import { oldAddress } from './oldAddress';
import { Shell } from './Shell';

const EventPage = lazy(() => import('../events/EventPage').then((part) => ({ default: part.EventPage })));
const TicketPage = lazy(() => import('../bookings/TicketPage').then((part) => ({ default: part.TicketPage })));
const MyTickets = lazy(() => import('../bookings/MyTickets').then((part) => ({ default: part.MyTickets })));
const Organise = lazy(() => import('../organise/Organise').then((part) => ({ default: part.Organise })));

const SignedIn = lazy(() => import('../sign-in/SignedIn').then((part) => ({ default: part.SignedIn })));

function Start() {
  const { hash } = useLocation();
  const old = oldAddress(hash);
  return old ? <Navigate to={old} replace /> : <EventList />;
}

export function App() {
  return (
    <Shell>
      <Routes>
        <Route path="/" element={<Start />} />
        <Route path="/e/:id" element={<EventPage />} />
        <Route path="/t/:id" element={<TicketPage />} />
        <Route path="/my" element={<MyTickets />} />
        <Route path="/organise/*" element={<Organise />} />
        <Route path="/sign-in" element={<SignedIn />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
    </Shell>
  );
}
