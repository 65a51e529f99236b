//! Confirms: a parcel of which everything is confirmed is deleted unread; of others the confirmed part is kept in memory for a
//! moment, as the rest mostly follows, and then taken out.
//!
//! What is lost of it with the process means that these messages are sent once more, nothing worse.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use myevents_core::ports::OutboxRow;
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;

use super::client::rest;
use super::edit::Touched;
use super::error::{fault, unbuilt};
use super::ids::{Place, Row};
use super::parcel::parcel_key;
use super::store::Shared;

/// How many deletions one call carries.
const MAX_DELETES: usize = 25;

/// How long the confirmed part of a parcel waits for the rest.
const WAIT: Duration = Duration::from_millis(250);

/// Which messages are confirmed and still in the table.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    parts: Mutex<HashMap<Place, HashSet<u16>>>,
    flushing: AtomicBool,
}

impl Confirms {
    /// Adds rows; answers the parcels that are complete now, which are no longer kept here.
    fn add(&self, rows: impl Iterator<Item = Row>) -> Vec<Place> {
        let mut parts = self.parts.lock();
        let mut complete = Vec::new();
        for row in rows {
            if row.total <= 1 {
                complete.push(row.place);
                continue;
            }
            let part = parts.entry(row.place).or_default();
            part.insert(row.index);
            if part.len() >= usize::from(row.total) {
                parts.remove(&row.place);
                complete.push(row.place);
            }
        }
        complete.sort_unstable();
        complete.dedup();
        complete
    }

    pub(super) fn take(&self, place: Place) -> HashSet<u16> {
        self.parts.lock().remove(&place).unwrap_or_default()
    }

    pub(super) fn put_back(&self, place: Place, rows: HashSet<u16>) {
        if !rows.is_empty() {
            self.parts.lock().entry(place).or_default().extend(rows);
        }
    }

    fn places(&self) -> Vec<Place> {
        self.parts.lock().keys().copied().collect()
    }
}

impl Shared {
    pub(super) async fn confirm(self: &Arc<Self>, rows: &[OutboxRow]) -> Result<()> {
        let complete = self
            .confirms
            .add(rows.iter().filter_map(|row| Row::parse(&row.id)));
        for part in complete.chunks(MAX_DELETES) {
            self.delete_parcels(part).await?;
        }
        if !self.confirms.places().is_empty() && !self.confirms.flushing.swap(true, Ordering::SeqCst) {
            let store = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(WAIT).await;
                store.confirms.flushing.store(false, Ordering::SeqCst);
                if let Err(error) = store.flush_confirms().await {
                    tracing::debug!(%error, "confirms were not stored; these messages may be sent again");
                }
            });
        }
        Ok(())
    }

    /// Takes out what is confirmed of parcels that are not complete.
    pub(super) async fn flush_confirms(&self) -> Result<()> {
        for place in self.confirms.places() {
            self.edit(place, |_| ((), Touched::Nothing)).await?;
        }
        Ok(())
    }

    /// Deletes parcels whole, whoever holds what of them.
    async fn delete_parcels(&self, places: &[Place]) -> Result<()> {
        let mut requests = places
            .iter()
            .map(|place| {
                let delete = DeleteRequest::builder()
                    .set_key(Some(parcel_key(*place)))
                    .build()
                    .map_err(unbuilt)?;
                Ok(WriteRequest::builder().delete_request(delete).build())
            })
            .collect::<Result<Vec<_>>>()?;
        let mut tries = 0;
        while !requests.is_empty() {
            if tries > 0 {
                if tries > 8 {
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "confirm messages",
                        "DynamoDB throttles; raise the table's capacity or wait",
                    ));
                }
                rest(tries).await;
            }
            tries += 1;
            let sent = self
                .clients
                .writes
                .batch_write_item()
                .request_items(&self.tables.outbox, requests)
                .send()
                .await
                .map_err(|error| fault("confirm messages", error).of_read())?;
            requests = sent
                .unprocessed_items
                .and_then(|mut left| left.remove(&self.tables.outbox))
                .unwrap_or_default();
        }
        let mut held = self.held.lock();
        for place in places {
            held.remove(place);
        }
        Ok(())
    }

    /// Gives back every lease of this instance.
    pub(super) async fn give_back_all(&self) -> Result<()> {
        self.flush_confirms().await?;
        let places: Vec<Place> = self.held.lock().iter().copied().collect();
        for place in places {
            self.edit(place, |parcel| {
                let before = parcel.holds.len();
                parcel.holds.retain(|hold| !self.is_ours(hold.token));
                let touched = if parcel.holds.len() == before {
                    Touched::Nothing
                } else {
                    Touched::Holds
                };
                ((), touched)
            })
            .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_is_complete_when_every_message_of_it_is_confirmed() {
        let confirms = Confirms::default();
        let row = |id, index, total| Row {
            place: Place { id, shard: 0 },
            index,
            total,
        };
        assert_eq!(confirms.add([row(1, 0, 1)].into_iter()).len(), 1);
        assert!(
            confirms
                .add([row(2, 0, 3), row(2, 1, 3), row(2, 1, 3)].into_iter())
                .is_empty()
        );
        let place = Place { id: 2, shard: 0 };
        let part = confirms.take(place);
        assert_eq!(part.len(), 2);
        confirms.put_back(place, part);
        assert_eq!(confirms.add([row(2, 2, 3)].into_iter()), [place]);
        assert!(confirms.places().is_empty());
    }
}
