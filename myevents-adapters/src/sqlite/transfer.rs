//! Moving between stores: lists that the ports lack, bookings and parked messages as they are, the secret of derived ids.

use myevents_core::domain::{Booking, IdSecret, LocationId, LocationRecord, UserId, UserRecord};
use myevents_core::ports::{Inserted, PageOf, ParkedMessage};
use myevents_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, params};

use super::bookings::Insert;
use super::codec::{self, LOCATION_COLUMNS, USER_COLUMNS};
use super::error::{during, malformed};
use super::reader::{all, change, one, surplus};
use super::tx::{Appender, Tx};
use super::{bookings, users};

pub(super) fn locations(
    connection: &Connection,
    after: Option<&LocationId>,
    limit: usize,
) -> Result<PageOf<LocationRecord, LocationId>> {
    let items = all(
        connection,
        "list locations",
        &format!("SELECT {LOCATION_COLUMNS} FROM locations WHERE id > ?1 ORDER BY id LIMIT ?2"),
        params![after.map_or(&[][..], LocationId::as_bytes), surplus(limit)],
        codec::location_from_row,
    )?;
    Ok(PageOf::from_surplus(items, limit, |record| {
        record.location.id.clone()
    }))
}

pub(super) fn users(
    connection: &Connection,
    after: Option<&UserId>,
    limit: usize,
) -> Result<PageOf<UserRecord, UserId>> {
    let items = all(
        connection,
        "list users",
        &format!("SELECT {USER_COLUMNS} FROM users WHERE id > ?1 ORDER BY id LIMIT ?2"),
        params![after.map_or(&[][..], UserId::as_bytes), surplus(limit)],
        codec::user_from_row,
    )?;
    Ok(PageOf::from_surplus(items, limit, |record| {
        record.user.id.clone()
    }))
}

pub(super) fn removed_users(
    connection: &Connection,
    after: Option<&UserId>,
    limit: usize,
) -> Result<PageOf<UserId, UserId>> {
    let items = all(
        connection,
        "list removed users",
        "SELECT id FROM removed_users WHERE id > ?1 ORDER BY id LIMIT ?2",
        params![after.map_or(&[][..], UserId::as_bytes), surplus(limit)],
        |row| {
            UserId::from_bytes(codec::blob(row, 0)?).map_err(|_| malformed("the id of a user is not an id"))
        },
    )?;
    Ok(PageOf::from_surplus(items, limit, Clone::clone))
}

/// Takes `secret` in place of the store's own, while no record depends on that.
pub(super) fn adopt_id_secret(tx: &Tx<'_>, secret: &IdSecret) -> Result<()> {
    let found = one(
        tx.connection(),
        "adopt id secret",
        "SELECT (SELECT value FROM meta WHERE key = 'id_secret') = ?1,
                EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM locations) OR EXISTS (SELECT 1 FROM users)
                OR EXISTS (SELECT 1 FROM removed_users) OR EXISTS (SELECT 1 FROM bookings)",
        params![secret.expose()],
        |row| Ok((codec::int(row, 0)? != 0, codec::int(row, 1)? != 0)),
    )?;
    match found {
        Some((true, _)) => Ok(()),
        Some((false, true)) => Err(Error::new(
            ErrorKind::Conflict,
            "adopt id secret",
            "the store is not empty, and what it holds depends on its own secret",
        )),
        _ => change(
            tx.connection(),
            "adopt id secret",
            "UPDATE meta SET value = ?1 WHERE key = 'id_secret'",
            params![secret.expose()],
        )
        .map(|_| ()),
    }
}

pub(super) fn import_bookings(tx: &Tx<'_>, given: &[Booking]) -> Result<Vec<Result<Inserted<Booking>>>> {
    let mut insert = Insert::new(tx)?;
    let mut results = Vec::with_capacity(given.len());
    for booking in given {
        let mut booking = booking.clone();
        if let Some(user) = &booking.user
            && users::is_removed(tx.connection(), user)?
        {
            booking.forget_person();
        }
        if insert.run(&booking)? {
            results.push(Ok(Inserted::New));
            continue;
        }
        results.push(match bookings::find(tx.connection(), &booking.id)? {
            Some(stored) if stored.fingerprint == booking.fingerprint => Ok(Inserted::Existing(stored)),
            _ => Err(Error::new(
                ErrorKind::Conflict,
                "import bookings",
                "another booking has this id",
            )),
        });
    }
    Ok(results)
}

pub(super) fn import_parked(tx: &Tx<'_>, messages: &[ParkedMessage]) -> Result<()> {
    let op = during("import messages");
    let mut appender = Appender::new(tx)?;
    let connection = tx.connection();
    // Rare, and by hand: no index is kept for it.
    let mut present = connection
        .prepare_cached("SELECT 1 FROM outbox WHERE message = ?1 LIMIT 1")
        .map_err(op)?;
    let mut park = connection
        .prepare_cached("UPDATE outbox SET parked = ?2, token = NULL, lease = 0 WHERE seq = ?1")
        .map_err(op)?;
    for message in messages {
        if present.exists([message.envelope.id().as_str()]).map_err(op)? {
            continue;
        }
        let (seq, _) = appender.insert(&message.envelope)?;
        park.execute(params![seq, message.reason]).map_err(op)?;
    }
    Ok(())
}
