//! Events: the event service's records and the booking service's copies are one collection.

use mongodb::bson::doc;
use mongodb::options::FindOptions;
use myevents_core::Result;
use myevents_core::domain::{EventId, EventRecord, Text, UnixSeconds};
use myevents_core::ports::{EventCursor, EventFilter, PageOf};

use super::codec::{Fields, event_id};
use super::link::Link;
use super::paging::{After, Direction};
use super::records::event_of;

/// An event is shown without its messages, which only the outbox reads.
fn without_messages() -> mongodb::bson::Document {
    doc! { "outbox": 0 }
}

pub(super) async fn find(link: &Link, event: &EventId) -> Result<Option<EventRecord>> {
    let filter = doc! { "_id": event_id(event) };
    let found = link.find_one("find event", &link.events, filter, Some(without_messages()));
    found.await?.map(|document| event_of(Fields(&document))).transpose()
}

pub(super) async fn named(link: &Link, name: &str) -> Result<Option<EventRecord>> {
    let filter = doc! { "name": name, "cancelled": { "$ne": true } };
    let mut options = FindOptions::default();
    options.sort = Some(Direction::Rising.sort("startdate"));
    options.projection = Some(without_messages());
    options.limit = Some(1);
    let found = link.find("find event by name", &link.events, filter, options, 1, |document| {
        event_of(Fields(document)).map(Some)
    });
    Ok(found.await?.pop())
}

fn mentions(record: &EventRecord, needle: &str) -> bool {
    let event = &record.event;
    let of_location = event
        .location
        .iter()
        .flat_map(|location| [location.name.as_str(), location.address.as_str()]);
    std::iter::once(event.name.as_str())
        .chain(of_location)
        .any(|text| text.to_lowercase().contains(needle))
}

pub(super) async fn list(
    link: &Link,
    filter: &EventFilter,
    after: Option<&EventCursor>,
    limit: usize,
) -> Result<PageOf<EventRecord, EventCursor>> {
    let base = if filter.with_cancelled {
        doc! {}
    } else {
        doc! { "cancelled": { "$ne": true } }
    };
    let after = after.map(|after| After {
        key: after.start.get(),
        id: after.id.as_bytes(),
    });
    let (from, to) = (filter.from.map(UnixSeconds::get), filter.to.map(UnixSeconds::get));
    let parts = Direction::Rising.parts("startdate", &base, after, from, to);
    let needle = filter.text.as_ref().map(|text| text.to_lowercase());
    let wanted = limit.saturating_add(1);
    let mut items = Vec::new();
    for part in parts {
        let mut options = FindOptions::default();
        options.sort = Some(Direction::Rising.sort("startdate"));
        options.projection = Some(without_messages());
        let missing = wanted - items.len();
        if needle.is_none() {
            options.limit = i64::try_from(missing).ok();
        }
        let needle = needle.clone();
        let found = link.find("list events", &link.events, part, options, missing, move |document| {
            let record = event_of(Fields(document))?;
            let fits = needle.as_deref().is_none_or(|needle| mentions(&record, needle));
            Ok(fits.then_some(record))
        });
        items.extend(found.await?);
        if items.len() >= wanted {
            break;
        }
    }
    Ok(PageOf::from_surplus(items, limit, |record| EventCursor {
        start: record.event.start,
        id: record.event.id.clone(),
    }))
}

pub(super) async fn awaiting(
    link: &Link,
    location: &Text,
    after: Option<&EventId>,
    limit: usize,
) -> Result<Vec<EventRecord>> {
    let mut filter = doc! { "awaiting": location.as_str() };
    if let Some(after) = after {
        filter.insert("_id", Direction::Rising.later_ids(after.as_bytes()));
    }
    let mut options = FindOptions::default();
    options.sort = Some(doc! { "_id": 1 });
    options.projection = Some(without_messages());
    options.limit = i64::try_from(limit).ok();
    link.find("list events awaiting a location", &link.events, filter, options, limit, |document| {
        event_of(Fields(document)).map(Some)
    })
    .await
}
