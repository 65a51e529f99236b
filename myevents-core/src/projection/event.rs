//! Events as announced, whole by us and in five fields by the original services.

use crate::contract::EventAnnouncement;
use crate::domain::{
    Capacity, Event, EventId, EventRecord, Fingerprint, Minutes, Name, PersonLimits, UnixSeconds, Version,
};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{Applied, ApplyMode, DatabaseHandler, EventProjection};
use crate::projection::{Announced, announced, known_halls};

/// Offers an announced event to the copy and to the counter. May be repeated.
///
/// The capacity in the message wins. Where it is missing, halls decide: those in the message, else those of the
/// location that its `location_id` names, as far as known. An unknown one is waited for.
///
/// # Errors
/// `Malformed` when the message's ids are none; else what the store answers.
pub async fn project_event(
    store: &dyn DatabaseHandler,
    message: &EventAnnouncement,
    cancelled: bool,
) -> Result<Applied> {
    let (mut event, whole) = match &message.event {
        Some(wire) => (wire.to_stored().map_err(malformed)?, true),
        None => (from_five_fields(message)?, false),
    };
    if event.id != EventId::parse(&message.id).map_err(malformed)? {
        return Err(Error::new(
            ErrorKind::Malformed,
            "project event",
            "the message has two ids",
        ));
    }
    event.cancelled |= cancelled;
    let mut projection = EventProjection {
        capacity: message.capacity.or_else(|| event.capacity()),
        mode: if message.version.is_some() {
            ApplyMode::Newer
        } else {
            ApplyMode::FillIn
        },
        record: EventRecord {
            fingerprint: fingerprint(&event.id),
            event,
            version: message.version.map_or(Version::NONE, Version),
            owner: None,
            awaiting_location: None,
        },
    };
    // What comes whole says all there is to say, an unknown capacity too.
    let awaited = (!whole && projection.capacity.is_none())
        .then(|| announced(&message.location_id))
        .flatten();
    let Some(awaited) = awaited else {
        return store.project_event(&projection).await;
    };
    if join(store, &mut projection, &awaited).await? {
        return store.project_event(&projection).await;
    }
    let mut applied = store.project_event(&projection).await?;
    // The location may have come between the look-up and the write, when nobody waited for it yet.
    if join(store, &mut projection, &awaited).await? {
        projection.mode = ApplyMode::FillIn;
        let joined = store.project_event(&projection).await?;
        applied.copy |= joined.copy;
        applied.counter |= joined.counter;
    }
    Ok(applied)
}

/// Gives the event the location it names, if that is known with halls; otherwise it waits for it.
async fn join(
    store: &dyn DatabaseHandler,
    projection: &mut EventProjection,
    awaited: &Announced,
) -> Result<bool> {
    match known_halls(store, awaited).await? {
        Some((location, capacity)) => {
            fill_in(projection, location, capacity);
            Ok(true)
        }
        None => {
            projection.record.awaiting_location = Some(awaited.text.clone());
            Ok(false)
        }
    }
}

/// Puts a location into an event that came without.
pub(super) fn fill_in(
    projection: &mut EventProjection,
    location: crate::domain::Location,
    capacity: Capacity,
) {
    projection.record.event.location = Some(location);
    projection.record.awaiting_location = None;
    projection.capacity = projection.capacity.or(capacity);
}

/// The event of an original service, which sends no more than this.
fn from_five_fields(message: &EventAnnouncement) -> Result<Event> {
    let start = message.start_date.as_second();
    let end = message.end_date.as_second().max(start);
    Ok(Event {
        id: EventId::parse(&message.id).map_err(malformed)?,
        name: Name::from_stored(&message.name),
        duration: Minutes::from_stored((end - start) / 60),
        start: UnixSeconds::from_stored(start),
        end: UnixSeconds::from_stored(end),
        location: None,
        hall_names: Vec::new(),
        sales_start: None,
        sales_end: None,
        max_seats_per_booking: None,
        person_limits: PersonLimits::default(),
        cancelled: false,
    })
}

/// A copy was asked for by no request: its fingerprint says only what it is of.
fn fingerprint(id: &EventId) -> Fingerprint {
    Fingerprint::of("announced event").field(id.as_bytes()).finish()
}

fn malformed(error: Error) -> Error {
    Error::new(
        ErrorKind::Malformed,
        "project event",
        "an id in the message is not hex",
    )
    .caused_by(error)
}
