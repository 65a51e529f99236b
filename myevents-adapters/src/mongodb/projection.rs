//! What the event service announced, offered to the counter and then to the copy, each guarded by its own version.
//!
//! The counter comes first: whoever reads a copy finds a counter whose epoch rose with it, so that no commit decided by
//! the rules of an older copy applies any more.

use mongodb::bson::{Bson, Document, doc};
use myevents_core::counter::{Counter, CounterState, merge_counter, merge_event, merge_location};
use myevents_core::domain::{EventId, EventRecord, LocationRecord};
use myevents_core::ports::{Applied, ApplyMode, EventProjection};
use myevents_core::{Error, ErrorKind, Result};

use super::codec::{Fields, event_id, id, version};
use super::counters::{self, capacity_of, counter_of, shown};
use super::patience::Patience;
use super::records::{event_fields, location_record_fields};
use super::store::Inner;
use super::writes::of_version;
use super::{events, locations};

/// How often a record that others change at the same time is tried.
const TRIES: usize = 50;

fn moving() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "project event",
        "the record is being changed by others; try again",
    )
}

impl Inner {
    pub(super) async fn project_event(&self, offered: &EventProjection) -> Result<Applied> {
        let counter = self.project_counter(offered).await?;
        let copy = self.project_copy(offered).await?;
        Ok(Applied { copy, counter })
    }

    async fn project_counter(&self, offered: &EventProjection) -> Result<bool> {
        let event = &offered.record.event.id;
        let link = &self.link;
        let mut patience = Patience::new(&self.config);
        for _ in 0..TRIES {
            let filter = doc! { "_id": event_id(event) };
            let found = link
                .find_one("project event", &link.inventory, filter, Some(shown()))
                .await?;
            let stored = found.map(|document| counter_of(Fields(&document))).transpose()?;
            let Some(wanted) = merge_counter(stored.as_ref(), offered) else {
                return Ok(false);
            };
            let written = match stored {
                None => {
                    let document = counters::document(event, &wanted);
                    link.insert("project event", &link.inventory, document).await?
                }
                Some(stored) => {
                    let (filter, update) = counter_change(event, &stored, &wanted);
                    link.update("project event", &link.inventory, filter, update)
                        .await?
                }
            };
            if written {
                return Ok(true);
            }
            patience.pause().await;
        }
        Err(moving())
    }

    async fn project_copy(&self, offered: &EventProjection) -> Result<bool> {
        let event = &offered.record.event.id;
        let link = &self.link;
        let mut patience = Patience::new(&self.config);
        for _ in 0..TRIES {
            let stored = events::find(link, event).await?;
            let Some(wanted) = merge_event(stored.as_ref(), offered) else {
                return Ok(false);
            };
            let fields = event_fields(&wanted);
            let written = match stored {
                None => {
                    link.insert("project event", &link.events, fields.insertion(event.as_bytes()))
                        .await?
                }
                Some(stored) => {
                    let filter = guard(&stored);
                    link.update("project event", &link.events, filter, fields.update())
                        .await?
                }
            };
            if written {
                return Ok(true);
            }
            patience.pause().await;
        }
        Err(moving())
    }

    pub(super) async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
        let link = &self.link;
        let mut patience = Patience::new(&self.config);
        for _ in 0..TRIES {
            let stored = locations::find(link, &record.location.id).await?;
            if !merge_location(stored.as_ref(), record, mode) {
                return Ok(false);
            }
            let own = record.location.id.as_bytes();
            let fields = location_record_fields(record);
            let written = match stored {
                None => {
                    link.insert("project location", &link.locations, fields.insertion(own))
                        .await?
                }
                Some(stored) => {
                    let mut filter = doc! { "_id": id(own) };
                    filter.extend(of_version(stored.version));
                    link.update("project location", &link.locations, filter, fields.update())
                        .await?
                }
            };
            if written {
                return Ok(true);
            }
            patience.pause().await;
        }
        Err(moving())
    }
}

