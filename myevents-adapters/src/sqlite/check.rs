//! Verifying the store: the file itself, the counters against the bookings, the messages against their records.

use std::fmt;

use myevents_core::Result;
use myevents_core::domain::EventId;
use myevents_core::ports::Reconciliation;
use rusqlite::Connection;

use super::error::during;
use super::reader::{one, snapshot};
use super::store::SqliteStore;
use super::{bookings, codec};

/// What a check of the store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreReport {
    /// Damage of the file, in SQLite's words; empty = none.
    pub damage: Vec<String>,
    /// How many counters were held against their bookings.
    pub counters: u64,
    /// The counters that are off.
    pub drifts: Vec<Reconciliation>,
    /// Confirmed bookings whose event has no counter.
    pub uncounted: u64,
    /// Messages about a booking that is not there.
    pub orphan_messages: u64,
}

impl StoreReport {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.drifts.is_empty() && self.uncounted == 0 && self.orphan_messages == 0
    }
}

impl fmt::Display for StoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.damage {
            writeln!(f, "damaged: {line}")?;
        }
        for drift in &self.drifts {
            writeln!(
                f,
                "counter of event {} is off by {}: sold {}, confirmed bookings hold {}",
                drift.event, drift.drift, drift.sold, drift.confirmed
            )?;
        }
        if self.uncounted > 0 {
            writeln!(
                f,
                "{} confirmed bookings of events without counter",
                self.uncounted
            )?;
        }
        if self.orphan_messages > 0 {
            writeln!(
                f,
                "{} messages about bookings that are not there",
                self.orphan_messages
            )?;
        }
        write!(
            f,
            "{}: {} counters checked",
            if self.is_sound() { "sound" } else { "not sound" },
            self.counters
        )
    }
}

impl SqliteStore {
    /// Verifies everything: SQLite's own `integrity_check`, every counter, every waiting message. Reads the whole file
    /// at one moment's state; the service goes on meanwhile.
    ///
    /// # Errors
    /// `Unavailable`; `Malformed` when the file is too damaged to be read through.
    pub async fn check_store(&self) -> Result<StoreReport> {
        self.read(|connection| snapshot(connection, check)).await
    }

    /// SQLite's `quick_check`: damage of the file, in its words; empty = none. Meant to run in the background once the
    /// service is ready.
    ///
    /// # Errors
    /// `Unavailable`; `Malformed` when the file is too damaged to be read through.
    pub async fn quick_check(&self) -> Result<Vec<String>> {
        self.read(|connection| pragma_check(connection, "PRAGMA quick_check(100)"))
            .await
    }

    /// The events that have a counter, by id, from after `after`: for holding all counters against their bookings.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    pub async fn counted_events(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<EventId>> {
        let after = after.map_or_else(Vec::new, |event| event.as_bytes().to_vec());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| bookings::counted_events(connection, &after, limit))
            .await
    }
}

fn check(connection: &Connection) -> Result<StoreReport> {
    let mut report = StoreReport {
        damage: pragma_check(connection, "PRAGMA integrity_check(100)")?,
        ..StoreReport::default()
    };
    let mut after = Vec::new();
    loop {
        let events = bookings::counted_events(connection, &after, 1_000)?;
        let Some(last) = events.last() else { break };
        after = last.as_bytes().to_vec();
        for event in &events {
            report.counters += 1;
            if let Some(found) = bookings::reconcile(connection, event)?
                && found.drift != 0
            {
                report.drifts.push(found);
            }
        }
    }
    report.uncounted = count(
        connection,
        "SELECT count(*) FROM bookings AS b WHERE state = 'confirmed'
         AND NOT EXISTS (SELECT 1 FROM inventory WHERE event = b.event)",
    )?;
    report.orphan_messages = count(
        connection,
        "SELECT count(*) FROM outbox AS o WHERE name IN ('event.booked', 'booking.cancelled')
         AND NOT EXISTS (SELECT 1 FROM bookings WHERE id = unhex(o.entity))",
    )?;
    Ok(report)
}

fn count(connection: &Connection, sql: &str) -> Result<u64> {
    let count = one(connection, "check store", sql, [], |row| codec::int(row, 0))?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// The lines of a check but for the single `ok`.
pub(super) fn pragma_check(connection: &Connection, sql: &str) -> Result<Vec<String>> {
    let op = during("check store");
    let mut statement = connection.prepare(sql).map_err(op)?;
    let lines = statement
        .query_map([], |row| row.get::<_, String>(0))
        .map_err(op)?
        .collect::<rusqlite::Result<Vec<_>>>()
        .map_err(op)?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
