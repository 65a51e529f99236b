//! The one table from errors and outcomes to statuses, and the form of RFC 9457 that clients see.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind};
use crate::ports::Outcome;
use crate::rest::answer;
use crate::service::Scope;

/// An answer that says what went wrong ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). The routers' layer adds the
/// request id and writes the body; the cause goes to the log and never to the client.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    word: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    extras: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

/// What stands before the word in `type`.
pub(super) const TYPE_PREFIX: &str = "urn:myevents:problem:";

/// Every problem there is: word, status, title.
pub(super) const PROBLEMS: &[(&str, u16, &str)] = &[
    ("invalid", 400, "The request is malformed"),
    ("unauthenticated", 401, "Who asks is not known"),
    ("forbidden", 403, "This is not allowed"),
    ("insufficient-scope", 403, "The token does not allow this"),
    ("not-found", 404, "There is no such thing"),
    ("unknown-path", 404, "There is nothing at this path"),
    ("method-not-allowed", 405, "This path does not take this method"),
    ("timeout", 408, "The request took too long to arrive"),
    ("conflict", 409, "The current state refuses this"),
    ("sold-out", 409, "Not enough seats are left"),
    ("event-cancelled", 409, "The event was cancelled"),
    (
        "capacity-unknown",
        409,
        "It is not known how many seats there are",
    ),
    ("not-on-sale", 409, "The event is not on sale now"),
    ("limit-reached", 409, "The person would have more than they may"),
    ("precondition", 412, "The record has another version"),
    ("too-large", 413, "The request is too large"),
    ("unsupported-media-type", 415, "The body is not JSON"),
    ("unprocessable", 422, "The request can't be carried out"),
    (
        "key-reused",
        422,
        "The Idempotency-Key was used before for another request",
    ),
    (
        "too-many-seats",
        422,
        "These are more seats than one booking may have",
    ),
    ("person-required", 422, "The booking has to say who it is for"),
    ("rate-limited", 429, "Too much was asked in a short time"),
    ("internal", 500, "Something broke on our side"),
    ("unsupported", 501, "This is not supported here"),
    ("unavailable", 503, "The service can't answer just now"),
    ("outcome-unknown", 503, "It is not known whether this was done"),
    ("overloaded", 503, "Too much is asked at once"),
];

