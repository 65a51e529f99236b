//! The audit log: rows that are only ever added, which triggers see to.

use myevents_core::Result;
use myevents_core::contract::{audit_from_json, audit_to_json};
use myevents_core::domain::{AuditEntry, Id};
use myevents_core::ports::{AuditCursor, AuditFilter, PageOf};
use rusqlite::types::ToSql;
use rusqlite::{Connection, params};

use super::codec;
use super::reader::{all, change, surplus};
use super::tx::Tx;

/// Stores the line of a write that changed something, if it has one.
pub(super) fn append(tx: &Tx<'_>, entry: Option<&AuditEntry>) -> Result<()> {
    match entry {
        Some(entry) => add(tx, entry, "INSERT INTO").map(drop),
        None => Ok(()),
    }
}

/// Answers whether it was not there.
fn add(tx: &Tx<'_>, entry: &AuditEntry, verb: &str) -> Result<bool> {
    let added = change(
        tx.connection(),
        "write audit log",
        &format!("{verb} audit (id, time, object, entry) VALUES (?1, ?2, ?3, ?4)"),
        params![
            entry.id.as_bytes(),
            entry.time.0,
            entry.object.as_bytes(),
            audit_to_json(entry),
        ],
    )?;
    Ok(added > 0)
}

/// Stores lines of another store as they are; answers how many were not there.
pub(super) fn import(tx: &Tx<'_>, entries: &[AuditEntry]) -> Result<u64> {
    let mut added = 0;
    for entry in entries {
        added += u64::from(add(tx, entry, "INSERT OR IGNORE INTO")?);
    }
    Ok(added)
}

pub(super) fn list(
    connection: &Connection,
    filter: &AuditFilter,
    after: Option<&AuditCursor>,
    limit: usize,
) -> Result<PageOf<AuditEntry, AuditCursor>> {
    // Newest first: the page begins below the cursor or, without one, below everything up to the last millisecond.
    let (since, until) = filter.range();
    let end = until.0.saturating_add(1);
    let (time, id): (i64, &[u8]) = match after {
        Some(cursor) if cursor.time.0 < end => (cursor.time.0, cursor.id.as_bytes()),
        _ => (end, &[]),
    };
    let mut sql = "SELECT entry FROM audit WHERE (time, id) < (:time, :id) AND time >= :since".to_owned();
    let (since, take) = (since.0, surplus(limit));
    let object = filter.object.as_ref().map(Id::as_bytes);
    let mut bound: Vec<(&str, &dyn ToSql)> = vec![
        (":time", &time),
        (":id", &id),
        (":since", &since),
        (":take", &take),
    ];
    if let Some(object) = &object {
        sql.push_str(" AND object = :object");
        bound.push((":object", object));
    }
    sql.push_str(" ORDER BY time DESC, id DESC LIMIT :take");
    let items = all(connection, "list audit log", &sql, bound.as_slice(), |row| {
        audit_from_json(codec::text(row, 0)?)
    })?;
    Ok(PageOf::from_surplus(items, limit, |entry: &AuditEntry| {
        entry.into()
    }))
}