/// That the copy is as it was read: a version is filled in at most once.
fn guard(stored: &EventRecord) -> Document {
    let mut filter = doc! { "_id": event_id(&stored.event.id) };
    filter.extend(of_version(stored.version));
    match &stored.awaiting_location {
        Some(location) => filter.insert("awaiting", location.as_str()),
        None => filter.insert("awaiting", doc! { "$exists": false }),
    };
    filter
}

/// The change from one counter to the next, as bookings go on meanwhile: seats change by differences, and only where there
/// are any; where they become known, under the condition that nothing was sold since.
fn counter_change(event: &EventId, stored: &Counter, wanted: &Counter) -> (Document, Document) {
    let mut filter = doc! {
        "_id": event_id(event),
        "version": version(stored.version),
        "available": { "$exists": stored.available.is_some() },
    };
    let mut set = doc! { "version": version(wanted.version) };
    let mut change = doc! {
        "rev": difference(wanted.rev, stored.rev),
        "epoch": difference(wanted.epoch, stored.epoch),
    };
    let mut update = Document::new();
    if wanted.state == CounterState::Cancelled {
        set.insert("state", wanted.state.as_str());
    }
    match (stored.available, wanted.available) {
        (Some(before), Some(after)) => {
            filter.insert("capacity", capacity_of(stored));
            set.insert("capacity", capacity_of(wanted));
            change.insert("available", Bson::Int64(after - before));
        }
        (None, Some(after)) => {
            filter.insert("sold", stored.sold);
            filter.insert("held", stored.held);
            set.insert("capacity", capacity_of(wanted));
            set.insert("available", after);
        }
        (Some(_), None) => {
            filter.insert("capacity", capacity_of(stored));
            update.insert("$unset", doc! { "capacity": "", "available": "" });
        }
        (None, None) => {}
    }
    update.insert("$set", set);
    update.insert("$inc", change);
    (filter, update)
}

fn difference(wanted: u64, stored: u64) -> i64 {
    counters::number(wanted.saturating_sub(stored))
}

#[cfg(test)]
mod tests {
    use myevents_core::domain::Version;

    use super::*;

    fn change(capacity: Option<u64>, offered: Option<u64>) -> (Document, Document) {
        let mut stored = Counter::new(CounterState::Open, Version(1), capacity);
        stored.sell(3);
        let mut wanted = stored;
        wanted.set_capacity(offered);
        wanted.version = Version(2);
        wanted.rev = stored.rev + 1;
        wanted.epoch = stored.epoch + 1;
        counter_change(&EventId::from([1; 12]), &stored, &wanted)
    }

    #[test]
    fn a_known_capacity_changes_by_the_difference() {
        let (filter, update) = change(Some(10), Some(4));
        assert_eq!(filter.get_i64("capacity").ok(), Some(10));
        assert_eq!(
            update.get_document("$inc").unwrap().get_i64("available").ok(),
            Some(-6)
        );
        assert!(!update.get_document("$set").unwrap().contains_key("available"));
    }

    #[test]
    fn seats_that_become_known_are_counted_from_what_is_sold() {
        let (filter, update) = change(None, Some(4));
        assert_eq!(filter.get_i64("sold").ok(), Some(3));
        assert_eq!(
            filter.get_document("available").unwrap(),
            &doc! { "$exists": false }
        );
        assert_eq!(
            update.get_document("$set").unwrap().get_i64("available").ok(),
            Some(1)
        );
    }

    #[test]
    fn seats_that_become_unknown_go_and_what_is_sold_stays() {
        let (_, update) = change(Some(10), None);
        assert_eq!(
            update.get_document("$unset").unwrap(),
            &doc! { "capacity": "", "available": "" }
        );
        let touched = format!("{update}");
        assert!(!touched.contains("sold"), "{touched}");
    }

    #[test]
    fn every_version_ends_the_decisions_made_before() {
        for (capacity, offered) in [(Some(5), Some(5)), (Some(5), None), (None, None), (None, Some(5))] {
            let (_, update) = change(capacity, offered);
            assert_eq!(
                update.get_document("$inc").unwrap().get_i64("epoch").ok(),
                Some(1)
            );
        }
    }
}
