//! Bookings with the indices of their lists, what each person has, and the decision of a batch.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use tokio::time::Instant;

use super::Scope;
use super::state::State;
use crate::counter::{self, Tally, is_confirmed};
use crate::domain::{Booking, BookingId, BookingState, EventId, Person, UnixSeconds, UserId};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{
    BookOptions, BookingCursor, BookingFilter, BookingOwner, BookingRequest, CancelOutcome, CancelRequest,
    Committed, Outcome, PageOf,
};

#[derive(Default)]
pub(super) struct Bookings {
    by_id: HashMap<BookingId, Booking>,
    by_event: HashMap<EventId, BTreeSet<BookingCursor>>,
    by_user: HashMap<UserId, BTreeSet<BookingCursor>>,
    people: HashMap<EventId, HashMap<Person, Tally>>,
}

fn position(booking: &Booking) -> BookingCursor {
    BookingCursor {
        date: booking.date,
        id: booking.id.clone(),
    }
}

impl Bookings {
    pub(super) fn get(&self, id: &BookingId) -> Option<&Booking> {
        self.by_id.get(id)
    }

    fn insert(&mut self, booking: Booking) {
        self.by_event
            .entry(booking.event.clone())
            .or_default()
            .insert(position(&booking));
        if let Some(user) = &booking.user {
            self.by_user
                .entry(user.clone())
                .or_default()
                .insert(position(&booking));
        }
        if let Some(person) = &booking.person
            && is_confirmed(&booking.state)
        {
            let tally = self
                .people
                .entry(booking.event.clone())
                .or_default()
                .entry(person.clone())
                .or_default();
            tally.seats += u64::from(booking.seats.get());
            tally.bookings += 1;
        }
        self.by_id.insert(booking.id.clone(), booking);
    }

    fn tally(&self, event: &EventId, person: Option<&Person>) -> Tally {
        person
            .and_then(|person| self.people.get(event)?.get(person))
            .copied()
            .unwrap_or_default()
    }

    fn untally(people: &mut HashMap<EventId, HashMap<Person, Tally>>, booking: &Booking) {
        let Some(person) = &booking.person else { return };
        let Some(of_event) = people.get_mut(&booking.event) else {
            return;
        };
        if let Some(tally) = of_event.get_mut(person) {
            tally.seats = tally.seats.saturating_sub(u64::from(booking.seats.get()));
            tally.bookings = tally.bookings.saturating_sub(1);
            if tally.bookings == 0 {
                of_event.remove(person);
            }
        }
    }

    /// Cancels a confirmed booking; `None` when it is not.
    fn cancel(&mut self, id: &BookingId) -> Option<Booking> {
        let booking = self
            .by_id
            .get_mut(id)
            .filter(|booking| is_confirmed(&booking.state))?;
        booking.state = BookingState::Cancelled;
        booking.version = booking.version.next();
        Self::untally(&mut self.people, booking);
        Some(booking.clone())
    }

    /// Takes the person out of all bookings of `user`.
    pub(super) fn forget_user(&mut self, user: &UserId) {
        for at in self.by_user.remove(user).into_iter().flatten() {
            if let Some(booking) = self.by_id.get_mut(&at.id) {
                if is_confirmed(&booking.state) {
                    Self::untally(&mut self.people, booking);
                }
                booking.forget_person();
            }
        }
    }

    /// The seats of all confirmed bookings of an event.
    pub(super) fn confirmed(&self, event: &EventId) -> i64 {
        let all = self.by_event.get(event).into_iter().flatten();
        all.filter_map(|at| self.by_id.get(&at.id))
            .filter(|booking| is_confirmed(&booking.state))
            .map(|booking| i64::from(booking.seats.get()))
            .sum()
    }

