//! Moving between stores: lists that the ports lack, bookings and parked messages as they are, the secret of derived ids.

use std::collections::HashMap;

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::FindOptions;
use myevents_core::domain::{
    Booking, BookingState, EventId, IdSecret, LocationId, LocationRecord, UserId, UserRecord,
};
use myevents_core::ports::{Inserted, PageOf, ParkedMessage};
use myevents_core::{Error, ErrorKind, Result};

use super::bookings::{booking_document, booking_of, holder_id};
use super::codec::{Fields, binary, id};
use super::error::malformed;
use super::holders::Held;
use super::link::{Collection, Link};
use super::messages::{Kind, NewMessage};
use super::paging::Direction;
use super::records::{location_record_of, user_of};
use super::schema::STORE;
use super::store::Inner;

/// Bookings of one insert.
const AT_ONCE: usize = 500;

/// What stands in place of the try that inserted a booking: no token of a try reads so.
const IMPORTED: &str = "imported";

/// How often a record of what a person holds is tried that others change at the same time.
const TRIES: usize = 20;

/// The page of a collection by id, behind `after`.
async fn by_id<T: Send + 'static>(
    link: &Link,
    operation: &'static str,
    collection: &Collection,
    mut filter: Document,
    after: Option<&[u8]>,
    limit: usize,
    decode: impl FnMut(&mongodb::bson::RawDocument) -> Result<Option<T>> + Send + 'static,
) -> Result<Vec<T>> {
    if let Some(after) = after {
        filter.insert("_id", Direction::Rising.later_ids(after));
    }
    let wanted = limit.saturating_add(1);
    let mut options = FindOptions::default();
    options.sort = Some(doc! { "_id": 1 });
    // The original kept bookings inside of users; they may be many.
    options.projection = Some(doc! { "outbox": 0, "bookings": 0 });
    options.limit = i64::try_from(wanted).ok();
    link.find(operation, collection, filter, options, wanted, decode)
        .await
}

pub(super) async fn locations(
    link: &Link,
    after: Option<&LocationId>,
    limit: usize,
) -> Result<PageOf<LocationRecord, LocationId>> {
    let after = after.map(LocationId::as_bytes);
    let items = by_id(
        link,
        "list locations",
        &link.locations,
        doc! {},
        after,
        limit,
        |document| location_record_of(Fields(document)).map(Some),
    );
    Ok(PageOf::from_surplus(items.await?, limit, |record| {
        record.location.id.clone()
    }))
}

pub(super) async fn users(
    link: &Link,
    after: Option<&UserId>,
    limit: usize,
) -> Result<PageOf<UserRecord, UserId>> {
    let (after, there) = (after.map(UserId::as_bytes), doc! { "removed": { "$ne": true } });
    let items = by_id(link, "list users", &link.users, there, after, limit, |document| {
        user_of(Fields(document))
    });
    Ok(PageOf::from_surplus(items.await?, limit, |record| {
        record.user.id.clone()
    }))
}

pub(super) async fn removed_users(
    link: &Link,
    after: Option<&UserId>,
    limit: usize,
) -> Result<PageOf<UserId, UserId>> {
    let (after, gone) = (after.map(UserId::as_bytes), doc! { "removed": true });
    let items = by_id(
        link,
        "list removed users",
        &link.users,
        gone,
        after,
        limit,
        |document| Fields(document).user_id("_id"),
    );
    Ok(PageOf::from_surplus(items.await?, limit, Clone::clone))
}

pub(super) async fn is_removed(link: &Link, user: &UserId) -> Result<bool> {
    let mark = doc! { "_id": id(user.as_bytes()), "removed": true };
    let found = link
        .find_one("find removed user", &link.users, mark, Some(doc! { "_id": 1 }))
        .await?;
    Ok(found.is_some())
}

