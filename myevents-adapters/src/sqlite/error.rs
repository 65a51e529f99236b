//! The one table from what SQLite reports to the kind of error a caller can act on.

use myevents_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// The kind for a result code, and in plain words what happened and what helps.
fn meaning(code: ErrorCode) -> (ErrorKind, &'static str) {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            ErrorKind::Unavailable,
            "another process holds the database's write lock; try again",
        ),
        ErrorCode::DiskFull => (
            ErrorKind::Unavailable,
            "the disk (or the size allowed to the database) is full; free some space, the service goes on by itself",
        ),
        ErrorCode::SystemIoFailure => (
            ErrorKind::Unavailable,
            "the operating system failed to read or write the database; check the disk and the system log",
        ),
        ErrorCode::ReadOnly => (
            ErrorKind::Unavailable,
            "the database or its folder can only be read; make both writable for this user",
        ),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => (
            ErrorKind::Unavailable,
            "the database can't be opened; check that its folder exists and is writable for this user",
        ),
        ErrorCode::FileLockingProtocolFailed => (
            ErrorKind::Unavailable,
            "locks on the database fail; it must lie on a local disk, not on a network file system",
        ),
        ErrorCode::OutOfMemory => (ErrorKind::Unavailable, "there is not enough memory"),
        ErrorCode::OperationInterrupted | ErrorCode::OperationAborted => {
            (ErrorKind::Unavailable, "the operation was interrupted")
        }
        ErrorCode::SchemaChanged => (
            ErrorKind::Unavailable,
            "the tables were changed meanwhile; try again",
        ),
        ErrorCode::DatabaseCorrupt => (
            ErrorKind::Malformed,
            "the database is damaged; stop the service and restore it from a backup",
        ),
        ErrorCode::NotADatabase => (
            ErrorKind::Malformed,
            "the file is not a SQLite database; name another file or restore it from a backup",
        ),
        ErrorCode::ConstraintViolation => (ErrorKind::Conflict, "a record with this id is there already"),
        ErrorCode::TooBig => (ErrorKind::TooLarge, "a value is larger than SQLite stores"),
        _ => (ErrorKind::Internal, "SQLite refused a statement"),
    }
}

/// What `source`, met during `operation`, means to the caller.
pub(super) fn fault(operation: &'static str, source: rusqlite::Error) -> Error {
    use rusqlite::Error as Sqlite;
    let (kind, message) = match &source {
        Sqlite::SqliteFailure(failure, _) => meaning(failure.code),
        Sqlite::InvalidColumnType(..)
        | Sqlite::FromSqlConversionFailure(..)
        | Sqlite::IntegralValueOutOfRange(..)
        | Sqlite::Utf8Error(..) => (
            ErrorKind::Malformed,
            "a stored record has a value of the wrong type",
        ),
        _ => (ErrorKind::Internal, "the database was used in a wrong way"),
    };
    Error::new(kind, operation, message).caused_by(source)
}

/// `fault` with its operation, for `map_err`.
pub(super) fn during(operation: &'static str) -> impl Fn(rusqlite::Error) -> Error + Copy {
    move |source| fault(operation, source)
}

/// What a failed `COMMIT` means. After an I/O error the last pages may or may not have reached the disk: a recovery
/// may still find them whole, so the outcome is not known.
pub(super) fn commit_fault(source: rusqlite::Error) -> Error {
    if source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
        Error::new(
            ErrorKind::OutcomeUnknown,
            "commit",
            "the operating system failed to write the database; repeat the request with the same id",
        )
        .caused_by(source)
    } else {
        fault("commit", source)
    }
}

/// A stored record that can't be decoded.
pub(super) fn malformed(what: &'static str) -> Error {
    Error::new(ErrorKind::Malformed, "read record", what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn every_row_of_the_table_has_its_kind() {
        let table = [
            (ffi::SQLITE_BUSY, ErrorKind::Unavailable),
            (ffi::SQLITE_LOCKED, ErrorKind::Unavailable),
            (ffi::SQLITE_FULL, ErrorKind::Unavailable),
            (ffi::SQLITE_IOERR, ErrorKind::Unavailable),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable),
            (ffi::SQLITE_READONLY, ErrorKind::Unavailable),
            (ffi::SQLITE_CANTOPEN, ErrorKind::Unavailable),
            (ffi::SQLITE_PERM, ErrorKind::Unavailable),
            (ffi::SQLITE_PROTOCOL, ErrorKind::Unavailable),
            (ffi::SQLITE_NOMEM, ErrorKind::Unavailable),
            (ffi::SQLITE_INTERRUPT, ErrorKind::Unavailable),
            (ffi::SQLITE_ABORT, ErrorKind::Unavailable),
            (ffi::SQLITE_SCHEMA, ErrorKind::Unavailable),
            (ffi::SQLITE_CORRUPT, ErrorKind::Malformed),
            (ffi::SQLITE_NOTADB, ErrorKind::Malformed),
            (ffi::SQLITE_CONSTRAINT, ErrorKind::Conflict),
            (ffi::SQLITE_TOOBIG, ErrorKind::TooLarge),
            (ffi::SQLITE_MISUSE, ErrorKind::Internal),
            (ffi::SQLITE_ERROR, ErrorKind::Internal),
        ];
        for (code, kind) in table {
            let error = fault("test", failure(code));
            assert_eq!(error.kind(), kind, "code {code}: {error}");
        }
        let wrong_type = rusqlite::Error::InvalidColumnType(0, "a".into(), rusqlite::types::Type::Null);
        assert_eq!(fault("test", wrong_type).kind(), ErrorKind::Malformed);
        assert_eq!(
            fault("test", rusqlite::Error::InvalidQuery).kind(),
            ErrorKind::Internal
        );
    }

    #[test]
    fn a_commit_that_failed_to_reach_the_disk_is_not_called_refused() {
        assert_eq!(
            commit_fault(failure(ffi::SQLITE_IOERR_FSYNC)).kind(),
            ErrorKind::OutcomeUnknown
        );
        assert_eq!(
            commit_fault(failure(ffi::SQLITE_FULL)).kind(),
            ErrorKind::Unavailable
        );
    }
}
