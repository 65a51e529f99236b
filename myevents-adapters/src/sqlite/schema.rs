//! The tables and their versions: how a file is made, brought up to date, and recognised as ours.

use std::path::Path;

use myevents_core::domain::IdSecret;
use myevents_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::config::SqliteConfig;
use super::error::{during, fault};
use super::private;

/// Step `n` brings a file from version `n` to `n + 1`. Steps are never edited once released: a new one is added.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6];

/// The version of the files this program writes.
pub(super) const CURRENT: i64 = MIGRATIONS.len() as i64;

/// Bookings and messages are rows in the order they were made, so that a batch fills few pages; only the small index on
/// the (random) booking id is written all over the place. Where a table is read by its key alone it has no row ids.
const VERSION_1: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE events (
    id BLOB PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    start INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    name TEXT NOT NULL,
    search TEXT NOT NULL,
    awaiting TEXT,
    owner TEXT,
    fingerprint BLOB NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX events_by_start ON events (start, id, cancelled);
CREATE INDEX events_by_name ON events (name, start, id) WHERE cancelled = 0;
CREATE INDEX events_awaiting ON events (awaiting, id) WHERE awaiting IS NOT NULL;

CREATE TABLE locations (
    id BLOB PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    owner TEXT,
    fingerprint BLOB NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
    id BLOB PRIMARY KEY NOT NULL,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    age INTEGER NOT NULL,
    fingerprint BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE inventory (
    event BLOB PRIMARY KEY NOT NULL,
    cancelled INTEGER NOT NULL,
    version INTEGER NOT NULL,
    capacity INTEGER,
    sold INTEGER NOT NULL,
    held INTEGER NOT NULL,
    available INTEGER,
    rev INTEGER NOT NULL,
    epoch INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE bookings (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    event BLOB NOT NULL,
    user BLOB,
    name TEXT,
    email TEXT,
    seats INTEGER NOT NULL,
    date INTEGER NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    person TEXT
);
CREATE INDEX bookings_by_event ON bookings (event, date, id);
CREATE INDEX bookings_by_user ON bookings (user, date, id) WHERE user IS NOT NULL;
CREATE INDEX bookings_by_person ON bookings (event, person) WHERE person IS NOT NULL;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    token BLOB,
    lease INTEGER NOT NULL,
    parked TEXT,
    written INTEGER NOT NULL,
    message TEXT NOT NULL,
    name TEXT NOT NULL,
    time INTEGER NOT NULL,
    headers TEXT,
    content_type TEXT,
    body BLOB NOT NULL
);
CREATE INDEX outbox_by_entity ON outbox (entity);
CREATE INDEX outbox_parked ON outbox (seq) WHERE parked IS NOT NULL;

CREATE TABLE inbox (
    consumer TEXT NOT NULL,
    message TEXT NOT NULL,
    done INTEGER,
    token BLOB,
    lease INTEGER NOT NULL,
    PRIMARY KEY (consumer, message)
) WITHOUT ROWID;
CREATE INDEX inbox_done ON inbox (done) WHERE done IS NOT NULL;

CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer TEXT NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    at INTEGER NOT NULL,
    entity TEXT NOT NULL,
    message TEXT NOT NULL,
    name TEXT NOT NULL,
    time INTEGER NOT NULL,
    headers TEXT,
    content_type TEXT,
    body BLOB NOT NULL,
    due INTEGER NOT NULL DEFAULT 0,
    lease INTEGER NOT NULL DEFAULT 0,
    UNIQUE (consumer, message)
);
";

/// Polling for letters to send again must cost nothing while there is none.
const VERSION_2: &str = "
CREATE INDEX dead_letters_due ON dead_letters (consumer, seq) WHERE due = 1;
";

/// A claim asks of every row whether its entity has a live lease: without the lease in the index that reads all rows of
/// the entity each time, which with ten thousand changes of one event takes the writer seconds.
const VERSION_3: &str = "
DROP INDEX outbox_by_entity;
CREATE INDEX outbox_by_lease ON outbox (entity, lease) WHERE parked IS NULL;
";

/// A booking that waited while its person was removed must not bring them back.
const VERSION_4: &str = "
CREATE TABLE removed_users (id BLOB PRIMARY KEY NOT NULL) WITHOUT ROWID;
";

/// Keys for machines, by the first bytes of their hash.
const VERSION_5: &str = "
CREATE TABLE api_keys (
    id BLOB PRIMARY KEY NOT NULL,
    hash BLOB NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created INTEGER NOT NULL,
    used INTEGER
) WITHOUT ROWID;
";

/// The audit log. Nothing of ours changes a line or takes one out, and the triggers keep others from it who don't mean to.
const VERSION_6: &str = "
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    time INTEGER NOT NULL,
    object BLOB NOT NULL,
    entry TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (time, id);
CREATE INDEX audit_by_object ON audit (object, time, id);
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
";

/// What a file tells about itself.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) id_secret: IdSecret,
}

