//! Verifying the store: the counters against the bookings, and what is left half-done.

use std::fmt;

use mongodb::bson::doc;
use myevents_core::Result;
use myevents_core::domain::EventId;
use myevents_core::ports::Reconciliation;

use super::error::Sends;
use super::store::{Inner, MongoStore};

/// How many counters of one page.
const PAGE: i64 = 1_000;

/// What a check of the store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MongoReport {
    /// How many counters were held against their bookings.
    pub counters: u64,
    /// The counters that are off.
    pub drifts: Vec<Reconciliation>,
    /// Events that could not be checked, and why: they are being booked, or hold an entry that can't be carried out.
    pub unchecked: Vec<(EventId, String)>,
    /// Entries that are older than a minute: nobody carries them out, or nobody can.
    pub unfinished: u64,
}

impl MongoReport {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.drifts.is_empty() && self.unchecked.is_empty() && self.unfinished == 0
    }
}

impl fmt::Display for MongoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for drift in &self.drifts {
            writeln!(
                f,
                "counter of event {} is off by {}: sold {}, confirmed bookings hold {}",
                drift.event, drift.drift, drift.sold, drift.confirmed
            )?;
        }
        for (event, why) in &self.unchecked {
            writeln!(f, "counter of event {event} was not checked: {why}")?;
        }
        if self.unfinished > 0 {
            writeln!(
                f,
                "{} bookings or cancels are committed and not carried out",
                self.unfinished
            )?;
        }
        let word = if self.is_sound() { "sound" } else { "not sound" };
        write!(f, "{word}: {} counters checked", self.counters)
    }
}

impl MongoStore {
    /// Verifies every counter against its bookings, one after the other, while services go on.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    pub async fn check_store(&self) -> Result<MongoReport> {
        self.run("check store", |inner| async move { inner.check().await })
            .await
    }
}

impl Inner {
    async fn check(&self) -> Result<MongoReport> {
        let mut report = MongoReport::default();
        let mut after: Option<EventId> = None;
        loop {
            let events = self.counted_events(after.as_ref(), PAGE).await?;
            let Some(last) = events.last() else { break };
            after = Some(last.clone());
            for event in events {
                report.counters += 1;
                match self.reconcile(&event, false).await {
                    Ok(Some(found)) if found.drift != 0 => report.drifts.push(found),
                    Ok(_) => {}
                    Err(error) => report.unchecked.push((event, error.to_string())),
                }
            }
        }
        report.unfinished = self.unfinished().await?;
        Ok(report)
    }

    /// Entries older than a minute.
    pub(super) async fn unfinished(&self) -> Result<u64> {
        let oldest = self.now().0.saturating_sub(60_000);
        let inventory = self.link.inventory.clone();
        let work = async move {
            inventory
                .count_documents(doc! { "pending.at": { "$lt": oldest } })
                .await
        };
        self.link
            .call("count unfinished bookings", Sends::Read, work)
            .await
    }
}
