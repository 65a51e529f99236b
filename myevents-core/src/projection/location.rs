//! Locations as announced, and the events that waited for them.

use crate::contract::{HallWire, LocationAnnouncement};
use crate::domain::{Fingerprint, HourOfDay, Location, LocationRecord, Text, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{ApplyMode, DatabaseHandler, EventProjection};
use crate::projection::event::fill_in;
use crate::projection::{Announced, announced, known_halls};

/// How many waiting events are read at a time.
const PAGE: usize = 100;

/// Offers an announced location to the copy, then fills it in where an event waits for it. May be repeated. Answers
/// whether the copy was written.
///
/// A location whose id can't tell it from another (empty, or mangled on its way) is taken without effect.
///
/// # Errors
/// `Malformed` when the location inside the message has no id; else what the store answers.
pub async fn project_location(
    store: &dyn DatabaseHandler,
    message: &LocationAnnouncement,
    deleted: bool,
) -> Result<bool> {
    let Some(known) = announced(&message.id) else {
        tracing::debug!("a location was announced without an id that can be told from others");
        return Ok(false);
    };
    let location = match &message.location {
        Some(wire) => wire
            .to_stored()
            .map_err(malformed)?
            .filter(|location| location.id == known.id)
            .ok_or_else(|| malformed(Error::invalid("the message has two ids")))?,
        None => from_few_fields(message, &known),
    };
    let record = LocationRecord {
        fingerprint: Fingerprint::of("announced location")
            .field(location.id.as_bytes())
            .finish(),
        location,
        version: message.version.map_or(Version::NONE, Version),
        owner: None,
        deleted,
    };
    let mode = if message.version.is_some() {
        ApplyMode::Newer
    } else {
        ApplyMode::FillIn
    };
    let written = store.project_location(&record, mode).await?;
    // Also when nothing was written: the try before this one may have ended in between.
    fill_in_waiting(store, &known).await?;
    Ok(written)
}

async fn fill_in_waiting(store: &dyn DatabaseHandler, known: &Announced) -> Result<()> {
    // The stored copy, as this message may be older than it.
    let Some((location, capacity)) = known_halls(store, known).await? else {
        return Ok(());
    };
    let mut after = None;
    loop {
        let waiting = store.events_awaiting(&known.text, after.as_ref(), PAGE).await?;
        let full = waiting.len() == PAGE;
        after = waiting.last().map(|record| record.event.id.clone());
        for record in waiting {
            let mut projection = EventProjection {
                record,
                capacity: None,
                mode: ApplyMode::FillIn,
            };
            fill_in(&mut projection, location.clone(), capacity);
            store.project_event(&projection).await?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// The location of an original service.
fn from_few_fields(message: &LocationAnnouncement, known: &Announced) -> Location {
    Location {
        id: known.id.clone(),
        name: Text::from_stored(&message.name),
        address: Text::from_stored(&message.address),
        country: Text::from_stored(&message.country),
        open_time: HourOfDay::default(),
        close_time: HourOfDay::default(),
        halls: message.halls.iter().flatten().map(HallWire::to_stored).collect(),
        time_zone: None,
    }
}

fn malformed(error: Error) -> Error {
    Error::new(
        ErrorKind::Malformed,
        "project location",
        "the location in the message has no id, or another",
    )
    .caused_by(error)
}
