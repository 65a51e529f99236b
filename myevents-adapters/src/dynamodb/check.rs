//! Verifying a store: every item decoded, every counter held against its bookings.

use std::fmt;

use myevents_core::Result;
use myevents_core::domain::EventId;

use super::codec::{booking_from_item, counter_from_item, user_from_item};
use super::item::{Item, get_flag};
use super::names::REMOVED;
use super::parcel::Parcel;
use super::records::{event_from_item, event_id, location_from_item};
use super::scan::Scan;
use super::store::Shared;

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) items: u64,
    pub(super) faults: Vec<String>,
}

/// Decodes an item, for its errors.
type Reader = fn(&Item) -> Result<()>;

const OPERATION: &str = "check store";

/// Where a list of faults is cut off.
const MOST_FAULTS: usize = 100;

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items read", self.items)?;
        for fault in self.faults.iter().take(MOST_FAULTS) {
            write!(f, "; {fault}")?;
        }
        if self.faults.len() > MOST_FAULTS {
            write!(f, "; and {} more", self.faults.len() - MOST_FAULTS)?;
        }
        Ok(())
    }
}

impl Shared {
    /// Reads all tables.
    pub(super) async fn check_all(&self) -> Result<Found> {
        let mut found = Found::default();
        let tables = &self.tables;
        let readers: [(&String, Reader); 5] = [
            (&tables.events, |item| event_from_item(item).map(|_| ())),
            (&tables.locations, |item| location_from_item(item).map(|_| ())),
            (&tables.users, |item| match get_flag(item, REMOVED)? {
                true => Ok(()),
                false => user_from_item(item).map(|_| ()),
            }),
            (&tables.bookings, |item| booking_from_item(item).map(|_| ())),
            (&tables.outbox, |item| Parcel::from_item(item).map(|_| ())),
        ];
        for (table, read) in readers {
            self.each_item(Scan::new(OPERATION, table), |item| {
                found.items += 1;
                if let Err(error) = read(item) {
                    found.faults.push(format!("{table}: {error}"));
                }
                Ok(())
            })
            .await?;
        }
        let mut counted: Vec<EventId> = Vec::new();
        self.each_item(Scan::new(OPERATION, &tables.inventory), |item| {
            found.items += 1;
            match event_id(item).and_then(|event| counter_from_item(item).map(|_| event)) {
                Ok(event) => counted.push(event),
                Err(error) => found.faults.push(format!("{}: {error}", tables.inventory)),
            }
            Ok(())
        })
        .await?;
        for event in counted {
            if let Some(reconciled) = self.reconcile(&event, false).await?
                && reconciled.drift != 0
            {
                found.faults.push(format!(
                    "the counter of event {event} is off by {} seats",
                    reconciled.drift
                ));
            }
        }
        Ok(found)
    }
}
