//! Events: the event service's records and the booking service's copies share one table.

use myevents_core::domain::{EventId, EventRecord, Text, Version};
use myevents_core::ports::{Attached, Committed, EventCursor, EventFilter, Inserted, PageOf};
use myevents_core::{Error, ErrorKind, Result};
use rusqlite::types::ToSql;
use rusqlite::{Connection, named_params, params};

use super::codec::{self, EVENT_COLUMNS};
use super::reader::{all, change, one, surplus};
use super::tx::Tx;

pub(super) fn add(
    tx: &Tx<'_>,
    record: &EventRecord,
    attached: &Attached,
) -> Result<Committed<Inserted<EventRecord>>> {
    if let Some(stored) = find(tx.connection(), &record.event.id)? {
        if stored.fingerprint != record.fingerprint {
            return Err(Error::new(
                ErrorKind::Conflict,
                "add event",
                "another event has this id",
            ));
        }
        if let Some(mark) = &attached.mark {
            tx.complete(mark)?;
        }
        return Ok(Committed::quiet(Inserted::Existing(stored)));
    }
    write(tx.connection(), record)?;
    Ok(Committed {
        value: Inserted::New,
        leased: tx.attach(attached)?,
    })
}

pub(super) fn replace(
    tx: &Tx<'_>,
    record: &EventRecord,
    expected: Version,
    attached: &Attached,
) -> Result<Committed<()>> {
    expect_version(tx.connection(), "replace event", &record.event.id, expected)?;
    write(tx.connection(), record)?;
    Ok(Committed {
        value: (),
        leased: tx.attach(attached)?,
    })
}

pub(super) fn announce(
    tx: &Tx<'_>,
    id: &EventId,
    expected: Version,
    attached: &Attached,
) -> Result<Committed<()>> {
    expect_version(tx.connection(), "announce event", id, expected)?;
    Ok(Committed {
        value: (),
        leased: tx.attach(attached)?,
    })
}

fn expect_version(
    connection: &Connection,
    operation: &'static str,
    id: &EventId,
    expected: Version,
) -> Result<()> {
    let stored = one(
        connection,
        operation,
        "SELECT version FROM events WHERE id = ?1",
        [id.as_bytes()],
        |row| codec::int(row, 0),
    )?;
    match stored {
        None => Err(Error::new(ErrorKind::NotFound, operation, "no event has this id")),
        Some(version) if version != codec::version_to_int(expected) => Err(Error::new(
            ErrorKind::Precondition,
            operation,
            "the event has another version",
        )),
        Some(_) => Ok(()),
    }
}

/// Writes a record whole, whatever is there.
pub(super) fn write(connection: &Connection, record: &EventRecord) -> Result<()> {
    change(
        connection,
        "write event",
        "INSERT INTO events (id, version, start, cancelled, name, search, awaiting, owner, fingerprint, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, start = excluded.start,
             cancelled = excluded.cancelled, name = excluded.name, search = excluded.search,
             awaiting = excluded.awaiting, owner = excluded.owner, fingerprint = excluded.fingerprint,
             body = excluded.body",
        params![
            record.event.id.as_bytes(),
            codec::version_to_int(record.version),
            record.event.start.get(),
            record.event.cancelled,
            record.event.name.as_str(),
            codec::event_search(&record.event),
            record.awaiting_location.as_ref().map(Text::as_str),
            record.owner.as_ref().map(Text::as_str),
            record.fingerprint.as_bytes(),
            codec::event_to_body(&record.event),
        ],
    )?;
    change(
        connection,
        "write event",
        "INSERT INTO meta (key, value) VALUES ('events_revision', 1)
         ON CONFLICT (key) DO UPDATE SET value = value + 1",
        [],
    )
    .map(|_| ())
}

/// How many times an event was written to this file. It changes in the transaction that changes the event.
pub(super) fn revision(connection: &Connection) -> Result<u64> {
    let stored = one(
        connection,
        "read revision of events",
        "SELECT value FROM meta WHERE key = 'events_revision'",
        [],
        |row| codec::int(row, 0),
    )?;
    Ok(stored.map_or(0, i64::cast_unsigned))
}

pub(super) fn find(connection: &Connection, id: &EventId) -> Result<Option<EventRecord>> {
    one(
        connection,
        "find event",
        &format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1"),
        [id.as_bytes()],
        codec::event_from_row,
    )
}

pub(super) fn find_by_name(connection: &Connection, name: &str) -> Result<Option<EventRecord>> {
    one(
        connection,
        "find event by name",
        &format!(
            "SELECT {EVENT_COLUMNS} FROM events WHERE cancelled = 0 AND name = ?1 ORDER BY start, id LIMIT 1"
        ),
        [name],
        codec::event_from_row,
    )
}

pub(super) fn list(
    connection: &Connection,
    filter: &EventFilter,
    after: Option<&EventCursor>,
    limit: usize,
) -> Result<PageOf<EventRecord, EventCursor>> {
    // The position and the lower bound of the filter meet in one row value, so that the index is entered where the page
    // begins, however far back that is.
    let mut sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE ");
    let from = filter.from.map_or(i64::MIN, |from| from.get());
    let (start, id): (i64, &[u8]) = match after {
        Some(cursor) if cursor.start.get() >= from => (cursor.start.get(), cursor.id.as_bytes()),
        // No id is empty, so every event of that second comes after it.
        _ => (from, &[]),
    };
    sql.push_str("(start, id) > (:start, :id)");
    let to = filter.to.map(|to| to.get());
    let needle = filter.text.as_ref().map(|text| text.to_lowercase());
    let take = surplus(limit);
    let mut bound: Vec<(&str, &dyn ToSql)> = vec![(":start", &start), (":id", &id), (":take", &take)];
    if let Some(to) = &to {
        sql.push_str(" AND start <= :to");
        bound.push((":to", to));
    }
    if !filter.with_cancelled {
        sql.push_str(" AND cancelled = 0");
    }
    if let Some(needle) = &needle {
        sql.push_str(" AND instr(search, :text) > 0");
        bound.push((":text", needle));
    }
    sql.push_str(" ORDER BY start, id LIMIT :take");
    let items = all(
        connection,
        "list events",
        &sql,
        bound.as_slice(),
        codec::event_from_row,
    )?;
    Ok(PageOf::from_surplus(items, limit, |record| EventCursor {
        start: record.event.start,
        id: record.event.id.clone(),
    }))
}

pub(super) fn awaiting(
    connection: &Connection,
    location: &Text,
    after: Option<&EventId>,
    limit: usize,
) -> Result<Vec<EventRecord>> {
    all(
        connection,
        "list waiting events",
        &format!(
            "SELECT {EVENT_COLUMNS} FROM events WHERE awaiting = :location AND id > :after ORDER BY id LIMIT :limit"
        ),
        named_params! {
            ":location": location.as_str(),
            ":after": after.map_or(&[][..], EventId::as_bytes),
            ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
        },
        codec::event_from_row,
    )
}
