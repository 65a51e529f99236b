//! Limits per person: a record for each event and person with what they hold, so that a limit is kept without a look at
//! all bookings.
//!
//! ```text
//! { _id: derived from event and person, eventid, version, rev, entries: [ { booking, seats, token } ] }
//! ```
//!
//! A wish reserves here before its commit. The list may hold more than is booked, never less: what is no confirmed booking
//! any more is found out, and taken out, before anybody is refused. A reservation whose booking nobody finds is taken out
//! only after the event's epoch was raised, so that no commit that relied on it can apply. The record is of one version of
//! the event: with another it is made anew from the bookings, as the event may have had no limits before. It changes by
//! compare-and-set on `rev`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use mongodb::bson::{Bson, RawDocumentBuf, doc};
use mongodb::options::FindOptions;
use myevents_core::Result;
use myevents_core::counter::Tally;
use myevents_core::domain::{BookingId, BookingState, EventId, PersonLimits};

use super::codec::{Fields, booking_id, event_id, id};
use super::error::malformed;
use super::store::Inner;

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// 0 = it is not stored yet.
    pub(super) rev: i64,
    /// The version of the event it is complete for.
    pub(super) version: i64,
    pub(super) entries: Vec<Held>,
}

/// A booking or a reservation for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) booking: BookingId,
    pub(super) seats: u32,
    /// The try that made or renewed it last.
    pub(super) token: String,
}

/// What a record says to a wish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is room, and this is the record with the reservation.
    New(Holder),
    /// The wish has a reservation: this is the record with it renewed, and the token it had.
    Renewed(Holder, String),
    /// There is none.
    Full,
}

impl Holder {
    /// What the person has beside `booking`, reservations included.
    fn tally_without(&self, booking: &BookingId) -> Tally {
        let mut tally = Tally::default();
        for held in self.entries.iter().filter(|held| held.booking != *booking) {
            tally.seats += u64::from(held.seats);
            tally.bookings += 1;
        }
        tally
    }

    /// Room for `seats` of `booking`. The same id with other seats is another wish, of which one at most will be booked:
    /// until it is known which, there is no room.
    pub(super) fn room(&self, booking: &BookingId, seats: u32, token: &str, limits: PersonLimits) -> Room {
        let mut with = self.clone();
        if let Some(held) = with.entries.iter_mut().find(|held| held.booking == *booking) {
            if held.seats != seats {
                return Room::Full;
            }
            let before = std::mem::replace(&mut held.token, token.to_owned());
            // The limit may have been another when it was made.
            let within = self.tally_without(booking).allows(seats, limits);
            return if within {
                Room::Renewed(with, before)
            } else {
                Room::Full
            };
        }
        if !self.tally_without(booking).allows(seats, limits) {
            return Room::Full;
        }
        with.entries.push(Held {
            booking: booking.clone(),
            seats,
            token: token.to_owned(),
        });
        Room::New(with)
    }
}

/// What is known of the entries of a full record.
#[derive(Debug, Default)]
pub(super) struct Verified {
    /// Confirmed bookings of this person, and reservations of this very batch.
    pub(super) kept: Vec<Held>,
    /// Reservations whose booking is not stored.
    pub(super) open: Vec<Held>,
    /// Whether something was found that does not count.
    pub(super) surplus: bool,
    /// Whether reservations of this batch are among what is kept.
    pub(super) own: bool,
}

/// Sorts the entries of a record by what is stored of their bookings.
pub(super) fn verify(
    record: &Holder,
    holder: [u8; 12],
    stored: &HashMap<BookingId, RawDocumentBuf>,
    own: &HashSet<BookingId>,
) -> Result<Verified> {
    let mut verified = Verified::default();
    for held in &record.entries {
        match stored.get(&held.booking) {
            Some(booking) => {
                let booking = Fields(booking);
                let counts = booking.need_str("state")? == BookingState::Confirmed.as_str()
                    && booking.id("holder")?.is_some_and(|of| of.as_slice() == holder)
                    && booking.need_int("seats")? == i64::from(held.seats);
                if counts {
                    verified.kept.push(held.clone());
                } else {
                    verified.surplus = true;
                }
            }
            None if own.contains(&held.booking) => {
                verified.own = true;
                verified.kept.push(held.clone());
            }
            None => verified.open.push(held.clone()),
        }
    }
    Ok(verified)
}

impl Inner {
    pub(super) async fn load_holder(&self, holder: [u8; 12]) -> Result<Option<Holder>> {
        let link = &self.link;
        let found = link
            .find_one("read limits", &link.holders, doc! { "_id": id(&holder) }, None)
            .await?;
        found.map(|document| holder_of(Fields(&document))).transpose()
    }

    /// Stores a record if it is still at the `rev` it was read at; answers whether it was.
    pub(super) async fn store_holder(
        &self,
        event: &EventId,
        holder: [u8; 12],
        record: &Holder,
    ) -> Result<bool> {
        let entries = record.entries.iter().map(|held| {
            Bson::Document(doc! {
                "booking": booking_id(&held.booking), "seats": i64::from(held.seats), "token": held.token.as_str(),
            })
        });
        let entries: Vec<Bson> = entries.collect();
        let link = &self.link;
        if record.rev == 0 {
            let document = doc! {
                "_id": id(&holder), "eventid": event_id(event), "rev": 1_i64, "version": record.version, "entries": entries,
            };
            return link.insert("keep limits", &link.holders, document).await;
        }
        let filter = doc! { "_id": id(&holder), "rev": record.rev };
        let update =
            doc! { "$set": { "rev": record.rev + 1, "version": record.version, "entries": entries } };
        link.update("keep limits", &link.holders, filter, update).await
    }

