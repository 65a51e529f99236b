//! Carrying out what is committed: by whoever committed it, or by anybody who finds it, any number of times.
//!
//! Bookings are inserted with the token of their entry as `attempt`. A duplicate id tells by the stored `attempt` whether
//! the entry was carried out before (mine) or another try was first (lost). Only when every id of the entry has a stored
//! booking the entry is taken off the list, and the seats of the lost ones go back with it. A booking is never deleted and
//! its `attempt` never changes, so everybody who settles an entry comes to the same seats.

use std::collections::HashMap;
use std::time::Duration;

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::FindOptions;
use myevents_core::domain::{BookingId, EventId, UserId};
use myevents_core::{Error, ErrorKind, Result};

use super::bookings::person_fields;
use super::codec::{Fields, booking_id, id};
use super::counters::{Act, Entry};
use super::desks::Desk;
use super::store::Inner;

/// How often an insert that met its own duplicates is tried until the majority has them.
const UNTIL_CONFIRMED: u32 = 20;

/// What became of a booking of an entry.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is stored under the entry's token.
    Mine,
    /// Another try stored the id: this is what it stored.
    Lost(RawDocumentBuf),
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rolled {
    /// It is carried out and off the list.
    Settled,
    /// The database refuses its bookings for good: it stays, and holds its seats.
    Stuck,
}

