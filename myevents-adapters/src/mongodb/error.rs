//! The one table from what the driver reports to the kind of error a caller can act on.
//!
//! A write whose answer was lost is `OutcomeUnknown`, whatever lost it; `Unavailable` is said only where nothing can have
//! been applied.

use mongodb::error::{Error as Driver, ErrorKind as Cause, SYSTEM_OVERLOADED_ERROR, WriteFailure};
use myevents_core::{Error, ErrorKind};

/// The server's code for an id that is there already.
pub(super) const DUPLICATE_KEY: i32 = 11000;

/// The server's code for a write that was applied and not confirmed by as many servers as asked for.
pub(super) const UNMET_CONCERN: i32 = 64;

/// What is lost with the answer of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sends {
    /// Nothing: it may be asked again.
    Read,
    /// It may have been applied.
    Write,
}

impl Sends {
    /// The kind of a call that was sent and has no answer.
    fn lost(self) -> ErrorKind {
        match self {
            Self::Read => ErrorKind::Unavailable,
            Self::Write => ErrorKind::OutcomeUnknown,
        }
    }
}

const LOST: &str = "the connection to the database broke, or its answer did not come in time";

/// What a code of the server means. The codes are those of
/// [`error_codes.yml`](https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml).
fn code_meaning(code: i32, sends: Sends) -> (ErrorKind, &'static str) {
    match code {
        // NotWritablePrimary, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary, LegacyNotPrimary: refused before anything.
        10107 | 13435 | 13436 | 10058 => (
            ErrorKind::Unavailable,
            "the database is electing another primary; try again",
        ),
        // InterruptedAtShutdown, InterruptedDueToReplStateChange, PrimarySteppedDown, ShutdownInProgress: perhaps half-way.
        11600 | 11602 | 189 | 91 => (
            sends.lost(),
            "the database server stepped down or is stopping; try again",
        ),
        // ExceededTimeLimit, MaxTimeMSExpired, NetworkInterfaceExceededTimeLimit, NetworkTimeout.
        262 | 50 | 202 | 89 => (sends.lost(), "the database did not answer in time"),
        // HostUnreachable, HostNotFound, SocketException, as a router reports them.
        6 | 7 | 9001 => (sends.lost(), LOST),
        // WriteConcernTimeout, UnsatisfiableWriteConcern, UnknownReplWriteConcern: applied, by how many is not known.
        UNMET_CONCERN | 100 | 79 => (
            sends.lost(),
            "a write was not confirmed by the majority of the database's servers in time",
        ),
        // ReadConcernMajorityNotAvailableYet, SnapshotUnavailable.
        134 | 246 => (
            ErrorKind::Unavailable,
            "the database has no confirmed state to read from yet; try again",
        ),
        // LockTimeout, LockBusy, WriteConflict, TooManyOperations or connections limited at the door.
        24 | 46 | 112 | 462 => (ErrorKind::Unavailable, "the database is busy; try again"),
        // OutOfDiskSpace.
        14031 => (
            ErrorKind::Unavailable,
            "the database's disk is full; free some space, the service goes on by itself",
        ),
        // Unauthorized, AuthenticationFailed.
        13 | 18 => (
            ErrorKind::Config,
            "the database refuses this user; check user, password, authSource and the user's roles in dbconnection",
        ),
        DUPLICATE_KEY => (ErrorKind::Conflict, "a record with this id is there already"),
        // BSONObjectTooLarge, and the same of updates.
        10334 | 17419 | 17420 => (ErrorKind::TooLarge, "a record is larger than the database stores"),
        // DocumentValidationFailure.
        121 => (
            ErrorKind::Config,
            "a validator of the collection refuses our records; remove it",
        ),
        _ => (ErrorKind::Internal, "the database refused a command"),
    }
}

