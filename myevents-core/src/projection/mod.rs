//! Projection: folds what the event service announces into the booking service's own copy and counters.
//!
//! Copy and counter are each offered every message and each guarded by its own version, so messages may come twice, late
//! and out of order. A message without version (an old service sends none) fills in what is absent and overwrites
//! nothing.

mod event;
mod location;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::contract::{
    EventCancelled, EventCreated, EventUpdated, LocationCreated, LocationDeleted, LocationUpdated, Message,
    MessageName,
};
use crate::dispatch::{Context, DispatchBuilder};
use crate::domain::{Capacity, LocationId, Text};
use crate::error::Result;
use crate::ports::DatabaseHandler;

pub use event::project_event;
pub use location::project_location;

/// The names that the projection needs to hear.
#[must_use]
pub fn subscribe_names() -> Vec<MessageName> {
    vec![
        EventCreated::name(),
        EventUpdated::name(),
        EventCancelled::name(),
        LocationCreated::name(),
        LocationUpdated::name(),
        LocationDeleted::name(),
    ]
}

/// Adds the projection's handlers, which write to `store`. They need no inbox: versions guard them.
#[must_use]
pub fn register(builder: DispatchBuilder, store: Arc<dyn DatabaseHandler>) -> DispatchBuilder {
    let [created, updated, cancelled] = [(); 3].map(|()| Arc::clone(&store));
    let [location_created, location_updated, location_deleted] = [(); 3].map(|()| Arc::clone(&store));
    builder
        .on::<EventCreated>(move |message: EventCreated, _: Context| {
            let store = Arc::clone(&created);
            async move { project_event(&*store, &message.0, false).await.map(drop) }
        })
        .on::<EventUpdated>(move |message: EventUpdated, _: Context| {
            let store = Arc::clone(&updated);
            async move { project_event(&*store, &message.0, false).await.map(drop) }
        })
        .on::<EventCancelled>(move |message: EventCancelled, _: Context| {
            let store = Arc::clone(&cancelled);
            async move { project_event(&*store, &message.0, true).await.map(drop) }
        })
        .on::<LocationCreated>(move |message: LocationCreated, _: Context| {
            let store = Arc::clone(&location_created);
            async move { project_location(&*store, &message.0, false).await.map(drop) }
        })
        .on::<LocationUpdated>(move |message: LocationUpdated, _: Context| {
            let store = Arc::clone(&location_updated);
            async move { project_location(&*store, &message.0, false).await.map(drop) }
        })
        .on::<LocationDeleted>(move |message: LocationDeleted, _: Context| {
            let store = Arc::clone(&location_deleted);
            async move { project_location(&*store, &message.0, true).await.map(drop) }
        })
}

/// A location as other services name it: what a copy waits by, and the id it is stored under here.
struct Announced {
    text: Text,
    id: LocationId,
}

/// Reads a location's id as announced. `None` for what can't tell one location from another: no text, or text that
/// went through a decoder that replaced its bytes by U+FFFD. Text that is not hex is taken as it is, byte for byte.
fn announced(location_id: &str) -> Option<Announced> {
    if location_id.is_empty() || location_id.contains('\u{FFFD}') {
        return None;
    }
    if let Ok(id) = LocationId::parse(location_id) {
        let text = Text::from_stored(&id.to_string());
        return Some(Announced { text, id });
    }
    let id = LocationId::from_bytes(location_id.as_bytes()).ok()?;
    let text = Text::from_stored(location_id);
    Some(Announced { text, id })
}

/// The stored copy of a location and its seats, if it is there and has halls.
async fn known_halls(
    store: &dyn DatabaseHandler,
    announced: &Announced,
) -> Result<Option<(crate::domain::Location, Capacity)>> {
    let record = store.find_location(&announced.id).await?;
    Ok(record
        .filter(|record| !record.deleted && !record.location.halls.is_empty())
        .map(|record| {
            let capacity = record.location.capacity();
            (record.location, capacity)
        }))
}
