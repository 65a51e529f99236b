//! Brings a store of the original Go system (MongoDB, collections `events`, `locations`, `users`) into ours.
//!
//! The original kept no version, no fingerprint and no counter; bookings lay inside their user, without id. Ids of records stay;
//! each booking gets an id that follows from its user, its event and its place in the user's list, so that a second run adds
//! nothing. What can't be taken is told with its reason and passed over.

mod document;

use std::collections::{HashMap, HashSet};

use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use myevents_core::domain::{
    Booking, BookingId, BookingState, EventId, Fingerprint, Person, Text, UserRecord, Version,
};
use myevents_core::ports::{ApplyMode, Attached, EventProjection, Inserted};
use myevents_core::{Error, ErrorKind, Result};

use self::document::OldBooking;
use crate::migrate::{Tallies, Witness};
use crate::transfer::Part;

/// The database where the URL names none.
const DATABASE: &str = "myevents";

/// A database of the original.
#[derive(Debug)]
pub struct Original {
    database: Database,
}

fn driver(source: mongodb::error::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "read original",
        "MongoDB does not answer as it should",
    )
    .caused_by(source)
}

impl Original {
    /// Connects. Nothing is ever written there.
    ///
    /// # Errors
    /// `Config` for a URL that is none; `Unavailable`; `NotFound` when the database holds nothing of the original.
    pub async fn open(url: &str) -> Result<Self> {
        let options = ClientOptions::parse(url).await.map_err(|source| {
            // The driver's words may repeat the URL, password and all.
            drop(source);
            Error::new(
                ErrorKind::Config,
                "read original",
                "the connection string is not one of MongoDB",
            )
        })?;
        let name = options
            .default_database
            .clone()
            .unwrap_or_else(|| DATABASE.to_owned());
        let client = Client::with_options(options).map_err(driver)?;
        let database = client.database(&name);
        let names = database.list_collection_names().await.map_err(driver)?;
        if !["events", "locations", "users"]
            .iter()
            .any(|wanted| names.iter().any(|name| name == wanted))
        {
            return Err(Error::new(
                ErrorKind::NotFound,
                "read original",
                "the database has no collection of the original; name it in the URL",
            )
            .with("database", name));
        }
        Ok(Self { database })
    }

    /// Reads a collection from its beginning to its end, in the order of ids.
    async fn read(&self, collection: &str) -> Result<mongodb::Cursor<Document>> {
        let all = self.database.collection::<Document>(collection);
        all.find(doc! {}).sort(doc! { "_id": 1 }).await.map_err(driver)
    }
}

/// Brings what belongs to the role of the store.
///
/// # Errors
/// As [`bring_events`].
pub(crate) async fn bring(
    url: &str,
    to: Part<'_>,
    dry_run: bool,
    witness: &mut dyn Witness,
) -> Result<Tallies> {
    let original = Original::open(url).await?;
    if to.role == "bookingservice" {
        bring_bookings(&original, to, dry_run, witness).await
    } else {
        bring_events(&original, to, dry_run, witness).await
    }
}

/// Brings locations and events into the event service's store. They are announced by `republish` afterwards.
///
/// # Errors
/// What the original and the store answer. Run it again: what is there stays.
pub async fn bring_events(
    original: &Original,
    to: Part<'_>,
    dry_run: bool,
    witness: &mut dyn Witness,
) -> Result<Tallies> {
    let mut bringing = Bringing::new(to, dry_run, witness);
    bringing.locations(original).await?;
    bringing.events(original, Copies::No).await?;
    Ok(bringing.tallies)
}