/// Opens a connection that may write, with our settings.
pub(super) fn open_writer(config: &SqliteConfig) -> Result<Connection> {
    // Why it can't be made SQLite tells itself, in the next step.
    let _made = private::make(&config.path);
    open_to_write(config, OpenFlags::SQLITE_OPEN_CREATE)
}

/// The same for a file that was open before: should it be gone, an empty one must not take its place.
pub(super) fn reopen_writer(config: &SqliteConfig) -> Result<Connection> {
    open_to_write(config, OpenFlags::empty())
}

fn open_to_write(config: &SqliteConfig, more: OpenFlags) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE
        | more;
    let open = || {
        let mut connection = Connection::open_with_flags(&config.path, flags)?;
        connection.busy_timeout(config.busy_timeout)?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            tracing::warn!(%mode, file = %config.path.display(), "the database is not in WAL mode: readers will wait for writes");
        }
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;
             PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 33554432; PRAGMA trusted_schema = OFF;",
        )?;
        finish(&mut connection, config, config.cache_kib)?;
        Ok(connection)
    };
    open().map_err(|source| fault("open database", source).with("file", config.path.display()))
}

/// Opens a connection that only reads. The writer's was opened before, so file and tables are there.
pub(super) fn open_reader(config: &SqliteConfig) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let open = || {
        let mut connection = Connection::open_with_flags(&config.path, flags)?;
        connection.busy_timeout(config.busy_timeout)?;
        connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;")?;
        finish(&mut connection, config, config.cache_kib / 8)?;
        Ok(connection)
    };
    open().map_err(|source| fault("open database", source).with("file", config.path.display()))
}

fn finish(connection: &mut Connection, config: &SqliteConfig, cache_kib: u32) -> rusqlite::Result<()> {
    // A negative size counts KiB instead of pages.
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib.max(64)))?;
    connection.set_prepared_statement_cache_capacity(128);
    match &config.setup {
        Some(setup) => setup(connection),
        None => Ok(()),
    }
}

/// Makes or updates the tables and checks whose file it is.
pub(super) fn prepare(connection: &mut Connection, config: &SqliteConfig) -> Result<Identity> {
    migrate(connection, &config.path)?;
    adopt(connection, config)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn refuse_newer(found: i64, path: &Path) -> Result<()> {
    if found <= CURRENT {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        "open database",
        "the database was written by a newer version of this program; use that version, or restore a backup made before the update",
    )
    .with("file", path.display())
    .with("tables", found)
    .with("program", CURRENT))
}

/// Checks, without changing anything, that a file is ours, of this role and not too new.
pub(super) fn recognise(connection: &Connection, config: &SqliteConfig) -> Result<()> {
    let found = version(connection).map_err(during("read identity"))?;
    refuse_newer(found, &config.path)?;
    if found == 0 {
        return Err(foreign(&config.path));
    }
    let role = read_meta(connection, "role")?.unwrap_or_default();
    refuse_role(&role, config)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let op = during("update tables");
    let found = version(connection).map_err(op)?;
    refuse_newer(found, path)?;
    if found == CURRENT {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(op)?;
    // Read again under the write lock: another process may just have done it.
    let found = version(&transaction).map_err(op)?;
    if found == 0 {
        refuse_foreign(&transaction, path)?;
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(op)?;
    }
    transaction
        .pragma_update(None, "user_version", CURRENT)
        .map_err(op)?;
    transaction.commit().map_err(op)?;
    if found > 0 {
        tracing::info!(from = found, to = CURRENT, file = %path.display(), "tables updated");
    }
    Ok(())
}

/// A database without our version that holds tables belongs to somebody else.
fn refuse_foreign(connection: &Connection, path: &Path) -> Result<()> {
    let tables: i64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
            [],
            |row| row.get(0),
        )
        .map_err(during("update tables"))?;
    if tables == 0 {
        return Ok(());
    }
    Err(foreign(path))
}

fn foreign(path: &Path) -> Error {
    Error::new(
        ErrorKind::Config,
        "open database",
        "the file is a database of another program; name another file",
    )
    .with("file", path.display())
}