impl Problem {
    /// The problem of this word, which stands in the table.
    pub(super) fn of(word: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let (word, status, title) = PROBLEMS
            .iter()
            .copied()
            .find(|(known, _, _)| *known == word)
            .unwrap_or(("internal", 500, "Something broke on our side"));
        let mut problem = Self(Box::new(Inner {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            word,
            title,
            detail: detail.into(),
            extras: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }));
        if status == 503 {
            problem = problem.with_header(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        problem
    }

    pub(super) fn unknown_path() -> Self {
        Self::of("unknown-path", "no route of this service has this path")
    }

    pub(super) fn unknown(what: &'static str) -> Self {
        Self::of("not-found", format!("no {what} has this id"))
    }

    pub(super) fn internal(cause: impl Into<String>) -> Self {
        let mut problem = Self::of("internal", "the request id finds the cause in the service's log");
        problem.0.cause = Some(cause.into());
        problem
    }

    /// What a bare status of axum stands for: an answer that none of our handlers made.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::unknown_path(),
            405 => Self::of(
                "method-not-allowed",
                "the Allow header lists the methods that this path takes",
            ),
            408 => Self::of("timeout", "the request took too long to arrive"),
            413 => Self::of("too-large", "the request is too large"),
            415 => Self::of("unsupported-media-type", "the body is not JSON"),
            400..=499 => Self::of("invalid", "the request is malformed"),
            _ => Self::internal(format!("a bare {status}")),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.extras.push((name, value.into()));
        self
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable word at the end of `type`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.0.word
    }

    /// What only the log may hold.
    pub(super) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// A route that only signed-in callers may use was asked without credentials: the challenge then names no error
    /// ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    pub(super) fn sign_in_needed() -> Self {
        Self::of(
            "unauthenticated",
            "this needs sign-in: send Authorization: Bearer and a token",
        )
        .with_header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"myevents\""),
        )
    }

    /// The caller's token is good and does not allow this.
    pub(super) fn scope_needed(scope: Scope) -> Self {
        Self::of(
            "insufficient-scope",
            format!("this needs a token with the scope {scope}"),
        )
        .with_header(
            header::WWW_AUTHENTICATE,
            challenge("insufficient_scope", "scope", scope.as_str()),
        )
    }

    /// Why a booking was refused; `None` when it was granted. `own_id` tells that the client chose the id itself.
    pub(super) fn of_outcome(outcome: &Outcome, own_id: bool) -> Option<Self> {
        Some(match outcome {
            Outcome::Booked(_) | Outcome::Existing(_) => return None,
            Outcome::KeyReused if own_id => Self::of(
                "conflict",
                "the ID is taken by a booking that asks for something else",
            ),
            Outcome::KeyReused => Self::of(
                "key-reused",
                "the Idempotency-Key was used before for another request",
            ),
            Outcome::SoldOut { available } => {
                Self::of("sold-out", "fewer seats are left than were asked for").with("available", *available)
            }
            Outcome::UnknownEvent => Self::unknown("event"),
            Outcome::EventCancelled => Self::of("event-cancelled", "a cancelled event takes no bookings"),
            Outcome::CapacityUnknown => {
                Self::of("capacity-unknown", "the capacity of the event is not known yet")
            }
            Outcome::NotOnSale => Self::of("not-on-sale", "now is outside the time of sales of this event"),
            Outcome::TooManySeats { max } => Self::of(
                "too-many-seats",
                format!("one booking may have at most {max} seats"),
            )
            .with("max", *max),
            Outcome::LimitReached => Self::of("limit-reached", "the event limits what one person may book"),
            Outcome::PersonRequired => Self::of(
                "person-required",
                "the event limits what one person may book: give userId or email",
            ),
        })
    }

    /// The answer, with the request's id in its body.
    pub(super) fn render(self, request_id: &str) -> Response {
        let Inner {
            status,
            word,
            title,
            detail,
            extras,
            headers,
            ..
        } = *self.0;
        let mut body = Map::new();
        body.insert("type".to_owned(), format!("{TYPE_PREFIX}{word}").into());
        body.insert("title".to_owned(), title.into());
        body.insert("status".to_owned(), status.as_u16().into());
        body.insert("detail".to_owned(), detail.into_owned().into());
        body.insert("requestId".to_owned(), request_id.into());
        for (name, value) in extras {
            body.insert(name.to_owned(), value);
        }
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = status;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// What `WWW-Authenticate` says beside the realm. The value is left out where it could not stand in quotes.
fn challenge(error: &str, name: &str, value: &str) -> HeaderValue {
    let plain = value
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
    let more = if plain {
        format!(", {name}=\"{value}\"")
    } else {
        String::new()
    };
    answer::text(format!("Bearer realm=\"myevents\", error=\"{error}\"{more}"))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let told = || error.message().to_owned();
        let mut problem = match error.kind() {
            ErrorKind::Invalid => Self::of("invalid", told()),
            ErrorKind::Unprocessable => Self::of("unprocessable", told()),
            ErrorKind::NotFound => Self::of("not-found", told()),
            ErrorKind::Conflict => Self::of("conflict", told()),
            ErrorKind::KeyReused => Self::of("key-reused", told()),
            ErrorKind::Precondition => Self::of("precondition", told()),
            ErrorKind::TooLarge => Self::of("too-large", told()),
            ErrorKind::Unauthenticated => Self::of("unauthenticated", told()).with_header(
                header::WWW_AUTHENTICATE,
                challenge("invalid_token", "error_description", error.message()),
            ),
            ErrorKind::Forbidden => Self::of("forbidden", told()),
            ErrorKind::Unavailable | ErrorKind::Unroutable | ErrorKind::Closed => Self::of(
                "unavailable",
                "nothing was changed: send the same request again after Retry-After",
            ),
            ErrorKind::OutcomeUnknown => Self::of(
                "outcome-unknown",
                "it may have been done or not: send the same request again with the same Idempotency-Key or ID",
            ),
            ErrorKind::Overloaded => Self::of(
                "overloaded",
                "nothing was changed: send the same request again after Retry-After",
            ),
            ErrorKind::Unsupported => Self::of("unsupported", "this backend has no such ability"),
            ErrorKind::Rejected | ErrorKind::Malformed | ErrorKind::Config | ErrorKind::Internal => {
                Self::internal("")
            }
        };
        if problem.0.status.is_server_error() {
            let mut cause = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                cause.push_str(": ");
                cause.push_str(&inner.to_string());
                source = inner.source();
            }
            problem.0.cause = Some(cause);
        }
        problem
    }
}

impl IntoResponse for Problem {
    /// The status alone, with the problem in the extensions: the layer writes the body, as it knows the request id.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        response.extensions_mut().insert(self);
        response
    }
}
