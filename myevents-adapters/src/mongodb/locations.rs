//! Locations: look-ups and lists.

use mongodb::bson::doc;
use mongodb::options::FindOptions;
use myevents_core::Result;
use myevents_core::domain::{LocationId, LocationRecord};
use myevents_core::ports::PageOf;

use super::codec::{Fields, id};
use super::link::Link;
use super::paging::Direction;
use super::records::location_record_of;

pub(super) async fn find(link: &Link, location: &LocationId) -> Result<Option<LocationRecord>> {
    let filter = doc! { "_id": id(location.as_bytes()) };
    let found = link.find_one(
        "find location",
        &link.locations,
        filter,
        Some(doc! { "outbox": 0 }),
    );
    found
        .await?
        .map(|document| location_record_of(Fields(&document)))
        .transpose()
}

pub(super) async fn list(
    link: &Link,
    after: Option<&LocationId>,
    limit: usize,
) -> Result<PageOf<LocationRecord, LocationId>> {
    let mut filter = doc! { "deleted": { "$ne": true } };
    if let Some(after) = after {
        filter.insert("_id", Direction::Rising.later_ids(after.as_bytes()));
    }
    let wanted = limit.saturating_add(1);
    let mut options = FindOptions::default();
    options.sort = Some(doc! { "_id": 1 });
    options.projection = Some(doc! { "outbox": 0 });
    options.limit = i64::try_from(wanted).ok();
    let items = link
        .find(
            "list locations",
            &link.locations,
            filter,
            options,
            wanted,
            |document| location_record_of(Fields(document)).map(Some),
        )
        .await?;
    Ok(PageOf::from_surplus(items, limit, |record| {
        record.location.id.clone()
    }))
}