fn read_meta(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()
        .map_err(during("read identity"))
}

fn refuse_role(role: &[u8], config: &SqliteConfig) -> Result<()> {
    if role == config.role.as_bytes() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        "open database",
        format!(
            "the database belongs to {}, not to {}; set dbconnection to another file",
            String::from_utf8_lossy(role),
            config.role
        ),
    )
    .with("file", config.path.display()))
}

fn adopt(connection: &mut Connection, config: &SqliteConfig) -> Result<Identity> {
    let op = during("read identity");
    if read_meta(connection, "role")?.is_none() {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(op)?;
        let secret: [u8; 32] = rand::random();
        let store: [u8; 16] = rand::random();
        let values: [(&str, &[u8]); 3] = [
            ("id_secret", &secret),
            ("store_id", &store),
            ("role", config.role.as_bytes()),
        ];
        for (key, value) in values {
            transaction
                .execute(
                    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
                    params![key, value],
                )
                .map_err(op)?;
        }
        transaction.commit().map_err(op)?;
    }
    refuse_role(&read_meta(connection, "role")?.unwrap_or_default(), config)?;
    let secret = read_meta(connection, "id_secret")?.unwrap_or_default();
    let secret: [u8; 32] = secret
        .try_into()
        .map_err(|_| super::error::malformed("the id secret has not 32 bytes"))?;
    Ok(Identity {
        id_secret: IdSecret::new(secret),
    })
}

/// Voids every lease: the instance that took them is gone.
pub(super) fn void_leases(connection: &Connection) -> Result<()> {
    connection
        .execute_batch(
            "UPDATE outbox SET token = NULL, lease = 0 WHERE token IS NOT NULL;
             DELETE FROM inbox WHERE done IS NULL;
             UPDATE dead_letters SET lease = 0 WHERE lease > 0;",
        )
        .map_err(during("void leases"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &tempfile::TempDir) -> SqliteConfig {
        SqliteConfig::service(folder.path().join("a.db"), "eventservice")
    }

    #[test]
    fn every_older_version_is_brought_up_to_date_and_keeps_its_rows() {
        for start in 1..MIGRATIONS.len() {
            let folder = tempfile::tempdir().unwrap();
            let config = config(&folder);
            let mut connection = open_writer(&config).unwrap();
            for step in &MIGRATIONS[..start] {
                connection.execute_batch(step).unwrap();
            }
            connection
                .pragma_update(None, "user_version", start as i64)
                .unwrap();
            connection
                .execute("INSERT INTO users VALUES (x'01', 'a', 'b', 3, x'00')", [])
                .unwrap();
            let first = prepare(&mut connection, &config).unwrap();
            let found: i64 = connection
                .pragma_query_value(None, "user_version", |row| row.get(0))
                .unwrap();
            assert_eq!(found, CURRENT);
            let users: i64 = connection
                .query_row("SELECT count(*) FROM users", [], |row| row.get(0))
                .unwrap();
            assert_eq!(users, 1);
            let due: i64 = connection
                .query_row(
                    "SELECT count(*) FROM sqlite_schema WHERE name = 'dead_letters_due'",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(due, 1);
            connection
                .execute("INSERT INTO audit VALUES (1, x'01', 2, x'02', '{}')", [])
                .unwrap();
            for change in ["DELETE FROM audit", "UPDATE audit SET time = 3"] {
                let refused = connection.execute(change, []).unwrap_err();
                assert!(
                    refused.to_string().contains("only added to"),
                    "{change}: {refused}"
                );
            }
            let again = prepare(&mut connection, &config).unwrap();
            assert_eq!(first.id_secret.expose(), again.id_secret.expose());
        }
    }

    #[test]
    fn a_newer_file_a_foreign_file_and_another_role_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let mut connection = open_writer(&config).unwrap();
        prepare(&mut connection, &config).unwrap();
        let booking = SqliteConfig::service(&config.path, "bookingservice");
        let error = prepare(&mut connection, &booking).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("belongs to eventservice"), "{error}");
        connection
            .pragma_update(None, "user_version", CURRENT + 1)
            .unwrap();
        let error = prepare(&mut connection, &config).unwrap_err();
        assert!(error.to_string().contains("newer version"), "{error}");

        let other = SqliteConfig::service(folder.path().join("b.db"), "eventservice");
        let mut connection = open_writer(&other).unwrap();
        connection.execute_batch("CREATE TABLE theirs (a)").unwrap();
        let error = prepare(&mut connection, &other).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
    }
}
