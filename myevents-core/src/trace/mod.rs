//! The spans of a trace that is exported: a request, a publish, the handling of a message. They are apart from the spans of
//! log lines, and nothing is made unless a subscriber wants the target [`TARGET`] at level `TRACE`.
//!
//! With feature `otel` they continue the W3C trace context of the request or message, and a request without one begins a trace:
//! the messages that it causes carry it to the relay, whose publish is below the request, and a message goes out with the context
//! of its publish, so that handling it is below that. A program installs the layer of `tracing-opentelemetry` with a filter for
//! [`TARGET`]; the three programs do so with their own feature `otel`.
//!
//! What is in a span leaves the process: routes without what stands in their place, names and ids of messages, texts of errors.
//! No ids of records, which can be keys to them, no headers, no bodies.

#[cfg(feature = "otel")]
mod link;
#[cfg(not(feature = "otel"))]
#[path = "no_link.rs"]
mod link;

use tracing::{Span, field};

use crate::contract::{Envelope, header};
use crate::error::Error;

/// The target of these spans, all of level `TRACE`.
pub const TARGET: &str = "myevents_core::trace";

/// The span of a request to a route, below the caller's trace context.
#[cfg(feature = "rest")]
pub(crate) fn request(method: &str, route: &str, headers: &http::HeaderMap) -> Span {
    let span = tracing::trace_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        error.type = field::Empty,
    );
    if !span.is_disabled() {
        link::follow(&span, crate::rest::traceparent(headers).as_deref());
    }
    span
}

/// Notes how a request was answered. What is the client's fault is no error of ours.
#[cfg(feature = "rest")]
pub(crate) fn answered(span: &Span, status: u16) {
    // As a signed number: an unsigned one would be exported as text.
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", field::display(status));
    }
}

/// The trace context that what comes of this span continues; none for a span that nobody wants.
pub(crate) fn context(span: &Span) -> Option<String> {
    link::context(span)
}

/// The span of handing a message to the broker until its answer.
pub(crate) fn publish(envelope: &Envelope) -> Span {
    let span = tracing::trace_span!(
        target: TARGET,
        parent: None,
        "publish",
        otel.name = format!("publish {}", envelope.name()),
        otel.kind = "producer",
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
        error.type = field::Empty,
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.message.id = %envelope.id(),
        messaging.message.body.size = i64::try_from(envelope.body().len()).unwrap_or(i64::MAX),
    );
    follow(&span, envelope);
    span
}

/// The message as it goes out: what comes of it continues the span of its publish.
pub(crate) fn carried(span: &Span, envelope: &Envelope) -> Envelope {
    // Whether it is wanted is never asked beforehand: `enabled!` leaves its answer behind for the next event of the thread where
    // layers filter for themselves (tokio-rs/tracing#2519), and that one would be missing in the log.
    if span.is_disabled() {
        return envelope.clone();
    }
    match context(span) {
        Some(own) => envelope.with_header(header::TRACEPARENT, own),
        None => envelope.clone(),
    }
}

/// The span of one try to handle a message.
pub(crate) fn process(consumer: &str, envelope: &Envelope, attempt: u32) -> Span {
    let span = tracing::trace_span!(
        target: TARGET,
        parent: None,
        "process",
        otel.name = format!("process {}", envelope.name()),
        otel.kind = "consumer",
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
        error.type = field::Empty,
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.consumer.group.name = consumer,
        messaging.message.id = %envelope.id(),
        attempt = i64::from(attempt),
    );
    follow(&span, envelope);
    span
}

/// Notes that a publish or a try failed.
pub(crate) fn failed(span: &Span, error: &Error) {
    if !span.is_disabled() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", error.kind().as_str());
        // Its context, which names places and ids, stays in the log.
        let text = format!("{}: {}", error.operation(), error.message());
        span.record("otel.status_description", text);
    }
}

fn follow(span: &Span, envelope: &Envelope) {
    if !span.is_disabled() {
        let headers = envelope.headers();
        link::follow(span, headers.get(header::TRACEPARENT).map(String::as_str));
    }
}
