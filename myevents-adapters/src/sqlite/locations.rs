//! Locations: the event service's records and the booking service's copies.

use myevents_core::domain::{LocationId, LocationRecord, Text, Version};
use myevents_core::ports::{ApplyMode, Attached, Committed, Inserted, PageOf};
use myevents_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, params};

use super::codec::{self, LOCATION_COLUMNS};
use super::reader::{all, change, one, surplus};
use super::tx::Tx;

pub(super) fn add(
    tx: &Tx<'_>,
    record: &LocationRecord,
    attached: &Attached,
) -> Result<Committed<Inserted<LocationRecord>>> {
    if let Some(stored) = find(tx.connection(), &record.location.id)? {
        if stored.fingerprint != record.fingerprint {
            return Err(Error::new(
                ErrorKind::Conflict,
                "add location",
                "another location has this id",
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
    record: &LocationRecord,
    expected: Version,
    attached: &Attached,
) -> Result<Committed<()>> {
    match stored_version(tx.connection(), &record.location.id)? {
        None => {
            return Err(Error::new(
                ErrorKind::NotFound,
                "replace location",
                "no location has this id",
            ));
        }
        Some(version) if version != codec::version_to_int(expected) => {
            return Err(Error::new(
                ErrorKind::Precondition,
                "replace location",
                "the location has another version",
            ));
        }
        Some(_) => {}
    }
    write(tx.connection(), record)?;
    Ok(Committed {
        value: (),
        leased: tx.attach(attached)?,
    })
}

/// Offers an announced location to the copy.
pub(super) fn project(tx: &Tx<'_>, record: &LocationRecord, mode: ApplyMode) -> Result<bool> {
    let stored = stored_version(tx.connection(), &record.location.id)?;
    let wanted = match (stored, mode) {
        (None, _) => true,
        (Some(version), ApplyMode::Newer) => codec::version_to_int(record.version) > version,
        (Some(_), ApplyMode::FillIn) => false,
    };
    if wanted {
        write(tx.connection(), record)?;
    }
    Ok(wanted)
}

fn stored_version(connection: &Connection, id: &LocationId) -> Result<Option<i64>> {
    one(
        connection,
        "find location",
        "SELECT version FROM locations WHERE id = ?1",
        [id.as_bytes()],
        |row| codec::int(row, 0),
    )
}

fn write(connection: &Connection, record: &LocationRecord) -> Result<()> {
    change(
        connection,
        "write location",
        "INSERT INTO locations (id, version, deleted, owner, fingerprint, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted,
             owner = excluded.owner, fingerprint = excluded.fingerprint, body = excluded.body",
        params![
            record.location.id.as_bytes(),
            codec::version_to_int(record.version),
            record.deleted,
            record.owner.as_ref().map(Text::as_str),
            record.fingerprint.as_bytes(),
            codec::location_to_body(&record.location),
        ],
    )
    .map(|_| ())
}

pub(super) fn find(connection: &Connection, id: &LocationId) -> Result<Option<LocationRecord>> {
    one(
        connection,
        "find location",
        &format!("SELECT {LOCATION_COLUMNS} FROM locations WHERE id = ?1"),
        [id.as_bytes()],
        codec::location_from_row,
    )
}

pub(super) fn list(
    connection: &Connection,
    after: Option<&LocationId>,
    limit: usize,
) -> Result<PageOf<LocationRecord, LocationId>> {
    let items = all(
        connection,
        "list locations",
        &format!(
            "SELECT {LOCATION_COLUMNS} FROM locations WHERE deleted = 0 AND id > ?1 ORDER BY id LIMIT ?2"
        ),
        params![after.map_or(&[][..], LocationId::as_bytes), surplus(limit)],
        codec::location_from_row,
    )?;
    Ok(PageOf::from_surplus(items, limit, |record| {
        record.location.id.clone()
    }))
}
