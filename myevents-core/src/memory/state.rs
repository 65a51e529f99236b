//! All that the one lock guards, and the parts of a write that every record shares.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Scope;
use super::audit::Log;
use super::bookings::Bookings;
use super::dead_letters::Letters;
use super::events::Events;
use super::inbox::Marks;
use super::outbox::Rows;
use crate::counter::Counter;
use crate::domain::{EventId, LocationId, LocationRecord, UserId, UserRecord, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::{ApiKey, ApiKeyId, Attached, Committed};

#[derive(Default)]
pub(super) struct State {
    pub(super) events: Events,
    pub(super) locations: BTreeMap<LocationId, LocationRecord>,
    pub(super) users: HashMap<UserId, UserRecord>,
    /// Who was removed: a booking that waited meanwhile must not bring them back.
    pub(super) removed_users: HashSet<UserId>,
    pub(super) counters: HashMap<EventId, Counter>,
    pub(super) bookings: Bookings,
    pub(super) rows: Rows,
    pub(super) marks: Marks,
    pub(super) letters: Letters,
    pub(super) api_keys: BTreeMap<ApiKeyId, ApiKey>,
    pub(super) audit: Log,
}

impl State {
    /// Refuses a write whose inbox mark is held by another by now.
    pub(super) fn check_mark(&self, attached: &Attached) -> Result<()> {
        match &attached.mark {
            Some(token) if !self.marks.holds(token) => Err(Error::new(
                ErrorKind::Precondition,
                "store with inbox mark",
                "another handler took the message over",
            )),
            _ => Ok(()),
        }
    }

    /// Stores what is attached to a write that has just changed its record.
    pub(super) fn attach<T>(&mut self, value: T, attached: &Attached, scope: Scope) -> Committed<T> {
        self.complete_mark(attached, scope);
        self.audit.append(attached.audit.as_ref());
        let leased = self.rows.append(&attached.messages, scope);
        Committed { value, leased }
    }

    /// Stores the mark of a write that found everything done: its messages were stored by an earlier one.
    pub(super) fn attach_mark_only<T>(
        &mut self,
        value: T,
        attached: &Attached,
        scope: Scope,
    ) -> Committed<T> {
        self.complete_mark(attached, scope);
        Committed::quiet(value)
    }

    fn complete_mark(&mut self, attached: &Attached, scope: Scope) {
        if let Some(token) = &attached.mark {
            self.marks.complete(token, scope.now);
        }
    }
}

/// The guard of every replacing write.
pub(super) fn check_version(
    operation: &'static str,
    stored: Option<Version>,
    expected: Version,
) -> Result<()> {
    match stored {
        None => Err(Error::new(
            ErrorKind::NotFound,
            operation,
            "there is no record with this id",
        )),
        Some(version) if version != expected => Err(Error::new(
            ErrorKind::Precondition,
            operation,
            "the stored version is another",
        )
        .with("stored", version)
        .with("expected", expected)),
        Some(_) => Ok(()),
    }
}

/// The refusal of an id that is there with another fingerprint.
pub(super) fn id_taken(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        operation,
        "the id is taken by a record made by another request",
    )
}
