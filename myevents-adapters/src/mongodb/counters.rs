//! The counter of an event as a document, with the entries that are committed and not yet carried out.
//!
//! ```text
//! { _id: event, state, version, capacity?, sold, held, available?, rev, epoch,
//!   pending: [ { token, at, kind: "book",   bookings: [whole documents] }
//!              { token, at, kind: "cancel", booking, seats, message, audit? } ] }
//! ```
//!
//! It is changed by named fields only, `available` only where it is there.

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use myevents_core::Result;
use myevents_core::counter::{Counter, CounterState};
use myevents_core::domain::{BookingId, EventId, Version};

use super::codec::{Fields, booking_id, event_id, version};
use super::error::malformed;

/// The most entries that wait at once.
pub(super) const MOST_PENDING: usize = 16;

/// The largest entry in bytes: that many times the most entries are the 4 MiB that a counter may grow to.
pub(super) const LARGEST_ENTRY: usize = 4 * 1024 * 1024 / MOST_PENDING;

/// That there is room for one more entry.
pub(super) fn has_room(filter: &mut Document) {
    filter.insert(format!("pending.{}", MOST_PENDING - 1), doc! { "$exists": false });
}

/// The fields of a counter without its entries.
pub(super) fn shown() -> Document {
    doc! { "state": 1, "version": 1, "capacity": 1, "sold": 1, "held": 1, "available": 1, "rev": 1, "epoch": 1 }
}

fn seats(capacity: u64) -> i64 {
    i64::try_from(capacity).unwrap_or(i64::MAX)
}

/// A new counter.
pub(super) fn document(event: &EventId, counter: &Counter) -> Document {
    let mut document = doc! {
        "_id": event_id(event),
        "state": counter.state.as_str(),
        "version": version(counter.version),
        "sold": counter.sold,
        "held": counter.held,
        "rev": number(counter.rev),
        "epoch": number(counter.epoch),
    };
    if let (Some(capacity), Some(available)) = (counter.capacity, counter.available) {
        document.insert("capacity", seats(capacity));
        document.insert("available", available);
    }
    document
}

/// A count that only rises, as the server's signed number.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn capacity_of(counter: &Counter) -> Bson {
    counter
        .capacity
        .map_or(Bson::Null, |capacity| Bson::Int64(seats(capacity)))
}

/// Reads a counter. The capacity is known exactly while there is `available`.
pub(super) fn counter_of(fields: Fields<'_>) -> Result<Counter> {
    let count =
        |name| Ok::<_, myevents_core::Error>(u64::try_from(fields.int(name)?.unwrap_or(0)).unwrap_or(0));
    let available = fields.int("available")?;
    let capacity = fields.int("capacity")?;
    if available.is_some() != capacity.is_some() {
        return Err(malformed(
            "a counter has a capacity without seats left, or seats without capacity",
        ));
    }
    Ok(Counter {
        state: CounterState::from_stored(fields.need_str("state")?),
        version: Version(count("version")?),
        capacity: capacity.map(|capacity| u64::try_from(capacity).unwrap_or(0)),
        sold: fields.need_int("sold")?,
        held: fields.int("held")?.unwrap_or(0),
        available,
        rev: count("rev")?,
        epoch: count("epoch")?,
    })
}

/// A counter as it was read, with what was pending then.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) counter: Counter,
    pub(super) pending: Vec<Entry>,
}

/// What is committed and not yet carried out.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) token: String,
    /// When it was committed, by the clock of whoever did.
    pub(super) at: i64,
    pub(super) act: Act,
}

/// What an entry does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Bookings are to be inserted; their seats are taken.
    Book(Vec<RawDocumentBuf>),
    /// A booking is to be cancelled and its seats given back.
    Cancel {
        booking: BookingId,
        seats: i64,
        /// The message as an element of the booking's list, free.
        message: Document,
        /// Its line of the audit log.
        audit: Option<Document>,
    },
    /// Of a later version of this program: left to it.
    Unknown,
}

impl Entry {
    /// Whether it is about this booking.
    pub(super) fn holds(&self, wanted: &BookingId) -> bool {
        match &self.act {
            Act::Book(bookings) => bookings.iter().any(|booking| {
                let id = Fields(booking).booking_id("_id");
                id.is_ok_and(|id| id == *wanted)
            }),
            Act::Cancel { booking, .. } => booking == wanted,
            Act::Unknown => false,
        }
    }
}

/// The entry of a commit.
pub(super) fn booking_entry(token: &str, at: i64, bookings: Vec<Document>) -> Document {
    let bookings: Vec<Bson> = bookings.into_iter().map(Bson::Document).collect();
    doc! { "token": token, "at": at, "kind": "book", "bookings": bookings }
}

/// The intent to cancel.
pub(super) fn cancel_entry(
    token: &str,
    at: i64,
    booking: &BookingId,
    seats: i64,
    message: Document,
    audit: Option<&Document>,
) -> Document {
    let mut entry = doc! {
        "token": token, "at": at, "kind": "cancel", "booking": booking_id(booking), "seats": seats, "message": message,
    };
    if let Some(audit) = audit {
        entry.insert("audit", audit.clone());
    }
    entry
}

fn owned(document: Fields<'_>) -> Result<Document> {
    Document::try_from(document.0)
        .map_err(|source| malformed("a part of an intent is no valid BSON").caused_by(source))
}

pub(super) fn seen_of(fields: Fields<'_>) -> Result<Seen> {
    Ok(Seen {
        counter: counter_of(fields)?,
        pending: entries_of(fields)?,
    })
}

pub(super) fn entries_of(fields: Fields<'_>) -> Result<Vec<Entry>> {
    fields.documents("pending")?.into_iter().map(entry_of).collect()
}

fn entry_of(fields: Fields<'_>) -> Result<Entry> {
    let act = match fields.need_str("kind")? {
        "book" => {
            let bookings = fields.documents("bookings")?;
            Act::Book(bookings.into_iter().map(|booking| booking.0.to_owned()).collect())
        }
        "cancel" => {
            let message = fields
                .document("message")?
                .ok_or_else(|| malformed("an intent has no message"))?;
            Act::Cancel {
                booking: fields.booking_id("booking")?,
                seats: fields.need_int("seats")?,
                message: owned(message)?,
                audit: fields.document("audit")?.map(owned).transpose()?,
            }
        }
        _ => Act::Unknown,
    };
    Ok(Entry {
        token: fields.need_str("token")?.to_owned(),
        at: fields.int("at")?.unwrap_or(0),
        act,
    })
}
