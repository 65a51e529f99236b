//! What operators ask of a store beside its records: checks, copies, and what moving between stores needs.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use myevents_core::domain::{AuditEntry, Booking, IdSecret, LocationId, LocationRecord, UserId, UserRecord};
use myevents_core::ports::{Inserted, PageOf, ParkedMessage};
use myevents_core::{Error, ErrorKind, Result};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Whether nothing was found.
    pub sound: bool,
    /// The findings, for people.
    pub report: String,
}

/// What operators ask of a store beside its records.
///
/// The methods from [`all_locations`](Self::all_locations) on serve [`transfer`](crate::transfer): what the ports do not
/// list, and what they do not store without deciding or announcing it. Lists come in a stable order of the store's own,
/// the same for every walk while nothing is written. Imports are for a store that no service writes to meanwhile; each
/// may be repeated after a failure, and leaves what is there as it is.
#[async_trait]
pub trait StoreTools: Debug + Send + Sync + 'static {
    /// Verifies everything; may read the whole store.
    ///
    /// # Errors
    /// `Unavailable`; `Malformed` when it can't be read through; `Unsupported`.
    async fn check(&self) -> Result<CheckResult>;

    /// A cheaper check, for the background of a running service.
    ///
    /// # Errors
    /// As for [`check`](Self::check).
    async fn quick_check(&self) -> Result<CheckResult>;

    /// How many records hold lines of the audit log that should be in the log since minutes: they can't be moved there.
    /// Expected 0; `None` where the log has a line from the start.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn unmoved_audit(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Copies the store, as it is at one moment, into `folder`; answers the copy's path.
    ///
    /// # Errors
    /// `Unavailable`; `Unsupported`.
    async fn backup(&self, folder: &Path) -> Result<PathBuf>;

    /// Lists all locations, deleted ones too, from after `after`.
    ///
    /// # Errors
    /// `Unavailable`; `Malformed`; `Unsupported`.
    async fn all_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>>;

    /// Lists users, from after `after`.
    ///
    /// # Errors
    /// `Unavailable`; `Malformed`; `Unsupported`.
    async fn users(&self, after: Option<&UserId>, limit: usize) -> Result<PageOf<UserRecord, UserId>>;

    /// Lists who was removed and not added again, from after `after`.
    ///
    /// # Errors
    /// `Unavailable`; `Malformed`; `Unsupported`.
    async fn removed_users(&self, after: Option<&UserId>, limit: usize) -> Result<PageOf<UserId, UserId>>;

    /// Whether [`removed_users`](Self::removed_users) lists `user`.
    ///
    /// # Errors
    /// `Unavailable`; `Unsupported`.
    async fn is_removed(&self, user: &UserId) -> Result<bool>;

    /// Makes `secret` the store's secret for derived ids ([`DatabaseHandler::id_secret`](myevents_core::ports::DatabaseHandler::id_secret)),
    /// so that retries of requests made before a move still meet their first try. This instance answers it at once,
    /// another one after it was opened again. Where it is the store's secret already nothing is done: so a store is known
    /// again by whoever began to fill it.
    ///
    /// # Errors
    /// `Conflict` when the store has another secret and holds an event, a location, a user, a mark of a removed one, or a
    /// booking; `Unavailable`; `Unsupported`.
    async fn adopt_id_secret(&self, secret: &IdSecret) -> Result<()>;

    /// Stores bookings as they are, whatever their state, version and event. Announces nothing and touches no counter:
    /// [`reconcile`](myevents_core::ports::DatabaseHandler::reconcile) with `repair` sets that afterwards. What the store
    /// keeps beside bookings (what a person holds of an event, indexes) is brought up to date too, so that limits per
    /// person hold as before. A booking of a user who was removed here is stored without person. Answers one result for
    /// each, in their order; any number may be given.
    ///
    /// # Errors
    /// For each: `Conflict` when the id is there with another fingerprint; `Unavailable`, `OutcomeUnknown` (repeat);
    /// `Unsupported`.
    async fn import_bookings(&self, bookings: &[Booking]) -> Vec<Result<Inserted<Booking>>>;

    /// Stores messages as parked, in their order, each with its reason; their row ids are the store's own. The records
    /// they are about are there. A message that the outbox holds already is left as it is.
    ///
    /// # Errors
    /// `NotFound` when the record of a message is not there and the store needs it; `Unavailable`, `OutcomeUnknown`
    /// (repeat); `Unsupported`.
    async fn import_parked(&self, messages: &[ParkedMessage]) -> Result<()>;

    /// Stores lines of the audit log as they are; answers how many were not there before.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown` (repeat); `Unsupported`.
    async fn import_audit(&self, entries: &[AuditEntry]) -> Result<u64>;
}

pub(crate) fn unsupported(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        operation,
        "this store has no such ability",
    )
}

fn ends_with_its_process(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        operation,
        "a memory store ends with its process: there is nothing to move from or into",
    )
}

/// The memory store has nothing to check, to copy or to move.
#[derive(Debug)]
pub(crate) struct NoTools;

#[async_trait]
impl StoreTools for NoTools {
    async fn check(&self) -> Result<CheckResult> {
        Err(unsupported("check store"))
    }

    async fn quick_check(&self) -> Result<CheckResult> {
        Ok(CheckResult {
            sound: true,
            report: String::new(),
        })
    }

    async fn backup(&self, _folder: &Path) -> Result<PathBuf> {
        Err(unsupported("back up"))
    }

    async fn all_locations(
        &self,
        _after: Option<&LocationId>,
        _limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        Err(ends_with_its_process("list locations"))
    }

    async fn users(&self, _after: Option<&UserId>, _limit: usize) -> Result<PageOf<UserRecord, UserId>> {
        Err(ends_with_its_process("list users"))
    }

    async fn removed_users(&self, _after: Option<&UserId>, _limit: usize) -> Result<PageOf<UserId, UserId>> {
        Err(ends_with_its_process("list removed users"))
    }

    async fn is_removed(&self, _user: &UserId) -> Result<bool> {
        Err(ends_with_its_process("find removed user"))
    }

    async fn adopt_id_secret(&self, _secret: &IdSecret) -> Result<()> {
        Err(ends_with_its_process("adopt id secret"))
    }

    async fn import_bookings(&self, bookings: &[Booking]) -> Vec<Result<Inserted<Booking>>> {
        bookings
            .iter()
            .map(|_| Err(ends_with_its_process("import bookings")))
            .collect()
    }

    async fn import_parked(&self, _messages: &[ParkedMessage]) -> Result<()> {
        Err(ends_with_its_process("import messages"))
    }

    async fn import_audit(&self, _entries: &[AuditEntry]) -> Result<u64> {
        Err(ends_with_its_process("import audit log"))
    }
}
