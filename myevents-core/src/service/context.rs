//! What comes with a request beside its body: who asks, under which key, on which condition.

use std::collections::BTreeMap;

use crate::contract::header;
use crate::domain::{Actor, Id, IdSecret, Text, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::service::{Scope, Scopes};

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Caller {
    /// Nobody is signed in. Use cases let them do everything: where sign-in is on, the routes let nobody who is not
    /// signed in come to a use case that changes something or shows what is not public.
    #[default]
    Anonymous,
    /// Somebody is signed in.
    Subject {
        /// Who vouches for them.
        issuer: String,
        /// Their name there.
        subject: String,
        /// What they may do.
        scopes: Scopes,
    },
}

impl Caller {
    /// What stands for an issuer in callers that come by API keys; the subject is the key's id.
    pub const API_KEY_ISSUER: &str = "myevents:api-key";

    /// Who they are in the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Anonymous => Actor::Anonymous,
            Self::Subject { issuer, subject, .. } => Id::parse(subject)
                .ok()
                .filter(|_| issuer == Self::API_KEY_ISSUER)
                .map_or_else(
                    || Actor::Subject {
                        issuer: issuer.clone(),
                        subject: subject.clone(),
                    },
                    Actor::ApiKey,
                ),
        }
    }

    /// The issuer, empty for nobody.
    #[must_use]
    pub fn issuer(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Subject { issuer, .. } => issuer,
        }
    }

    /// The subject, `anonymous` for nobody.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Subject { subject, .. } => subject,
        }
    }

    /// The one text for issuer and subject, as owners and limits per person keep it; `None` for nobody. Different callers
    /// never have the same one.
    #[must_use]
    pub fn identity(&self) -> Option<Text> {
        match self {
            Self::Anonymous => None,
            // The length tells where the issuer ends, whatever either of them holds.
            Self::Subject { issuer, subject, .. } => {
                Some(Text::from_stored(&format!("{}:{issuer}:{subject}", issuer.len())))
            }
        }
    }

    /// Whether they may do what `scope` stands for.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Anonymous => true,
            Self::Subject { scopes, .. } => scopes.has(scope),
        }
    }

    /// Refuses to let them change a record of another. What was made without sign-in belongs to nobody.
    pub(super) fn check_owner(&self, owner: Option<&Text>, operation: &'static str) -> Result<()> {
        if self.may(Scope::EventsAdmin) || (owner.is_some() && self.identity().as_ref() == owner) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Forbidden,
            operation,
            "only who made it or a caller with the scope events:admin may change it",
        ))
    }
}

/// What comes with every request.
#[derive(Debug, Clone, Default)]
pub struct RequestContext {
    /// Who asks.
    pub caller: Caller,
    /// The W3C trace context, passed on in the headers of messages.
    pub traceparent: Option<String>,
    /// The request's id, as its answer has it.
    pub request_id: Option<String>,
}

impl RequestContext {
    /// The id of the trace, as the audit log keeps it.
    pub(super) fn trace_id(&self) -> Option<String> {
        let id = self.traceparent.as_deref()?.split('-').nth(1)?;
        Some(id.to_owned())
    }

    pub(super) fn message_headers(&self, source: &str) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::from([(header::SOURCE.to_owned(), source.to_owned())]);
        if let Some(traceparent) = &self.traceparent {
            headers.insert(header::TRACEPARENT.to_owned(), traceparent.clone());
        }
        headers
    }
}

