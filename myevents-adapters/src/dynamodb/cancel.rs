//! Cancelling a booking: one transaction of the booking, the counter, what its person has, and the message.

use myevents_core::Result;
use myevents_core::counter::is_confirmed;
use myevents_core::crash;
use myevents_core::domain::{BookingState, EventId};
use myevents_core::ports::{CancelOutcome, CancelRequest, Committed};
use myevents_core::{Error, ErrorKind};
use tokio::time::Instant;

use super::codec::{booking_from_item, counter_from_item, key, place, rev};
use super::expression::Expression;
use super::gate::Turn;
use super::holders;
use super::inventory::{Twin, give_back};
use super::item::{Item, bytes, number, text};
use super::names::*;
use super::store::{Shared, too_busy};
use super::transact::{Reason, Verdict, transact};

/// How often a cancel begins anew because something changed under it.
const MOST_TRIES: u32 = 30;

/// What is taken for granted of the records beside the booking until a reason says otherwise.
#[derive(Debug, Clone, Copy)]
struct Beside {
    twin: Twin,
    holder: bool,
}

impl Shared {
    /// Cancels a confirmed booking once.
    pub(super) async fn cancel(&self, request: CancelRequest) -> Result<Committed<CancelOutcome>> {
        let mut turn = self.gates.turn(&request.event).await;
        let mut beside = Beside {
            twin: (*turn)
                .as_ref()
                .map_or(Twin::Known, |counter| Twin::of(Some(counter))),
            holder: true,
        };
        let deadline = request.deadline.min(self.end_of_patience());
        for _ in 0..MOST_TRIES {
            if Instant::now() > request.deadline {
                return Err(Error::new(
                    ErrorKind::Overloaded,
                    "cancel booking",
                    "its time had run out before it was its turn",
                ));
            }
            let found = self
                .clients
                .get(
                    "find booking",
                    &self.tables.bookings,
                    key(request.booking.as_bytes()),
                )
                .await?;
            let Some(item) = found else {
                return Ok(Committed::quiet(CancelOutcome::Unknown));
            };
            let booking = booking_from_item(&item)?;
            if booking.event != request.event {
                return Ok(Committed::quiet(CancelOutcome::Unknown));
            }
            if !is_confirmed(&booking.state) {
                return Ok(Committed::quiet(CancelOutcome::Already(booking)));
            }
            if let Some(done) = self
                .try_cancel(&request, &item, &mut beside, &mut turn, deadline)
                .await?
            {
                return Ok(done);
            }
        }
        Err(too_busy("cancel booking"))
    }

    /// One try; none when something is not as it was taken for.
    async fn try_cancel(
        &self,
        request: &CancelRequest,
        item: &Item,
        beside: &mut Beside,
        turn: &mut Turn,
        deadline: Instant,
    ) -> Result<Option<Committed<CancelOutcome>>> {
        let mut booking = booking_from_item(item)?;
        let last = place(item)?;
        let entity = request.message.key();
        let earlier = self.earlier(last, entity).await?;
        let messages = std::slice::from_ref(&request.message);
        let posted = self.post("cancel booking", messages, entity, last, earlier)?;

        booking.state = BookingState::Cancelled;
        booking.version = booking.version.next();
        let mut change = Expression::new()
            .set(STATE, text(booking.state.as_str()))
            .set(VERSION, number(booking.version.0))
            .add(REV, 1)
            .when_is(REV, rev(item)?);
        if let Some(place) = posted.last {
            change = change.set(OUTBOX, bytes(&place.to_bytes()));
        }
        let seats = i64::from(booking.seats.get());
        let mut actions = vec![
            change.update(&self.tables.bookings, key(booking.id.as_bytes()))?,
            give_back(&self.tables.inventory, &request.event, seats, beside.twin)?,
        ];
        let holder = booking.person.as_ref().filter(|_| beside.holder);
        if let Some(person) = holder {
            let action = holders::give_back(&self.tables.state, &request.event, person, seats)?;
            actions.push(action);
        }
        let holder_at = holder.map(|_| 2);
        actions.extend(posted.actions);
        actions.extend(self.audit_actions(request.audit.as_ref())?);

        crash::point("dynamodb.before-commit").await;
        let verdict = transact(&self.clients, "cancel booking", actions, deadline).await?;
        crash::point("dynamodb.after-commit").await;
        match verdict {
            Verdict::Applied => {
                if let Some(counter) = turn.as_mut() {
                    counter.give_back(booking.seats.get());
                }
                self.note_held(&posted.leased);
                Ok(Some(Committed {
                    value: CancelOutcome::Cancelled(booking),
                    leased: posted.leased,
                }))
            }
            Verdict::Refused(error) => Err(error),
            Verdict::Cancelled(reasons) => {
                for (position, reason) in reasons.into_iter().enumerate() {
                    match reason {
                        Reason::Invalid(error) => return Err(error),
                        Reason::Condition(old) if position == 1 => {
                            let seen = old.as_ref().map(counter_from_item).transpose()?;
                            beside.twin = Twin::of(seen.as_ref());
                            **turn = seen;
                        }
                        Reason::Condition(_) if Some(position) == holder_at => beside.holder = false,
                        Reason::Condition(_) | Reason::None => {}
                    }
                }
                Ok(None)
            }
        }
    }

    /// Takes the person out of one booking of theirs, if it is still theirs; answers whether that was done here.
    pub(super) async fn strip_booking(
        &self,
        user: &myevents_core::domain::UserId,
        booking: &myevents_core::domain::BookingId,
    ) -> Result<bool> {
        let mut holder_there = true;
        let mut counter_there = true;
        for _ in 0..MOST_TRIES {
            let found = self
                .clients
                .get("remove user", &self.tables.bookings, key(booking.as_bytes()))
                .await?;
            let Some(item) = found else { return Ok(false) };
            let stored = booking_from_item(&item)?;
            if stored.user.as_ref() != Some(user) {
                return Ok(false);
            }
            let mut change = Expression::new().add(REV, 1).when_is(REV, rev(&item)?);
            for attribute in super::codec::PERSONAL {
                change = change.remove(attribute);
            }
            let mut actions = vec![change.update(&self.tables.bookings, key(booking.as_bytes()))?];
            if is_confirmed(&stored.state)
                && holder_there
                && let Some(person) = &stored.person
            {
                let seats = i64::from(stored.seats.get());
                actions.push(holders::give_back(
                    &self.tables.state,
                    &stored.event,
                    person,
                    seats,
                )?);
                if counter_there {
                    // The person may book more from now on, so a commit that was refused by the limit must not apply late.
                    actions.push(self.raise_epoch(&stored.event)?);
                }
            }
            let verdict = transact(&self.clients, "remove user", actions, self.end_of_patience()).await?;
            match verdict {
                Verdict::Applied => return Ok(true),
                Verdict::Refused(error) => return Err(error),
                Verdict::Cancelled(reasons) => {
                    for (position, reason) in reasons.into_iter().enumerate() {
                        match (position, reason) {
                            (_, Reason::Invalid(error)) => return Err(error),
                            (1, Reason::Condition(_)) => holder_there = false,
                            (2, Reason::Condition(_)) => counter_there = false,
                            _ => {}
                        }
                    }
                }
            }
        }
        Err(too_busy("remove user"))
    }

    fn raise_epoch(&self, event: &EventId) -> Result<aws_sdk_dynamodb::types::TransactWriteItem> {
        Expression::new()
            .add(EPOCH, 1)
            .add(REV, 1)
            .when_present(ID)
            .update(&self.tables.inventory, key(event.as_bytes()))
    }
}