/// Brings copies of locations and events, users and their bookings into the booking service's store, and sets the counters.
///
/// # Errors
/// As [`bring_events`].
pub async fn bring_bookings(
    original: &Original,
    to: Part<'_>,
    dry_run: bool,
    witness: &mut dyn Witness,
) -> Result<Tallies> {
    let mut bringing = Bringing::new(to, dry_run, witness);
    bringing.locations(original).await?;
    let events = bringing.events(original, Copies::Yes).await?;
    bringing.users(original, &events).await?;
    bringing.counters(&events).await?;
    Ok(bringing.tallies)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copies {
    No,
    Yes,
}

enum Became {
    Taken,
    Existing,
}

struct Bringing<'a> {
    to: Part<'a>,
    dry_run: bool,
    witness: &'a mut dyn Witness,
    tallies: Tallies,
    read: u64,
}

impl<'a> Bringing<'a> {
    fn new(to: Part<'a>, dry_run: bool, witness: &'a mut dyn Witness) -> Self {
        Self {
            to,
            dry_run,
            witness,
            tallies: Tallies::new(),
            read: 0,
        }
    }

    fn one_read(&mut self) {
        self.read += 1;
        if self.read.is_multiple_of(100) {
            self.witness.progress(self.read);
        }
    }

    fn note(&mut self, collection: &'static str, became: &Became) {
        let tally = self.tallies.entry(collection).or_default();
        match became {
            Became::Taken => tally.taken += 1,
            Became::Existing => tally.existing += 1,
        }
    }

    fn skip(&mut self, collection: &'static str, id: &str, reason: &str) {
        self.tallies.entry(collection).or_default().skipped += 1;
        self.witness.skipped(collection, id, reason);
    }

    async fn locations(&mut self, original: &Original) -> Result<()> {
        let store = &self.to.store.store;
        let mut cursor = original.read("locations").await?;
        while cursor.advance().await.map_err(driver)? {
            let document = cursor.deserialize_current().map_err(driver)?;
            self.one_read();
            let record = match document::location(&document) {
                Ok(record) => record,
                Err(error) => {
                    self.skip("locations", &document::shown_id(&document), error.message());
                    continue;
                }
            };
            let became = if store.find_location(&record.location.id).await?.is_some() {
                Became::Existing
            } else {
                if !self.dry_run {
                    store.add_location(&record, Attached::nothing()).await?;
                }
                Became::Taken
            };
            self.note("locations", &became);
        }
        Ok(())
    }

    /// Answers the events that are there afterwards, or would be.
    async fn events(&mut self, original: &Original, copies: Copies) -> Result<HashSet<EventId>> {
        let store = &self.to.store.store;
        let mut known = HashSet::new();
        let mut cursor = original.read("events").await?;
        while cursor.advance().await.map_err(driver)? {
            let document = cursor.deserialize_current().map_err(driver)?;
            self.one_read();
            let record = match document::event(&document) {
                Ok(record) => record,
                Err(error) => {
                    self.skip("events", &document::shown_id(&document), error.message());
                    continue;
                }
            };
            known.insert(record.event.id.clone());
            let became = match store.find_event(&record.event.id).await? {
                // A store of ours reads the original's documents where they lie; they get a version and a fingerprint.
                Some(stored) if copies == Copies::No && stored.version == Version::NONE => {
                    if !self.dry_run {
                        store
                            .replace_event(&record, Version::NONE, Attached::nothing())
                            .await?;
                    }
                    Became::Taken
                }
                Some(_) => Became::Existing,
                None if self.dry_run => Became::Taken,
                None if copies == Copies::No => {
                    store.add_event(&record, Attached::nothing()).await?;
                    Became::Taken
                }
                None => {
                    let capacity = record.event.capacity();
                    let mode = ApplyMode::Newer;
                    store
                        .project_event(&EventProjection {
                            record,
                            capacity,
                            mode,
                        })
                        .await?;
                    Became::Taken
                }
            };
            self.note("events", &became);
        }
        Ok(known)
    }