    pub(super) fn list(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> PageOf<Booking, BookingCursor> {
        let all = match &filter.owner {
            BookingOwner::Event(event) => self.by_event.get(event),
            BookingOwner::User(user) => self.by_user.get(user),
        };
        let wanted = filter.text.as_deref().map(str::to_lowercase);
        let upper = after.map_or(Bound::Unbounded, Bound::Excluded);
        let items = all
            .into_iter()
            .flat_map(|set| set.range((Bound::Unbounded, upper)).rev())
            .skip_while(|at| filter.to.is_some_and(|to| at.date > to))
            .take_while(|at| filter.from.unwrap_or(UnixSeconds::EPOCH) <= at.date)
            .filter_map(|at| self.by_id.get(&at.id))
            .filter(|booking| filter.state.as_ref().is_none_or(|state| *state == booking.state))
            .filter(|booking| wanted.as_deref().is_none_or(|text| mentions(booking, text)))
            .take(limit.saturating_add(1))
            .cloned()
            .collect();
        PageOf::from_surplus(items, limit, position)
    }
}

fn mentions(booking: &Booking, lower_case: &str) -> bool {
    [&booking.name, &booking.email]
        .into_iter()
        .flatten()
        .any(|text| text.as_str().to_lowercase().contains(lower_case))
}

impl State {
    /// Decides a batch in order. A second wish with an id of the batch finds the first one stored, or is decided on
    /// its own when that was refused.
    pub(super) fn book(
        &mut self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
        scope: Scope,
    ) -> Vec<Result<Committed<Outcome>>> {
        requests
            .iter()
            .map(|request| self.book_one(event, request, options, scope))
            .collect()
    }

    fn book_one(
        &mut self,
        event: &EventId,
        request: &BookingRequest,
        options: BookOptions,
        scope: Scope,
    ) -> Result<Committed<Outcome>> {
        let wanted = &request.booking;
        if wanted.event != *event {
            return Err(Error::invalid("the booking is for another event than its batch"));
        }
        check_deadline("book", request.deadline)?;
        if let Some(stored) = self.bookings.get(&wanted.id) {
            return Ok(Committed::quiet(counter::replay(stored, wanted)));
        }
        if counter::is_stale(self.counters.get(event), options) {
            return Err(counter::stale_copy());
        }
        let tally = self.bookings.tally(event, wanted.person.as_ref());
        let seats = wanted.seats.get();
        if let Err(refusal) = counter::take(
            self.counters.get_mut(event),
            seats,
            request.limits,
            tally,
            options,
        ) {
            return Ok(Committed::quiet(refusal));
        }
        let mut booking = wanted.clone();
        if booking
            .user
            .as_ref()
            .is_some_and(|user| self.removed_users.contains(user))
        {
            booking.forget_person();
        }
        self.bookings.insert(booking.clone());
        let leased = self.rows.append(std::slice::from_ref(&request.message), scope);
        Ok(Committed {
            value: Outcome::Booked(booking),
            leased,
        })
    }

    pub(super) fn cancel_booking(
        &mut self,
        request: &CancelRequest,
        scope: Scope,
    ) -> Result<Committed<CancelOutcome>> {
        check_deadline("cancel booking", request.deadline)?;
        let Some(stored) = self
            .bookings
            .get(&request.booking)
            .filter(|stored| stored.event == request.event)
        else {
            return Ok(Committed::quiet(CancelOutcome::Unknown));
        };
        let before = stored.clone();
        let Some(cancelled) = self.bookings.cancel(&request.booking) else {
            return Ok(Committed::quiet(CancelOutcome::Already(before)));
        };
        if let Some(counter) = self.counters.get_mut(&request.event) {
            counter.give_back(cancelled.seats.get());
        }
        self.audit.append(request.audit.as_ref());
        let leased = self.rows.append(std::slice::from_ref(&request.message), scope);
        Ok(Committed {
            value: CancelOutcome::Cancelled(cancelled),
            leased,
        })
    }
}

fn check_deadline(operation: &'static str, deadline: Instant) -> Result<()> {
    if Instant::now() > deadline {
        return Err(Error::new(
            ErrorKind::Overloaded,
            operation,
            "the time of the request was over before it was its turn",
        ));
    }
    Ok(())
}