impl Inner {
    /// Carries an entry out and takes it off the list.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`: it stays on the list as far as is known; repeat.
    pub(super) async fn roll_forward(&self, desk: &Desk, event: &EventId, entry: &Entry) -> Result<Rolled> {
        let carried_out = match &entry.act {
            Act::Book(bookings) => self.roll_bookings(desk, event, &entry.token, bookings).await,
            Act::Cancel {
                booking,
                seats,
                message,
                audit,
            } => {
                let change = super::cancel::change(booking, &entry.token, message.clone(), audit.as_ref());
                match self.cancel_by(change).await {
                    Ok(cancelled) => {
                        let line = audit.clone().filter(|_| cancelled);
                        self.move_later(&self.link.bookings, booking.as_bytes(), line);
                        self.settle_cancel(desk, event, &entry.token, booking, *seats)
                            .await
                    }
                    Err(error) => Err(error),
                }
            }
            Act::Unknown => return Ok(Rolled::Stuck),
        };
        match carried_out {
            Ok(()) => Ok(Rolled::Settled),
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                tracing::error!(%event, %error, "what is committed can't be stored; it keeps its seats until it can");
                Ok(Rolled::Stuck)
            }
        }
    }

    async fn roll_bookings(
        &self,
        desk: &Desk,
        event: &EventId,
        token: &str,
        bookings: &[RawDocumentBuf],
    ) -> Result<()> {
        let fates = self.insert_entry(token, bookings).await?;
        self.forget_removed(bookings).await?;
        self.settle(desk, event, token, lost_seats(bookings, &fates)?)
            .await
    }

    /// Inserts the bookings of an entry until each id has a stored booking, confirmed by the majority.
    pub(super) async fn insert_entry(&self, token: &str, bookings: &[RawDocumentBuf]) -> Result<Vec<Fate>> {
        let mut fates: Vec<Option<Fate>> = bookings.iter().map(|_| None).collect();
        for round in 0..UNTIL_CONFIRMED {
            let open: Vec<usize> = (0..bookings.len()).filter(|at| fates[*at].is_none()).collect();
            let documents = open.iter().map(|at| bookings[*at].clone()).collect();
            let link = &self.link;
            let inserted = link
                .insert_unordered("insert bookings", &link.bookings, documents)
                .await?;
            let duplicates: Vec<usize> = inserted
                .duplicates
                .iter()
                .filter_map(|at| open.get(*at))
                .copied()
                .collect();
            for at in open {
                if !duplicates.contains(&at) {
                    fates[at] = Some(Fate::Mine);
                }
            }
            if duplicates.is_empty() {
                break;
            }
            let stored = self.stored(bookings, &duplicates).await?;
            for at in &duplicates {
                let wanted = Fields(&bookings[*at]).booking_id("_id")?;
                if let Some(found) = stored.get(&wanted) {
                    let mine = Fields(found).str("attempt")? == Some(token);
                    fates[*at] = Some(if mine {
                        Fate::Mine
                    } else {
                        Fate::Lost(found.clone())
                    });
                }
            }
            if fates.iter().all(Option::is_some) {
                break;
            }
            // The id is taken on the primary, and the majority has not confirmed by whom: it may yet be rolled back.
            tokio::time::sleep(Duration::from_millis(5 * u64::from(round + 1))).await;
        }
        let fates: Option<Vec<Fate>> = fates.into_iter().collect();
        fates.ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "insert bookings",
                "the majority of the database's servers has not confirmed a booking yet",
            )
        })
    }

    async fn stored(
        &self,
        bookings: &[RawDocumentBuf],
        places: &[usize],
    ) -> Result<HashMap<BookingId, RawDocumentBuf>> {
        let ids = places.iter().map(|at| Fields(&bookings[*at]).booking_id("_id"));
        let ids: Vec<BookingId> = ids.collect::<Result<_>>()?;
        self.find_bookings(&ids).await
    }

    /// Bookings by id, as the majority has them.
    pub(super) async fn find_bookings(
        &self,
        ids: &[BookingId],
    ) -> Result<HashMap<BookingId, RawDocumentBuf>> {
        let link = &self.link;
        let filter = doc! { "_id": { "$in": ids.iter().map(booking_id).collect::<Vec<_>>() } };
        let found = link
            .find(
                "look up bookings",
                &link.bookings,
                filter,
                FindOptions::default(),
                usize::MAX,
                |document| Ok(Some((Fields(document).booking_id("_id")?, document.to_owned()))),
            )
            .await?;
        Ok(found.into_iter().collect())
    }

    /// Takes a removed person out of bookings that were just inserted; answers which. A removal marks the person first and
    /// looks for bookings after that, an insert looks for the mark after it: one of the two sees the other.
    pub(super) async fn forget_removed(&self, bookings: &[RawDocumentBuf]) -> Result<Vec<BookingId>> {
        let mut of_users: Vec<(UserId, BookingId)> = Vec::new();
        for booking in bookings {
            if let Some(user) = Fields(booking).user_id("userid")? {
                of_users.push((user, Fields(booking).booking_id("_id")?));
            }
        }
        if of_users.is_empty() {
            return Ok(Vec::new());
        }
        let users: Vec<Bson> = of_users.iter().map(|(user, _)| id(user.as_bytes())).collect();
        let filter = doc! { "_id": { "$in": users }, "removed": true };
        let mut options = FindOptions::default();
        options.projection = Some(doc! { "_id": 1 });
        let link = &self.link;
        let removed = link
            .find(
                "look for removed people",
                &link.users,
                filter,
                options,
                usize::MAX,
                |document| Fields(document).user_id("_id"),
            )
            .await?;
        if removed.is_empty() {
            return Ok(Vec::new());
        }
        let theirs: Vec<BookingId> = of_users
            .into_iter()
            .filter(|(user, _)| removed.contains(user))
            .map(|(_, booking)| booking)
            .collect();
        // An id that lost against another try names a stored booking that may be somebody else's.
        let users: Vec<Bson> = removed.iter().map(|user| id(user.as_bytes())).collect();
        let ids: Vec<Bson> = theirs.iter().map(booking_id).collect();
        let filter = doc! { "_id": { "$in": ids }, "userid": { "$in": users } };
        let update = doc! { "$unset": person_fields() };
        link.update_all(
            "forget a removed person",
            &link.bookings,
            filter,
            update,
            Vec::new(),
        )
        .await?;
        Ok(theirs)
    }

    /// Cancels a booking whose intent is on the list, for whoever left it: its message is free. Answers whether it was still
    /// confirmed.
    async fn cancel_by(&self, (filter, update): (Document, Document)) -> Result<bool> {
        let link = &self.link;
        let shown = Some(doc! { "_id": 1 });
        let changed = link.change("cancel booking", &link.bookings, filter, update, shown);
        Ok(changed.await?.is_some())
    }

    /// Takes an intent off the list: with its seats if the booking was cancelled under its token, else with nothing.
    pub(super) async fn settle_cancel(
        &self,
        desk: &Desk,
        event: &EventId,
        token: &str,
        booking: &BookingId,
        seats: i64,
    ) -> Result<()> {
        let link = &self.link;
        let filter = doc! { "_id": booking_id(booking) };
        let shown = doc! { "canceltoken": 1, "state": 1 };
        let found = link
            .find_one("cancel booking", &link.bookings, filter, Some(shown))
            .await?;
        let by_this = match &found {
            Some(found) => Fields(found).str("canceltoken")? == Some(token),
            None => false,
        };
        self.settle(desk, event, token, if by_this { seats } else { 0 })
            .await
    }
}

/// The seats of an entry whose bookings another try stored.
pub(super) fn lost_seats(bookings: &[RawDocumentBuf], fates: &[Fate]) -> Result<i64> {
    let mut seats = 0;
    for (booking, fate) in bookings.iter().zip(fates) {
        if matches!(fate, Fate::Lost(_)) {
            seats += Fields(booking).need_int("seats")?;
        }
    }
    Ok(seats)
}
