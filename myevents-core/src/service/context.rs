//! What comes with a request beside its body: who asks, under which key, on which condition.

use std::collections::BTreeMap;

use crate::contract::header;
use crate::domain::{IdSecret, Version};
use crate::error::{Error, Result};

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Caller {
    /// Nobody is signed in.
    #[default]
    Anonymous,
    /// Somebody is signed in.
    Subject {
        /// Who vouches for them.
        issuer: String,
        /// Their name there.
        subject: String,
    },
}

impl Caller {
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
}

/// What comes with every request.
#[derive(Debug, Clone, Default)]
pub struct RequestContext {
    /// Who asks.
    pub caller: Caller,
    /// The W3C trace context, passed on in the headers of messages.
    pub traceparent: Option<String>,
}

impl RequestContext {
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
}