fn meaning(source: &Driver, sends: Sends) -> (ErrorKind, &'static str) {
    match &*source.kind {
        Cause::ServerSelection { .. } | Cause::DnsResolve { .. } => {
            (ErrorKind::Unavailable, "the database can't be reached")
        }
        // No connection could be had, so nothing was sent; the driver answers an earlier try's error if there was one.
        Cause::ConnectionPoolCleared { .. } => (
            ErrorKind::Unavailable,
            "the connection to the database broke; try again",
        ),
        Cause::Io(_) if source.contains_label(SYSTEM_OVERLOADED_ERROR) => (
            ErrorKind::Unavailable,
            "no connection to the database could be made",
        ),
        Cause::Io(_) => (sends.lost(), LOST),
        Cause::Command(error) => code_meaning(error.code, sends),
        Cause::Write(WriteFailure::WriteError(error)) => code_meaning(error.code, sends),
        Cause::Write(_) => code_meaning(UNMET_CONCERN, sends),
        Cause::InsertMany(error) if error.write_concern_error.is_some() => code_meaning(UNMET_CONCERN, sends),
        Cause::InsertMany(error) => {
            let errors = error.write_errors.iter().flatten();
            let worst = errors.map(|error| error.code).find(|code| *code != DUPLICATE_KEY);
            code_meaning(worst.unwrap_or(DUPLICATE_KEY), sends)
        }
        Cause::Bson(_) | Cause::InvalidResponse { .. } => match sends {
            Sends::Read => (ErrorKind::Malformed, "the database's answer can't be decoded"),
            Sends::Write => (
                ErrorKind::OutcomeUnknown,
                "the database's answer to a write can't be decoded",
            ),
        },
        Cause::Authentication { .. } => code_meaning(18, sends),
        Cause::InvalidTlsConfig { .. } => (
            ErrorKind::Config,
            "the TLS settings in dbconnection can't be used",
        ),
        Cause::IncompatibleServer { .. } => (
            ErrorKind::Config,
            "the database server's version does not fit this driver (MongoDB 4.2 or later)",
        ),
        // The server that answered last knew sessions, this one does not: it is not the one it should be.
        Cause::SessionsNotSupported => (
            ErrorKind::Unavailable,
            "the database lost an ability it had when this service started; try again",
        ),
        Cause::Shutdown => (ErrorKind::Closed, "the store was closed"),
        _ => (ErrorKind::Internal, "the database was used in a wrong way"),
    }
}

/// What `source`, met during `operation`, means to the caller.
pub(super) fn fault(operation: &'static str, sends: Sends, source: Driver) -> Error {
    let (kind, message) = meaning(&source, sends);
    Error::new(kind, operation, message).caused_by(source)
}

/// A call that was sent and got no answer within its time.
pub(super) fn timed_out(operation: &'static str, sends: Sends) -> Error {
    Error::new(sends.lost(), operation, "the database did not answer in time")
}

/// The code of a write error inside the answer of a bulk command.
pub(super) fn write_error(operation: &'static str, code: i32) -> Error {
    let (kind, message) = code_meaning(code, Sends::Write);
    Error::new(kind, operation, message).with("code", code)
}