/// A client's own name for a creating request, so that a retry is known as one
/// ([draft of the HTTP header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Shorter keys of callers who are not signed in are refused: two strangers' `1` must not meet.
    pub const MIN_ANONYMOUS: usize = 16;

    /// Checks `key` as given by `caller`.
    ///
    /// # Errors
    /// `Invalid` unless it has 1 to 255 visible ASCII characters, and at least 16 when nobody is signed in.
    pub fn parse(key: &str, caller: &Caller) -> Result<Self> {
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid(
                "Idempotency-Key has 1 to 255 visible ASCII characters",
            ));
        }
        if *caller == Caller::Anonymous && key.len() < Self::MIN_ANONYMOUS {
            return Err(Error::invalid(
                "Idempotency-Key is shorter than 16 characters, which is refused without sign-in; use a UUID",
            ));
        }
        Ok(Self(key.to_owned()))
    }

    /// The id that this key of `caller` stands for, for a record of `kind`: the one place that says what it depends on.
    pub(super) fn derive_id(&self, secret: &IdSecret, kind: &str, caller: &Caller) -> [u8; 12] {
        secret.derive_id(kind, caller.issuer(), caller.subject(), &self.0)
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The answer to a creating request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created<T> {
    /// The record, as it is now.
    pub record: T,
    /// Whether an earlier request had made it.
    pub replayed: bool,
}

/// On which condition a PUT writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PutCondition {
    /// Whatever is there: the last write wins.
    #[default]
    Always,
    /// Only over this version (`If-Match`).
    Version(Version),
    /// Only if nothing is there (`If-None-Match: *`).
    CreateOnly,
}

/// The answer to a PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced<T> {
    /// The record, as it is now.
    pub record: T,
    /// Whether it was not there before.
    pub created: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_and_long_enough_for_strangers() {
        let subject = Caller::Subject {
            issuer: "i".to_owned(),
            subject: "s".to_owned(),
            scopes: Scopes::NONE,
        };
        assert!(IdempotencyKey::parse("1", &subject).is_ok());
        for (key, caller) in [
            ("1", &Caller::Anonymous),
            ("", &subject),
            ("with a space", &subject),
            ("ümlaut", &subject),
            (&"k".repeat(256), &subject),
        ] {
            assert!(IdempotencyKey::parse(key, caller).is_err(), "{key:?}");
        }
        assert!(IdempotencyKey::parse(&"k".repeat(255), &Caller::Anonymous).is_ok());
    }

    fn somebody(issuer: &str, subject: &str, words: &[&str]) -> Caller {
        Caller::Subject {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            scopes: Scopes::of_words(words.iter().copied()),
        }
    }

    #[test]
    fn the_audit_log_knows_a_key_from_a_person() {
        let key = somebody(Caller::API_KEY_ISSUER, "0102030405060708090a0b0c", &[]);
        assert_eq!(key.actor().kind(), "api_key");
        let person = somebody("https://id.example", "0102030405060708090a0b0c", &[]);
        assert_eq!(person.actor().kind(), "subject");
        assert_eq!(Caller::Anonymous.actor(), Actor::Anonymous);
    }

    #[test]
    fn two_callers_never_have_one_identity() {
        let pairs = [
            ("a:b", "c"),
            ("a", "b:c"),
            ("a", "b"),
            ("", "1:a:b"),
            ("1:a", "b"),
        ];
        for (index, one) in pairs.iter().enumerate() {
            for other in &pairs[index + 1..] {
                let of = |pair: &(&str, &str)| somebody(pair.0, pair.1, &[]).identity();
                assert_ne!(of(one), of(other), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_record_is_changed_by_its_owner_or_an_admin() {
        let (ann, bob) = (
            somebody("i", "ann", &["events:write"]),
            somebody("i", "bob", &["events:write"]),
        );
        let elsewhere = somebody("j", "ann", &["events:write"]);
        let admin = somebody("i", "root", &["events:admin"]);
        let of_ann = ann.identity();
        for (caller, owner, allowed) in [
            (&ann, &of_ann, true),
            (&bob, &of_ann, false),
            (&elsewhere, &of_ann, false),
            (&admin, &of_ann, true),
            (&ann, &None, false),
            (&admin, &None, true),
            (&Caller::Anonymous, &of_ann, true),
            (&Caller::Anonymous, &None, true),
        ] {
            let checked = caller.check_owner(owner.as_ref(), "change");
            assert_eq!(checked.is_ok(), allowed, "{caller:?} {owner:?}");
        }
    }
}