impl Inner {
    /// Takes `secret` in place of the store's own, while no record depends on that.
    pub(super) async fn adopt_id_secret(&self, secret: &IdSecret) -> Result<()> {
        const OPERATION: &str = "adopt id secret";
        let link = &self.link;
        let found = link
            .find_one(OPERATION, &link.meta, doc! { "_id": STORE }, None)
            .await?;
        let found = found.ok_or_else(|| malformed("the store has lost its identity"))?;
        let stored = Fields(&found).bytes("secret")?.unwrap_or_default();
        if stored != secret.expose() {
            for collection in [&link.events, &link.locations, &link.users, &link.bookings] {
                if link
                    .find_one(OPERATION, collection, doc! {}, Some(doc! { "_id": 1 }))
                    .await?
                    .is_some()
                {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        OPERATION,
                        "the store is not empty, and what it holds depends on its own secret",
                    ));
                }
            }
            let as_found = doc! { "_id": STORE, "secret": binary(stored) };
            let update = doc! { "$set": { "secret": binary(secret.expose()) } };
            if !link.update(OPERATION, &link.meta, as_found, update).await? {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    OPERATION,
                    "the secret of the store was just changed by somebody else; try again",
                ));
            }
        }
        self.take_secret(secret);
        Ok(())
    }

    pub(super) async fn import_bookings(&self, given: &[Booking]) -> Vec<Result<Inserted<Booking>>> {
        let mut results = Vec::with_capacity(given.len());
        for chunk in given.chunks(AT_ONCE) {
            match self.import_chunk(chunk).await {
                Ok(stored) => results.extend(stored),
                Err(error) => results.extend(chunk.iter().map(|_| Err(error.duplicate()))),
            }
        }
        results
    }

    /// Inserts first and looks for marks and holds after that, of what was there already too: so a repeat brings right
    /// what an import that broke off left.
    async fn import_chunk(&self, given: &[Booking]) -> Result<Vec<Result<Inserted<Booking>>>> {
        let secret = self.secret();
        let encoded = given.iter().map(|booking| {
            let holder = booking
                .person
                .as_ref()
                .map(|person| holder_id(&secret, &booking.event, person));
            RawDocumentBuf::try_from(&booking_document(booking, IMPORTED, holder, None))
                .map_err(|source| malformed("a booking can't be encoded").caused_by(source))
        });
        let documents: Vec<RawDocumentBuf> = encoded.collect::<Result<_>>()?;
        let link = &self.link;
        let inserted = link
            .insert_unordered("import bookings", &link.bookings, documents.clone())
            .await?;
        let ids: Vec<_> = inserted
            .duplicates
            .iter()
            .map(|at| given[*at].id.clone())
            .collect();
        let there = if ids.is_empty() {
            HashMap::new()
        } else {
            self.find_bookings(&ids).await?
        };
        let forgotten = self.forget_removed(&documents).await?;

        let mut results: Vec<Result<Inserted<Booking>>> = given.iter().map(|_| Ok(Inserted::New)).collect();
        let mut held: Vec<&RawDocumentBuf> = Vec::new();
        for (at, document) in documents.iter().enumerate() {
            if inserted.duplicates.contains(&at) {
                continue;
            }
            if !forgotten.contains(&given[at].id) {
                held.push(document);
            }
        }
        for at in inserted.duplicates {
            let booking = &given[at];
            results[at] = match there.get(&booking.id) {
                None => Err(Error::new(
                    ErrorKind::Unavailable,
                    "import bookings",
                    "a booking with this id is just being stored; try again",
                )),
                Some(document) => {
                    let mut stored = booking_of(Fields(document))?;
                    if stored.fingerprint == booking.fingerprint {
                        if forgotten.contains(&stored.id) {
                            stored.forget_person();
                        } else {
                            held.push(document);
                        }
                        Ok(Inserted::Existing(stored))
                    } else {
                        Err(Error::new(
                            ErrorKind::Conflict,
                            "import bookings",
                            "another booking has this id",
                        ))
                    }
                }
            };
        }
        self.hold_imported(&held).await?;
        Ok(results)
    }

    /// Adds confirmed bookings to the records of what their persons hold. Where there is no record it is made by the
    /// first wish that needs it, from all bookings.
    async fn hold_imported(&self, bookings: &[&RawDocumentBuf]) -> Result<()> {
        let mut of_holder: HashMap<[u8; 12], (EventId, Vec<Held>)> = HashMap::new();
        for booking in bookings {
            let booking = Fields(booking);
            let holder = booking
                .id("holder")?
                .and_then(|holder| <[u8; 12]>::try_from(holder.as_slice()).ok());
            let Some(holder) = holder else { continue };
            if booking.need_str("state")? != BookingState::Confirmed.as_str() {
                continue;
            }
            let event = booking.event_id("eventid")?;
            let (_, held) = of_holder.entry(holder).or_insert_with(|| (event, Vec::new()));
            held.push(Held {
                booking: booking.booking_id("_id")?,
                seats: booking.small("seats")?.unwrap_or(0),
                token: IMPORTED.to_owned(),
            });
        }
        if of_holder.is_empty() {
            return Ok(());
        }
        let link = &self.link;
        let ids: Vec<Bson> = of_holder.keys().map(|holder| id(holder)).collect();
        let mut options = FindOptions::default();
        options.projection = Some(doc! { "_id": 1 });
        let filter = doc! { "_id": { "$in": ids } };
        let recorded = link
            .find(
                "keep limits",
                &link.holders,
                filter,
                options,
                usize::MAX,
                |document| {
                    let holder = Fields(document).need_id("_id")?;
                    Ok(<[u8; 12]>::try_from(holder.as_slice()).ok())
                },
            )
            .await?;
        for holder in recorded {
            if let Some((event, held)) = of_holder.get(&holder) {
                self.add_to_holder(event, holder, held).await?;
            }
        }
        Ok(())
    }

    async fn add_to_holder(&self, event: &EventId, holder: [u8; 12], held: &[Held]) -> Result<()> {
        for _ in 0..TRIES {
            let Some(mut record) = self.load_holder(holder).await? else {
                return Ok(());
            };
            let before = record.entries.len();
            for one in held {
                if !record.entries.iter().any(|known| known.booking == one.booking) {
                    record.entries.push(one.clone());
                }
            }
            if record.entries.len() == before || self.store_holder(event, holder, &record).await? {
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "import bookings",
            "the record of what a person holds was changed again and again; try again",
        ))
    }

    pub(super) async fn import_parked(&self, messages: &[ParkedMessage]) -> Result<()> {
        for message in messages {
            self.import_message(message).await?;
        }
        Ok(())
    }

    /// Appends a message to the record that its key names.
    async fn import_message(&self, parked: &ParkedMessage) -> Result<()> {
        const OPERATION: &str = "import messages";
        let lost = || {
            Error::new(
                ErrorKind::NotFound,
                OPERATION,
                "the record that a message is about is not here",
            )
            .with("message", parked.envelope.id())
            .with("key", parked.envelope.key())
        };
        // Ids of all records are of one form.
        let record = EventId::parse(parked.envelope.key()).map_err(|_| lost())?;
        let record = id(record.as_bytes());
        let message = NewMessage::new(parked.envelope.clone(), &self.instance, self.now());
        let mut element = message.document(None);
        element.remove("until");
        element.insert("parked", message.n);
        element.insert("reason", parked.reason.as_str());
        for kind in Kind::ALL {
            let collection = self.collection(kind);
            let without =
                doc! { "_id": record.clone(), "outbox.id": { "$ne": parked.envelope.id().as_str() } };
            let push = doc! { "$push": { "outbox": element.clone() } };
            if self.link.update(OPERATION, collection, without, push).await? {
                return Ok(());
            }
            let by_id = doc! { "_id": record.clone() };
            if self
                .link
                .find_one(OPERATION, collection, by_id, Some(doc! { "_id": 1 }))
                .await?
                .is_some()
            {
                return Ok(());
            }
        }
        Err(lost())
    }
}
