//! The audit log's entries: who changed what, without what was in it.

use std::borrow::Cow;
use std::fmt;

use crate::domain::{AuditId, Id, UnixMillis, Version};
use crate::error::{Error, Result};

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Nobody was signed in.
    Anonymous,
    /// Somebody was signed in.
    Subject {
        /// Who vouched for them.
        issuer: String,
        /// Their name there.
        subject: String,
    },
    /// A machine signed in by this key.
    ApiKey(Id),
    /// Whoever could run a command of ours beside the store.
    Operator,
    /// The person that the change is about. Not named, as a person that removes themselves is not to be kept by it.
    Oneself,
}

impl Actor {
    /// The word for its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Subject { .. } => "subject",
            Self::ApiKey(_) => "api_key",
            Self::Operator => "operator",
            Self::Oneself => "self",
        }
    }

    /// The issuer, where there is one.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::Subject { issuer, .. } => Some(issuer),
            _ => None,
        }
    }

    /// The subject, or the id of the key.
    #[must_use]
    pub fn subject(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Subject { subject, .. } => Some(subject.into()),
            Self::ApiKey(id) => Some(id.to_string().into()),
            _ => None,
        }
    }

    /// Puts one together again from its parts.
    ///
    /// # Errors
    /// `Invalid` for a kind that is not known, or one whose name is missing.
    pub fn of_parts(kind: &str, issuer: Option<&str>, subject: Option<&str>) -> Result<Self> {
        match (kind, issuer, subject) {
            ("anonymous", ..) => Ok(Self::Anonymous),
            ("operator", ..) => Ok(Self::Operator),
            ("self", ..) => Ok(Self::Oneself),
            ("api_key", _, Some(id)) => Id::parse(id).map(Self::ApiKey),
            ("subject", Some(issuer), Some(subject)) => Ok(Self::Subject {
                issuer: issuer.to_owned(),
                subject: subject.to_owned(),
            }),
            _ => Err(Error::invalid("nobody of this kind makes changes")),
        }
    }
}

/// What was done, as `kind.verb`: to what kind of record, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuditAction(Cow<'static, str>);

impl AuditAction {
    /// An event was made.
    pub const EVENT_CREATED: Self = Self(Cow::Borrowed("event.created"));
    /// An event was changed.
    pub const EVENT_UPDATED: Self = Self(Cow::Borrowed("event.updated"));
    /// An event was cancelled.
    pub const EVENT_CANCELLED: Self = Self(Cow::Borrowed("event.cancelled"));
    /// A location was made, or came back after it was deleted.
    pub const LOCATION_CREATED: Self = Self(Cow::Borrowed("location.created"));
    /// A location was changed.
    pub const LOCATION_UPDATED: Self = Self(Cow::Borrowed("location.updated"));
    /// A location was deleted.
    pub const LOCATION_DELETED: Self = Self(Cow::Borrowed("location.deleted"));
    /// A booking was cancelled by somebody who is not its holder.
    pub const BOOKING_CANCELLED: Self = Self(Cow::Borrowed("booking.cancelled"));
    /// A person was removed.
    pub const USER_REMOVED: Self = Self(Cow::Borrowed("user.removed"));
    /// A key for a machine was made.
    pub const API_KEY_MADE: Self = Self(Cow::Borrowed("api_key.made"));
    /// A key for a machine was revoked.
    pub const API_KEY_REVOKED: Self = Self(Cow::Borrowed("api_key.revoked"));

    /// Takes one from a store, which may be of a later version of this program.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned().into())
    }

    /// The whole word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind of record that it was done to.
    #[must_use]
    pub fn object_kind(&self) -> &str {
        self.0.split_once('.').map_or(&*self.0, |(kind, _)| kind)
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line of the audit log: stored in the same atomic step as the change it tells of, and never changed.
///
/// It holds no content of the record: neither the name or the address of a person, nor a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its own id.
    pub id: AuditId,
    /// When the change was asked for, by the clock of the process that made it.
    pub time: UnixMillis,
    /// Who asked for it.
    pub actor: Actor,
    /// What was done.
    pub action: AuditAction,
    /// The id of the record that it was done to.
    pub object: Id,
    /// The record's version after it, for records that have one.
    pub version: Option<Version>,
    /// The fields that a change of a record changed, as the contract names them.
    pub fields: Vec<Cow<'static, str>>,
    /// The id of the request, as the answer and the log have it.
    pub request: Option<String>,
    /// The id of the trace that the request belongs to.
    pub trace: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_put_together_from_its_parts() {
        let actors = [
            Actor::Anonymous,
            Actor::Operator,
            Actor::Oneself,
            Actor::ApiKey(Id::from_bytes(&[7; 12]).unwrap()),
            Actor::Subject {
                issuer: "https://id.example".to_owned(),
                subject: String::new(),
            },
        ];
        for actor in actors {
            let parts = (actor.kind(), actor.issuer(), actor.subject());
            let again = Actor::of_parts(parts.0, parts.1, parts.2.as_deref());
            assert_eq!(again.unwrap(), actor);
        }
        assert!(Actor::of_parts("subject", None, Some("s")).is_err());
        assert!(Actor::of_parts("api_key", None, Some("no hex")).is_err());
        assert!(Actor::of_parts("", None, None).is_err());
    }

    #[test]
    fn an_action_names_the_kind_of_its_record() {
        assert_eq!(AuditAction::API_KEY_MADE.object_kind(), "api_key");
        assert_eq!(AuditAction::from_stored("odd").object_kind(), "odd");
        assert_eq!(
            AuditAction::from_stored("event.created"),
            AuditAction::EVENT_CREATED
        );
    }
}
