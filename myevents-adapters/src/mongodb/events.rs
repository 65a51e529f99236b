//! Events: the event service's records and the booking service's copies are one collection.

use mongodb::bson::{Document, doc};
use mongodb::options::FindOptions;
use myevents_core::Result;
use myevents_core::domain::{EventId, EventRecord, Text, UnixSeconds};
use myevents_core::ports::{EventCursor, EventFilter, PageOf};

use super::codec::{Fields, event_id, id};
use super::link::Link;
use super::paging::{After, Direction};
use super::records::{event_of, order};

/// An event is shown without its messages, which only the outbox reads.
fn without_messages() -> Document {
    doc! { "outbox": 0 }
}

pub(super) async fn find(link: &Link, event: &EventId) -> Result<Option<EventRecord>> {
    let filter = doc! { "_id": event_id(event) };
    let found = link.find_one("find event", &link.events, filter, Some(without_messages()));
    found
        .await?
        .map(|document| event_of(Fields(&document)))
        .transpose()
}

pub(super) async fn named(link: &Link, name: &str) -> Result<Option<EventRecord>> {
    let filter = doc! { "name": name, "cancelled": { "$ne": true } };
    let mut options = FindOptions::default();
    options.sort = Some(Direction::Rising.sort("startdate"));
    options.projection = Some(without_messages());
    options.limit = Some(1);
    let found = link.find(
        "find event by name",
        &link.events,
        filter,
        options,
        1,
        |document| event_of(Fields(document)).map(Some),
    );
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

/// The ids of 12 bytes that come after `after` in the order of all ids' bytes.
fn later_objects(after: &[u8]) -> Document {
    let mut bound = [0; 12];
    let shared = after.len().min(12);
    bound[..shared].copy_from_slice(&after[..shared]);
    // A shorter id comes before those that begin with it, a longer one after the one it begins with.
    let comparison = if after.len() < 12 { "$gte" } else { "$gt" };
    doc! { comparison: id(&bound) }
}

/// One of the two streams of a list, up to `wanted` records.
async fn stream(
    link: &Link,
    parts: Vec<Document>,
    sort: Document,
    needle: Option<&str>,
    wanted: usize,
) -> Result<Vec<EventRecord>> {
    let mut items = Vec::new();
    for part in parts {
        let mut options = FindOptions::default();
        options.sort = Some(sort.clone());
        options.projection = Some(without_messages());
        let missing = wanted - items.len();
        if needle.is_none() {
            options.limit = i64::try_from(missing).ok();
        }
        let needle = needle.map(str::to_owned);
        let found = link.find(
            "list events",
            &link.events,
            part,
            options,
            missing,
            move |document| {
                let record = event_of(Fields(document))?;
                let fits = needle.as_deref().is_none_or(|needle| mentions(&record, needle));
                Ok(fits.then_some(record))
            },
        );
        items.extend(found.await?);
        if items.len() >= wanted {
            break;
        }
    }
    Ok(items)
}

/// Two streams in the order of (start, id), merged: the server orders ids of 12 bytes as their bytes are, the others by
/// their length first, so that these have a text of their own to be ordered by.
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
    let mut objects = base.clone();
    objects.insert("otherid", doc! { "$ne": true });
    let mut others = base;
    others.insert("otherid", true);
    let (from, to) = (filter.from.map(UnixSeconds::get), filter.to.map(UnixSeconds::get));
    let parts = |base: &Document, field: &'static str, later: &dyn Fn(&EventCursor) -> Document| {
        let after = after.map(|after| After {
            key: after.start.get(),
            field,
            later: later(after),
        });
        Direction::Rising.parts("startdate", base, after, from, to)
    };
    let objects = parts(&objects, "_id", &|after| later_objects(after.id.as_bytes()));
    let others = parts(&others, "order", &|after| doc! { "$gt": order(&after.id) });
    let needle = filter.text.as_ref().map(|text| text.to_lowercase());
    let wanted = limit.saturating_add(1);
    let (objects, others) = tokio::try_join!(
        stream(
            link,
            objects,
            doc! { "startdate": 1, "_id": 1 },
            needle.as_deref(),
            wanted
        ),
        stream(
            link,
            others,
            doc! { "startdate": 1, "order": 1 },
            needle.as_deref(),
            wanted
        ),
    )?;
    let mut items = objects;
    if !others.is_empty() {
        items.extend(others);
        items.sort_by(|one, other| {
            (one.event.start, &one.event.id).cmp(&(other.event.start, &other.event.id))
        });
        items.truncate(wanted);
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
    link.find(
        "list events awaiting a location",
        &link.events,
        filter,
        options,
        limit,
        |document| event_of(Fields(document)).map(Some),
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_12_bytes_are_met_where_their_bytes_are() {
        let objects = [[0_u8; 12], [7; 12], [0xff; 12]];
        let afters: [&[u8]; 7] = [&[0], &[7], &[7; 11], &[7; 12], &[7; 13], &[0xff; 12], &[0; 64]];
        for after in afters {
            let bound = later_objects(after);
            let (comparison, value) = bound.iter().next().unwrap();
            let bytes = value.as_object_id().unwrap().bytes();
            for object in objects {
                let matched = if comparison == "$gt" {
                    object > bytes
                } else {
                    object >= bytes
                };
                assert_eq!(matched, object.as_slice() > after, "{object:?} after {after:?}");
            }
        }
    }
}
