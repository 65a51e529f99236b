//! Cancelling: an intent on the counter's list, then the booking, then the seats. Never the booking first and the counter
//! after: between the two nobody would know that seats are owed.

use mongodb::bson::{Document, doc};
use myevents_core::counter::is_confirmed;
use myevents_core::crash;
use myevents_core::domain::{BookingId, BookingState};
use myevents_core::ports::{CancelOutcome, CancelRequest, Committed};
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};

use super::audit;
use super::bookings::booking_of;
use super::codec::{Fields, booking_id, event_id};
use super::counters::{self, cancel_entry};
use super::desks::Desk;
use super::messages::{Kind, Lease, NewMessage, token_text};
use super::patience::Patience;
use super::store::Inner;

type Cancelled = Committed<CancelOutcome>;

/// The change of a booking that is still confirmed.
pub(super) fn change(
    booking: &BookingId,
    token: &str,
    message: Document,
    audit: Option<&Document>,
) -> (Document, Document) {
    let filter = doc! { "_id": booking_id(booking), "state": BookingState::Confirmed.as_str() };
    let mut update = doc! {
        "$set": { "state": BookingState::Cancelled.as_str(), "canceltoken": token },
        "$inc": { "version": 1_i64 },
        "$push": { "outbox": message },
    };
    audit::push(&mut update, audit);
    (filter, update)
}

fn too_late() -> Error {
    Error::new(
        ErrorKind::Overloaded,
        "cancel booking",
        "its time had run out before it was its turn",
    )
}

