//! The counters of events as rows; the rules are core's.

use myevents_core::Result;
use myevents_core::counter::{Counter, CounterState};
use myevents_core::domain::{EventId, Version};
use rusqlite::{Connection, params};

use super::codec;
use super::reader::{change, one};

pub(super) fn load(connection: &Connection, event: &EventId) -> Result<Option<Counter>> {
    one(
        connection,
        "read counter",
        "SELECT cancelled, version, capacity, sold, held, available, rev, epoch FROM inventory WHERE event = ?1",
        [event.as_bytes()],
        |row| {
            Ok(Counter {
                state: if codec::int(row, 0)? == 0 {
                    CounterState::Open
                } else {
                    CounterState::Cancelled
                },
                version: Version(codec::int(row, 1)?.cast_unsigned()),
                capacity: codec::optional_int(row, 2)?.map(i64::cast_unsigned),
                sold: codec::int(row, 3)?,
                held: codec::int(row, 4)?,
                available: codec::optional_int(row, 5)?,
                rev: codec::int(row, 6)?.cast_unsigned(),
                epoch: codec::int(row, 7)?.cast_unsigned(),
            })
        },
    )
}

pub(super) fn store(connection: &Connection, event: &EventId, counter: &Counter) -> Result<()> {
    change(
        connection,
        "write counter",
        "INSERT INTO inventory (event, cancelled, version, capacity, sold, held, available, rev, epoch)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (event) DO UPDATE SET cancelled = excluded.cancelled, version = excluded.version,
             capacity = excluded.capacity, sold = excluded.sold, held = excluded.held,
             available = excluded.available, rev = excluded.rev, epoch = excluded.epoch",
        params![
            event.as_bytes(),
            counter.state == CounterState::Cancelled,
            counter.version.0.cast_signed(),
            counter.capacity.map(u64::cast_signed),
            counter.sold,
            counter.held,
            counter.available,
            counter.rev.cast_signed(),
            counter.epoch.cast_signed(),
        ],
    )
    .map(|_| ())
}

/// The seats of all confirmed bookings of an event.
pub(super) fn confirmed(connection: &Connection, event: &EventId) -> Result<i64> {
    let sum = one(
        connection,
        "count seats",
        "SELECT coalesce(sum(seats), 0) FROM bookings WHERE event = ?1 AND state = 'confirmed'",
        [event.as_bytes()],
        |row| codec::int(row, 0),
    )?;
    Ok(sum.unwrap_or(0))
}
