//! Locations: as events, and the copies that the booking service keeps.

use myevents_core::Result;
use myevents_core::counter::merge_location;
use myevents_core::domain::{LocationId, LocationRecord, Version};
use myevents_core::ports::ApplyMode;

use super::codec::{key, rev};
use super::events::{MOST_TRIES, Versioned};
use super::expression::Expression;
use super::item::{Item, number};
use super::names::*;
use super::pack::pack;
use super::records::{BULKY_OF_LOCATION, OPTIONAL_OF_LOCATION, location_from_item, location_to_item};
use super::store::{Shared, too_busy};
use super::transact::{Reason, Verdict, transact};

impl Versioned for LocationRecord {
    const WORD: &'static str = "location";
    const OPTIONAL: &'static [&'static str] = OPTIONAL_OF_LOCATION;
    const BULKY: &'static [&'static str] = BULKY_OF_LOCATION;

    fn version(&self) -> Version {
        self.version
    }

    fn entity(&self) -> String {
        self.location.id.to_string()
    }

    fn same_request(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    fn to_item(&self) -> Item {
        location_to_item(self)
    }

    fn from_item(item: &Item) -> Result<Self> {
        location_from_item(item)
    }
}

impl Shared {
    pub(super) async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>> {
        let item = self
            .clients
            .get("find location", &self.tables.locations, key(id.as_bytes()))
            .await?;
        item.as_ref().map(location_from_item).transpose()
    }

    /// Offers an announced location to the copy.
    pub(super) async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
        let table = &self.tables.locations;
        let id = record.location.id.as_bytes();
        let item = pack("store location", location_to_item(record), BULKY_OF_LOCATION)?;
        for _ in 0..MOST_TRIES {
            let stored = self.clients.get("store location", table, key(id)).await?;
            let read = stored.as_ref().map(location_from_item).transpose()?;
            if !merge_location(read.as_ref(), record, mode) {
                return Ok(false);
            }
            let change = Expression::new().add(REV, 1);
            let change = match &stored {
                Some(stored) => change.when_present(ID).when_is(REV, rev(stored)?),
                None => change.when_absent(ID),
            };
            let action = match &stored {
                Some(_) => change
                    .become_item(item.clone(), &[ID], OPTIONAL_OF_LOCATION)
                    .update(table, key(id))?,
                None => {
                    let mut item = item.clone();
                    item.insert(REV.into(), number(1));
                    Expression::new().when_absent(ID).put(table, item)?
                }
            };
            let sent = transact(
                &self.clients,
                "store location",
                vec![action],
                self.end_of_patience(),
            );
            match sent.await? {
                Verdict::Applied => return Ok(true),
                Verdict::Refused(error) => return Err(error),
                Verdict::Cancelled(reasons) => {
                    if let Some(Reason::Invalid(error)) = reasons.into_iter().next() {
                        return Err(error);
                    }
                }
            }
        }
        Err(too_busy("store location"))
    }
}