impl Inner {
    pub(super) async fn cancel(&self, request: CancelRequest) -> Result<Cancelled> {
        let desk = self.desks.of(&request.event);
        if Instant::now() > request.deadline {
            return Err(too_late());
        }
        let turn = timeout_at(request.deadline, desk.cancels.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(too_late());
        };
        let mut patience = Patience::new(&self.config);
        // Once an intent may be on the list, the outcome of a failure is not known.
        let mut sent = Vec::new();
        loop {
            if Instant::now() > request.deadline {
                return Err(if sent.is_empty() { too_late() } else { unknown() });
            }
            match self.try_cancel(&desk, &request, &mut sent).await {
                Ok(Some(cancelled)) => return Ok(cancelled),
                Ok(None) => patience.pause().await,
                Err(error) if !sent.is_empty() && error.is_retryable() => {
                    if !patience.another_try(request.deadline).await {
                        return Err(unknown().caused_by(error));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One try; none = look again. `sent` holds the tokens of this call that may be on the list.
    async fn try_cancel(
        &self,
        desk: &Desk,
        request: &CancelRequest,
        sent: &mut Vec<String>,
    ) -> Result<Option<Cancelled>> {
        let link = &self.link;
        let filter = doc! { "_id": booking_id(&request.booking) };
        let found = link.find_one(
            "cancel booking",
            &link.bookings,
            filter,
            Some(doc! { "outbox.body": 0 }),
        );
        let Some(found) = found.await? else {
            // It may be committed and not yet inserted.
            return self.unless_pending(desk, request).await;
        };
        let booking = booking_of(Fields(&found))?;
        if booking.event != request.event {
            return Ok(Some(Committed::quiet(CancelOutcome::Unknown)));
        }
        if !is_confirmed(&booking.state) {
            // Whoever cancelled it may have gone away before its seats came back.
            let token = Fields(&found).str("canceltoken")?.map(str::to_owned);
            self.finish(desk, request, token.as_deref()).await?;
            let by_this_call = token.is_some_and(|token| sent.contains(&token));
            return Ok(Some(Committed::quiet(if by_this_call {
                CancelOutcome::Cancelled(booking)
            } else {
                CancelOutcome::Already(booking)
            })));
        }
        let now = self.now();
        let message = NewMessage::new(request.message.clone(), &self.instance, now);
        let token = token_text(self.instance.new_token());
        let seats = i64::from(booking.seats.get());
        if Instant::now() > request.deadline {
            return Ok(None);
        }
        if !self
            .push_intent(desk, request, &token, seats, &message, sent)
            .await?
        {
            return Ok(None);
        }
        crash::point("mongodb.after-intent").await;
        let lease = self.instance.new_lease(now);
        let line = request.audit.as_ref().map(audit::element);
        let changed = self
            .change_booking(&request.booking, &token, &message, lease, line.as_ref())
            .await?;
        if changed.is_some() {
            self.move_later(&link.bookings, request.booking.as_bytes(), line);
        }
        crash::point("mongodb.before-settling-cancel").await;
        match changed {
            Some(_) => self.settle(desk, &request.event, &token, seats).await?,
            None => {
                self.settle_cancel(desk, &request.event, &token, &request.booking, seats)
                    .await?
            }
        }
        Ok(changed.map(|(booking, lease)| {
            let row = lease.map(|lease| message.row(Kind::Bookings, request.booking.as_bytes(), lease));
            Committed {
                value: CancelOutcome::Cancelled(booking),
                leased: row.into_iter().collect(),
            }
        }))
    }

    /// Puts the intent on the counter's list; answers `false` when it is to be tried again. An event without counter owes
    /// no seats to anybody: its booking is cancelled without an intent.
    async fn push_intent(
        &self,
        desk: &Desk,
        request: &CancelRequest,
        token: &str,
        seats: i64,
        message: &NewMessage,
        sent: &mut Vec<String>,
    ) -> Result<bool> {
        let link = &self.link;
        let entry = cancel_entry(
            token,
            self.now().0,
            &request.booking,
            seats,
            message.document(None),
            request.audit.as_ref().map(audit::element).as_ref(),
        );
        let mut filter = doc! { "_id": event_id(&request.event) };
        counters::has_room(&mut filter);
        let pushed = link.update(
            "cancel booking",
            &link.inventory,
            filter,
            doc! { "$push": { "pending": entry } },
        );
        match pushed.await {
            Ok(true) => {
                sent.push(token.to_owned());
                return Ok(true);
            }
            Ok(false) => {}
            Err(error) => {
                if error.kind() == ErrorKind::OutcomeUnknown {
                    sent.push(token.to_owned());
                }
                return Err(error);
            }
        }
        self.clear(desk, &request.event).await?;
        let Some(seen) = self.look(&request.event, &[]).await?.seen else {
            sent.push(token.to_owned());
            return Ok(true);
        };
        for entry in &seen.pending {
            self.roll_forward(desk, &request.event, entry).await?;
        }
        Ok(false)
    }

    /// Cancels the booking if it is still confirmed, with its message: born leased if nothing of the booking waits.
    async fn change_booking(
        &self,
        booking: &BookingId,
        token: &str,
        message: &NewMessage,
        lease: Option<Lease>,
        line: Option<&Document>,
    ) -> Result<Option<(myevents_core::domain::Booking, Option<Lease>)>> {
        let link = &self.link;
        let shown = || Some(doc! { "outbox": 0 });
        if let Some(lease) = lease {
            let (mut filter, update) = change(booking, token, message.document(Some(lease)), line);
            filter.insert("outbox.until", doc! { "$exists": false });
            let changed = link
                .change("cancel booking", &link.bookings, filter, update, shown())
                .await?;
            if let Some(changed) = changed {
                return Ok(Some((booking_of(Fields(&changed))?, Some(lease))));
            }
        }
        let (filter, update) = change(booking, token, message.document(None), line);
        let changed = link
            .change("cancel booking", &link.bookings, filter, update, shown())
            .await?;
        changed
            .map(|changed| Ok((booking_of(Fields(&changed))?, None)))
            .transpose()
    }

    /// Rolls forward what the counter's list holds of a booking that is not stored; none = look again.
    async fn unless_pending(&self, desk: &Desk, request: &CancelRequest) -> Result<Option<Cancelled>> {
        let wanted = std::slice::from_ref(&request.booking);
        let look = self.look(&request.event, wanted).await?;
        if !look.stored.is_empty() {
            return Ok(None);
        }
        let pending = look.seen.map(|seen| seen.pending).unwrap_or_default();
        if let Some(entry) = pending.iter().find(|entry| entry.holds(&request.booking)) {
            self.roll_forward(desk, &request.event, entry).await?;
            return Ok(None);
        }
        Ok(Some(Committed::quiet(CancelOutcome::Unknown)))
    }

    /// Settles the intent under which a booking was cancelled, if it is still on the list.
    async fn finish(&self, desk: &Desk, request: &CancelRequest, token: Option<&str>) -> Result<()> {
        let Some(token) = token else { return Ok(()) };
        let link = &self.link;
        let filter = doc! { "_id": event_id(&request.event), "pending.token": token };
        let Some(found) = link
            .find_one("cancel booking", &link.inventory, filter, None)
            .await?
        else {
            return Ok(());
        };
        for entry in counters::entries_of(Fields(&found))? {
            if entry.token == token {
                self.roll_forward(desk, &request.event, &entry).await?;
            }
        }
        Ok(())
    }
}

fn unknown() -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "cancel booking",
        "the database did not answer in time; repeat the request with the same id",
    )
}