    /// The record as the bookings say: for a version of the event that it was not made for.
    pub(super) async fn count_holder(&self, holder: [u8; 12], version: i64, rev: i64) -> Result<Holder> {
        let link = &self.link;
        let filter = doc! { "holder": id(&holder), "state": BookingState::Confirmed.as_str() };
        let mut options = FindOptions::default();
        options.projection = Some(doc! { "seats": 1, "attempt": 1 });
        let entries = link
            .find(
                "count a person's seats",
                &link.bookings,
                filter,
                options,
                usize::MAX,
                |document| {
                    let booking = Fields(document);
                    Ok(Some(Held {
                        booking: booking.booking_id("_id")?,
                        seats: booking.small("seats")?.unwrap_or(0),
                        token: booking.str("attempt")?.unwrap_or_default().to_owned(),
                    }))
                },
            )
            .await?;
        Ok(Holder {
            rev,
            version,
            entries,
        })
    }

    /// Takes a reservation out that was made by `token` and renewed by nobody since: nobody else relies on it.
    pub(super) async fn release_hold(
        &self,
        event: &EventId,
        holder: [u8; 12],
        booking: &BookingId,
        token: &str,
    ) -> Result<()> {
        const TRIES: u32 = 5;
        for round in 0..TRIES {
            let Some(mut record) = self.load_holder(holder).await? else {
                return Ok(());
            };
            let before = record.entries.len();
            record
                .entries
                .retain(|held| held.booking != *booking || held.token != token);
            if record.entries.len() == before || self.store_holder(event, holder, &record).await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5 * u64::from(round + 1))).await;
        }
        Ok(())
    }
}

fn holder_of(fields: Fields<'_>) -> Result<Holder> {
    let mut entries = Vec::new();
    for held in fields.documents("entries")? {
        entries.push(Held {
            booking: held.booking_id("booking")?,
            seats: held
                .small("seats")?
                .ok_or_else(|| malformed("a reservation has no seats"))?,
            token: held.need_str("token")?.to_owned(),
        });
    }
    Ok(Holder {
        rev: fields.need_int("rev")?,
        version: fields.need_int("version")?,
        entries,
    })
}

#[cfg(test)]
mod tests {
    use mongodb::bson::Document;

    use super::*;

    const HOLDER: [u8; 12] = [9; 12];

    fn booking(number: u8) -> BookingId {
        BookingId::from([number; 12])
    }

    fn held(number: u8, seats: u32) -> Held {
        Held {
            booking: booking(number),
            seats,
            token: "old".into(),
        }
    }

    fn record(entries: Vec<Held>) -> Holder {
        Holder {
            rev: 1,
            version: 1,
            entries,
        }
    }

    const LIMITS: PersonLimits = PersonLimits {
        seats: Some(5),
        bookings: Some(3),
    };

    #[test]
    fn there_is_room_up_to_the_limits_and_not_beyond() {
        let two = record(vec![held(1, 2), held(2, 1)]);
        assert!(
            matches!(two.room(&booking(3), 2, "new", LIMITS), Room::New(with) if with.entries.len() == 3)
        );
        assert_eq!(two.room(&booking(3), 3, "new", LIMITS), Room::Full);
        let three = record(vec![held(1, 1), held(2, 1), held(3, 1)]);
        assert_eq!(three.room(&booking(4), 1, "new", LIMITS), Room::Full);
    }

    #[test]
    fn a_wish_with_a_reservation_renews_it_only_for_the_same_seats() {
        let full = record(vec![held(1, 5)]);
        let Room::Renewed(with, before) = full.room(&booking(1), 5, "new", LIMITS) else {
            panic!("its own reservation stood in its way");
        };
        assert_eq!((with.entries[0].token.as_str(), before.as_str()), ("new", "old"));
        assert_eq!(full.room(&booking(1), 1, "new", LIMITS), Room::Full);
        let lowered = PersonLimits {
            seats: Some(4),
            bookings: None,
        };
        assert_eq!(full.room(&booking(1), 5, "new", lowered), Room::Full);
    }

    fn stored(number: u8, state: &str, holder: [u8; 12], seats: i64) -> (BookingId, RawDocumentBuf) {
        let document: Document = doc! { "state": state, "holder": id(&holder), "seats": seats };
        (booking(number), RawDocumentBuf::try_from(&document).unwrap())
    }

    #[test]
    fn only_confirmed_bookings_of_the_person_count() {
        let full = record((1..=6).map(|number| held(number, 1)).collect());
        let stored = HashMap::from([
            stored(1, "confirmed", HOLDER, 1),
            stored(2, "cancelled", HOLDER, 1),
            stored(3, "confirmed", [8; 12], 1),
            stored(4, "confirmed", HOLDER, 2),
        ]);
        let verified = verify(&full, HOLDER, &stored, &HashSet::from([booking(5)])).unwrap();
        let numbers = |held: &[Held]| {
            held.iter()
                .map(|held| held.booking.as_bytes()[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(&verified.kept), [1, 5]);
        assert_eq!(numbers(&verified.open), [6]);
        assert!(verified.surplus && verified.own);
    }
}
