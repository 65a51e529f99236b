//! Users, and forgetting a person.

use myevents_core::domain::{AuditEntry, UserId, UserRecord};
use myevents_core::ports::Inserted;
use myevents_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, params};

use super::audit;
use super::codec::{self, USER_COLUMNS};
use super::reader::{change, one};
use super::tx::Tx;

pub(super) fn add(tx: &Tx<'_>, record: &UserRecord) -> Result<Inserted<UserRecord>> {
    let user = &record.user;
    if let Some(stored) = find(tx.connection(), &user.id)? {
        return if stored.fingerprint == record.fingerprint {
            Ok(Inserted::Existing(stored))
        } else {
            Err(Error::new(
                ErrorKind::Conflict,
                "add user",
                "another user has this id",
            ))
        };
    }
    change(
        tx.connection(),
        "add user",
        "DELETE FROM removed_users WHERE id = ?1",
        [user.id.as_bytes()],
    )?;
    change(
        tx.connection(),
        "add user",
        "INSERT INTO users (id, first, last, age, fingerprint) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            user.id.as_bytes(),
            user.first.as_str(),
            user.last.as_str(),
            user.age.get(),
            record.fingerprint.as_bytes(),
        ],
    )?;
    Ok(Inserted::New)
}

pub(super) fn find(connection: &Connection, id: &UserId) -> Result<Option<UserRecord>> {
    one(
        connection,
        "find user",
        &format!("SELECT {USER_COLUMNS} FROM users WHERE id = ?1"),
        [id.as_bytes()],
        codec::user_from_row,
    )
}

/// Removes what names the person; the bookings stay, and the counters know nothing of persons.
pub(super) fn remove(tx: &Tx<'_>, id: &UserId, entry: Option<&AuditEntry>) -> Result<bool> {
    change(
        tx.connection(),
        "remove user",
        "UPDATE bookings SET user = NULL, name = NULL, email = NULL, person = NULL WHERE user = ?1",
        [id.as_bytes()],
    )?;
    change(
        tx.connection(),
        "remove user",
        "INSERT OR IGNORE INTO removed_users (id) VALUES (?1)",
        [id.as_bytes()],
    )?;
    let removed = change(
        tx.connection(),
        "remove user",
        "DELETE FROM users WHERE id = ?1",
        [id.as_bytes()],
    )? > 0;
    if removed {
        audit::append(tx, entry)?;
    }
    Ok(removed)
}

/// Whether the person was removed.
pub(super) fn is_removed(connection: &Connection, id: &UserId) -> Result<bool> {
    let found = one(
        connection,
        "book",
        "SELECT 1 FROM removed_users WHERE id = ?1",
        [id.as_bytes()],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}