/// A stored record that can't be decoded.
pub(super) fn malformed(what: &'static str) -> Error {
    Error::new(ErrorKind::Malformed, "read record", what)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use mongodb::bson::{Document, deserialize_from_document, doc};
    use mongodb::error::{CommandError, InsertManyError, WriteConcernError, WriteError};
    use mongodb::options::ClientOptions;

    use super::*;

    fn check(what: &str, source: impl Fn() -> Driver, read: ErrorKind, write: ErrorKind) {
        assert_eq!(
            fault("test", Sends::Read, source()).kind(),
            read,
            "{what}, reading"
        );
        assert_eq!(
            fault("test", Sends::Write, source()).kind(),
            write,
            "{what}, writing"
        );
    }

    fn command(code: i32) -> Driver {
        let body = doc! { "code": code, "codeName": "Name", "errmsg": "message" };
        Cause::Command(deserialize_from_document::<CommandError>(body).unwrap()).into()
    }

    fn insert(body: Document) -> Driver {
        Cause::InsertMany(deserialize_from_document::<InsertManyError>(body).unwrap()).into()
    }

    #[test]
    fn every_code_of_the_table_has_its_kind() {
        use ErrorKind::{Config, Conflict, Internal, OutcomeUnknown, TooLarge, Unavailable};
        let table = [
            (10107, Unavailable, Unavailable),
            (13435, Unavailable, Unavailable),
            (13436, Unavailable, Unavailable),
            (10058, Unavailable, Unavailable),
            (11600, Unavailable, OutcomeUnknown),
            (11602, Unavailable, OutcomeUnknown),
            (189, Unavailable, OutcomeUnknown),
            (91, Unavailable, OutcomeUnknown),
            (262, Unavailable, OutcomeUnknown),
            (50, Unavailable, OutcomeUnknown),
            (202, Unavailable, OutcomeUnknown),
            (89, Unavailable, OutcomeUnknown),
            (6, Unavailable, OutcomeUnknown),
            (7, Unavailable, OutcomeUnknown),
            (9001, Unavailable, OutcomeUnknown),
            (64, Unavailable, OutcomeUnknown),
            (100, Unavailable, OutcomeUnknown),
            (79, Unavailable, OutcomeUnknown),
            (134, Unavailable, Unavailable),
            (246, Unavailable, Unavailable),
            (24, Unavailable, Unavailable),
            (46, Unavailable, Unavailable),
            (112, Unavailable, Unavailable),
            (462, Unavailable, Unavailable),
            (14031, Unavailable, Unavailable),
            (13, Config, Config),
            (18, Config, Config),
            (DUPLICATE_KEY, Conflict, Conflict),
            (10334, TooLarge, TooLarge),
            (17419, TooLarge, TooLarge),
            (17420, TooLarge, TooLarge),
            (121, Config, Config),
            (59, Internal, Internal),
        ];
        for (code, read, write) in table {
            check(&format!("code {code}"), || command(code), read, write);
            let of_write = || {
                let body = doc! { "code": code, "errmsg": "message" };
                let error = deserialize_from_document::<WriteError>(body).unwrap();
                Cause::Write(WriteFailure::WriteError(error)).into()
            };
            check(&format!("write error {code}"), of_write, read, write);
        }
    }

    #[test]
    fn a_cut_connection_leaves_a_write_unknown() {
        for kind in [
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::TimedOut,
        ] {
            let cut = || Cause::Io(Arc::new(kind.into())).into();
            check(
                &format!("{kind:?}"),
                cut,
                ErrorKind::Unavailable,
                ErrorKind::OutcomeUnknown,
            );
        }
    }

    #[test]
    fn a_write_concern_that_was_not_met_leaves_the_outcome_unknown() {
        let concern = doc! { "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting for replication timed out" };
        let single = || {
            let error = deserialize_from_document::<WriteConcernError>(concern.clone()).unwrap();
            Cause::Write(WriteFailure::WriteConcernError(error)).into()
        };
        check(
            "write concern",
            single,
            ErrorKind::Unavailable,
            ErrorKind::OutcomeUnknown,
        );
        let duplicate = doc! { "index": 0, "code": DUPLICATE_KEY, "errmsg": "E11000" };
        let body = doc! { "writeErrors": [duplicate], "writeConcernError": concern.clone() };
        let many = || insert(body.clone());
        check(
            "insert with write concern",
            many,
            ErrorKind::Unavailable,
            ErrorKind::OutcomeUnknown,
        );
    }

    #[test]
    fn an_insert_is_a_conflict_only_if_all_its_errors_are() {
        let error = |code: i32| doc! { "index": 0, "code": code, "errmsg": "message" };
        let duplicates = doc! { "writeErrors": [error(DUPLICATE_KEY), error(DUPLICATE_KEY)] };
        check(
            "duplicates",
            || insert(duplicates.clone()),
            ErrorKind::Conflict,
            ErrorKind::Conflict,
        );
        let mixed = doc! { "writeErrors": [error(DUPLICATE_KEY), error(121)] };
        check(
            "mixed",
            || insert(mixed.clone()),
            ErrorKind::Config,
            ErrorKind::Config,
        );
    }

    #[test]
    fn an_answer_that_is_no_bson_leaves_a_write_unknown() {
        let bson = || {
            let broken = mongodb::bson::RawDocumentBuf::from_bytes(vec![1, 2, 3]).unwrap_err();
            Cause::Bson(broken).into()
        };
        check("BSON", bson, ErrorKind::Malformed, ErrorKind::OutcomeUnknown);
    }

    #[tokio::test]
    async fn what_was_never_sent_is_unavailable() {
        let mut options = ClientOptions::parse("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50")
            .await
            .unwrap();
        options.heartbeat_freq = Some(Duration::from_secs(1));
        let client = mongodb::Client::with_options(options).unwrap();
        let database = client.database("test");
        let ping = database.run_command(doc! { "ping": 1 });
        let away = ping.await.unwrap_err();
        check(
            "server selection",
            || away.clone(),
            ErrorKind::Unavailable,
            ErrorKind::Unavailable,
        );
        client.clone().shutdown().immediate(true).await;
        let ping = database.run_command(doc! { "ping": 1 });
        let closed = ping.await.unwrap_err();
        check(
            "shutdown",
            || closed.clone(),
            ErrorKind::Closed,
            ErrorKind::Closed,
        );
    }

    #[tokio::test]
    async fn what_only_a_fault_of_ours_causes_is_internal() {
        let wrong = ClientOptions::parse("mongodb://").await.unwrap_err();
        check(
            "argument",
            || wrong.clone(),
            ErrorKind::Internal,
            ErrorKind::Internal,
        );
    }
}
