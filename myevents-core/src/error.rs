//! The one error of every port and use case: what kind it is, whether a repeat can help, and what was being done.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// What went wrong, as far as a caller can act on it.
///
/// How to choose between the neighbours:
/// * [`Conflict`](Self::Conflict): the same call would be refused again until *other* state changes (the id is taken).
/// * [`Precondition`](Self::Precondition): the caller's picture is old; read again and decide anew.
/// * [`Unavailable`](Self::Unavailable): nothing is wrong with the call and it had no effect; repeat it as it is.
/// * [`OutcomeUnknown`](Self::OutcomeUnknown): it may have had its effect; repeat it only with the same ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input has the wrong form (bad JSON, no seats, a broken cursor).
    Invalid,
    /// The input is well-formed and can never be carried out (an end before its start).
    Unprocessable,
    /// What was asked for does not exist.
    NotFound,
    /// The current state refuses it (an id that is taken, an event that is cancelled).
    Conflict,
    /// The idempotency key was used before for another request; another key is needed.
    KeyReused,
    /// The record has another version than the caller expects.
    Precondition,
    /// A message or request is larger than its bound.
    TooLarge,
    /// Who asks is not known, or not proven: other credentials are needed.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// A store or broker can't be reached or is throttling; nothing was applied.
    Unavailable,
    /// A write was sent and its answer was lost: it may or may not have been applied.
    OutcomeUnknown,
    /// A bound of our own was reached before anything was started (a full desk).
    Overloaded,
    /// The broker is there and no queue takes this message.
    Unroutable,
    /// The broker refuses this very message for good.
    Rejected,
    /// A stored record or a received body can't be decoded.
    Malformed,
    /// The backend has no such ability; its capabilities say so.
    Unsupported,
    /// A setting is missing, unknown or has a wrong value.
    Config,
    /// The port was closed before the call.
    Closed,
    /// A fault of this program.
    Internal,
}

impl ErrorKind {
    /// Whether repeating the very same call later can succeed without anybody changing it.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::OutcomeUnknown | Self::Overloaded | Self::Unroutable
        )
    }

    /// A stable lower-case word for logs, metrics and problem types.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unprocessable => "unprocessable",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::KeyReused => "key-reused",
            Self::Precondition => "precondition",
            Self::TooLarge => "too-large",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Overloaded => "overloaded",
            Self::Unroutable => "unroutable",
            Self::Rejected => "rejected",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Config => "config",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }
}

/// An error of a port or use case. Cheap to pass on; [`Display`](fmt::Display) is one line without the source.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    message: Cow<'static, str>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of every port and use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` met during `operation` (a short verb phrase such as `"add event"`).
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            message: message.into(),
            context: Vec::new(),
            source: None,
        }))
    }

    /// The input has the wrong form; `message` is shown to the client.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, "read input", message)
    }

    /// The input is well-formed but impossible; `message` is shown to the client.
    pub fn unprocessable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unprocessable, "check input", message)
    }

    /// Adds a named value to the context. Never a secret, a name or an e-mail address: it reaches logs.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Sets the cause, which goes to logs and never to clients.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether repeating the same call later can succeed: see [`ErrorKind::is_retryable`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The message alone, without operation and context.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The named values that were added on the way.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// The same error for another waiter of the same batch: everything but the source, which can't be copied and
    /// is kept as text.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let mut copy = Self::new(self.0.kind, self.0.operation, self.0.message.clone());
        copy.0.context = self.0.context.clone();
        copy.0.source = self.0.source.as_ref().map(|source| source.to_string().into());
        copy
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.message)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if index == 0 { " (" } else { ", " })?;
        }
        if self.0.context.is_empty() {
            Ok(())
        } else {
            f.write_str(")")
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("message", &self.0.message)
            .field("context", &self.0.context)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_with_its_context() {
        let error = Error::new(ErrorKind::Unavailable, "add event", "the store is away")
            .with("event", "00ff")
            .with("try", 2)
            .caused_by("connection refused");
        assert_eq!(
            error.to_string(),
            "add event: the store is away (event: 00ff, try: 2)"
        );
        assert_eq!(
            StdError::source(&error).map(ToString::to_string),
            Some("connection refused".to_owned())
        );
        assert!(error.is_retryable());
    }
}
