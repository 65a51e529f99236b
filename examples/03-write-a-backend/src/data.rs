//! What the toy store knows, and how it decides a booking: one struct behind one lock.

use std::collections::{BTreeMap, BTreeSet};

use myevents_core::counter::{self, Counter, Tally};
use myevents_core::domain::{
    Booking, BookingId, BookingState, EventId, EventRecord, LocationId, LocationRecord, UserId, UserRecord,
};
use myevents_core::ports::{BookOptions, BookingRequest, Outcome};
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::Instant;

use crate::messages::Messages;

/// Everything the store knows. One lock over all of it is what makes each write atomic.
#[derive(Debug, Default)]
pub(crate) struct Data {
    pub(crate) events: BTreeMap<EventId, EventRecord>,
    pub(crate) locations: BTreeMap<LocationId, LocationRecord>,
    pub(crate) users: BTreeMap<UserId, UserRecord>,
    pub(crate) removed_users: BTreeSet<UserId>,
    pub(crate) bookings: BTreeMap<BookingId, Booking>,
    pub(crate) counters: BTreeMap<EventId, Counter>,
    pub(crate) messages: Messages,
}

impl Data {
    /// Takes a person out of their bookings and removes their record; answers whether it was there.
    pub(crate) fn forget(&mut self, user: &UserId) -> bool {
        let theirs = self.bookings.values_mut();
        theirs
            .filter(|booking| booking.user.as_ref() == Some(user))
            .for_each(Booking::forget_person);
        self.removed_users.insert(user.clone());
        self.users.remove(user).is_some()
    }

    /// Decides one wish and takes its seats; what is granted is not stored yet.
    pub(crate) fn decide(
        &mut self,
        event: &EventId,
        request: &BookingRequest,
        options: BookOptions,
    ) -> Result<Outcome> {
        let wanted = &request.booking;
        if wanted.event != *event {
            return Err(Error::invalid("the booking is for another event"));
        }
        if request.deadline < Instant::now() {
            return Err(too_late("book"));
        }
        // A stored id comes first: who lost an answer must find the booking, not "sold out".
        if let Some(stored) = self.bookings.get(&wanted.id) {
            return Ok(counter::replay(stored, wanted));
        }
        if counter::is_stale(self.counters.get(event), options) {
            return Err(counter::stale_copy());
        }
        let tally = self
            .confirmed(event)
            .filter(|booking| booking.person == wanted.person)
            .fold(Tally::default(), |tally, booking| Tally {
                seats: tally.seats + u64::from(booking.seats.get()),
                bookings: tally.bookings + 1,
            });
        let counter = self.counters.get_mut(event);
        Ok(
            match counter::take(counter, wanted.seats.get(), request.limits, tally, options) {
                Ok(()) => Outcome::Booked(wanted.clone()),
                Err(refusal) => refusal,
            },
        )
    }

    pub(crate) fn confirmed<'a>(&'a self, event: &'a EventId) -> impl Iterator<Item = &'a Booking> {
        self.bookings
            .values()
            .filter(move |b| b.event == *event && b.state == BookingState::Confirmed)
    }
}

pub(crate) fn mismatch(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Precondition,
        operation,
        "the record has another version",
    )
}

pub(crate) fn missing(operation: &'static str) -> Error {
    Error::new(ErrorKind::NotFound, operation, "no record has this id")
}

pub(crate) fn too_late(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Overloaded,
        operation,
        "its time had run out before it was its turn",
    )
}

pub(crate) fn taken(operation: &'static str) -> Error {
    Error::new(ErrorKind::Conflict, operation, "the id is taken")
}