    async fn users(&mut self, original: &Original, events: &HashSet<EventId>) -> Result<()> {
        let mut cursor = original.read("users").await?;
        while cursor.advance().await.map_err(driver)? {
            let document = cursor.deserialize_current().map_err(driver)?;
            self.one_read();
            let shown = document::shown_id(&document);
            let read = document::user(&document).and_then(|user| Ok((user, document::bookings(&document)?)));
            let (user, bookings) = match read {
                Ok(read) => read,
                Err(error) => {
                    self.skip("users", &shown, error.message());
                    continue;
                }
            };
            if self.to.store.tools.is_removed(&user.user.id).await? {
                // Removed since an earlier run: nothing of theirs comes back.
                self.note("users", &Became::Existing);
                continue;
            }
            let became = self.user(&user).await?;
            self.note("users", &became);
            self.bookings(&user, bookings, events).await?;
        }
        Ok(())
    }

    async fn user(&mut self, user: &UserRecord) -> Result<Became> {
        let store = &self.to.store.store;
        if store.find_user(&user.user.id).await?.is_some() {
            return Ok(Became::Existing);
        }
        if !self.dry_run {
            store.add_user(user).await?;
        }
        Ok(Became::Taken)
    }

    async fn bookings(
        &mut self,
        user: &UserRecord,
        bookings: Vec<Result<OldBooking>>,
        events: &HashSet<EventId>,
    ) -> Result<()> {
        let mut given = Vec::new();
        // The place among the user's bookings of the same event, so that the id of one does not depend on the others.
        let mut places: HashMap<EventId, u64> = HashMap::new();
        for (number, booking) in bookings.into_iter().enumerate() {
            let shown = format!("{} of user {}", number + 1, user.user.id);
            match booking {
                Err(error) => self.skip("bookings", &shown, error.message()),
                Ok(old) if !events.contains(&old.event) => {
                    let reason = format!("its event {} is not there, or could not be taken", old.event);
                    self.skip("bookings", &shown, &reason);
                }
                Ok(old) => {
                    let place = places.entry(old.event.clone()).or_default();
                    *place += 1;
                    given.push((shown, self.booking(user, old, *place)));
                }
            }
        }
        if self.dry_run {
            for (_, booking) in given {
                let there = self.to.store.store.find_booking(&booking.id).await?.is_some();
                self.note("bookings", if there { &Became::Existing } else { &Became::Taken });
            }
            return Ok(());
        }
        let (shown, bookings): (Vec<_>, Vec<_>) = given.into_iter().unzip();
        let results = self.to.store.tools.import_bookings(&bookings).await;
        for (shown, result) in shown.into_iter().zip(results) {
            match result {
                Ok(Inserted::New) => self.note("bookings", &Became::Taken),
                Ok(Inserted::Existing(_)) => self.note("bookings", &Became::Existing),
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.skip("bookings", &shown, error.message())
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The id is derived with the store's secret: it is the key to the booking, and nobody is to compute it.
    fn booking(&self, user: &UserRecord, old: OldBooking, place: u64) -> Booking {
        let owner = user.user.id.to_string();
        let key = format!("{}:{place}", old.event);
        let secret = self.to.store.store.id_secret();
        let fingerprint = Fingerprint::of("original booking")
            .field(user.user.id.as_bytes())
            .field(old.event.as_bytes())
            .number(i64::from(old.seats.get()))
            .number(old.date.get())
            .finish();
        Booking {
            id: BookingId::from(secret.derive_id("booking", "original", &owner, &key)),
            event: old.event,
            user: Some(user.user.id.clone()),
            name: None,
            email: None,
            seats: old.seats,
            date: old.date,
            state: BookingState::Confirmed,
            version: Version::FIRST,
            fingerprint,
            person: Some(Person::new(Text::from_stored(&format!("user:{owner}")))),
        }
    }

    /// Sets every counter by its bookings. The original sold without counting, so an event may be sold above its capacity.
    async fn counters(&mut self, events: &HashSet<EventId>) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        let store = &self.to.store.store;
        for event in events {
            store.reconcile(event, true).await?;
            if let Some(found) = store.reconcile(event, false).await?
                && found.drift != 0
            {
                return Err(Error::new(
                    ErrorKind::Malformed,
                    "bring bookings",
                    "a counter can't be set right",
                )
                .with("event", event));
            }
        }
        Ok(())
    }
}
