//! What travels with a write into the store and out of it: messages, marks, and the line of the audit log.

use crate::contract::Envelope;
use crate::domain::AuditEntry;
use crate::ports::{InboxToken, OutboxRow};

/// What a write stores together with its state, in the same atomic step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// The messages the write causes, in their order. Empty only where nobody is to be told.
    pub messages: Vec<Envelope>,
    /// The message whose handling this write completes. Where [`atomic_inbox`](super::StoreCapabilities::atomic_inbox) is false
    /// this MUST be refused with `Unsupported`. When the token no longer holds, the write is refused with `Precondition`.
    pub mark: Option<InboxToken>,
    /// The line of the audit log about the change: stored if and only if the write changes its record. `None` only where
    /// nobody asked for a change: an announcement, an import.
    pub audit: Option<AuditEntry>,
}

impl Attached {
    /// A change that somebody asked for: its message, and its line of the audit log.
    #[must_use]
    pub fn change(message: Envelope, audit: AuditEntry) -> Self {
        Self {
            messages: vec![message],
            mark: None,
            audit: Some(audit),
        }
    }

    /// A message and no line of the audit log, as for telling again what is stored.
    #[must_use]
    pub fn announcement(message: Envelope) -> Self {
        Self {
            messages: vec![message],
            ..Self::default()
        }
    }

    /// What of it is left to store for a write that found everything done: the mark alone.
    #[must_use]
    pub fn mark_only(self) -> Self {
        Self {
            mark: self.mark,
            ..Self::default()
        }
    }

    /// Nobody is told.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }
}

/// A write that is durable, with what of its messages may go the fast way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the write answers.
    pub value: T,
    /// The write's messages that were born leased to this instance, because no earlier message of their entity
    /// waits. They are to be handed to the relay in memory, or released. The others are found by claiming.
    pub leased: Vec<OutboxRow>,
}

impl<T> Committed<T> {
    /// An answer that stored no message.
    pub fn quiet(value: T) -> Self {
        Self {
            value,
            leased: Vec::new(),
        }
    }

    /// The same messages with another answer.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Committed<U> {
        Committed {
            value: map(self.value),
            leased: self.leased,
        }
    }
}
