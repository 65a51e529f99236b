//! The span of one try, tied to the request that caused the message by its W3C trace context.

use tracing::Span;

use crate::contract::{Envelope, header};

/// A span named for the act, with ids as fields and no payload.
pub(super) fn span(group: &str, envelope: &Envelope, attempt: u32) -> Span {
    let parent = envelope.headers().get(header::TRACEPARENT);
    let trace_id = parent.and_then(|parent| trace_id(parent));
    tracing::info_span!(
        "handle message",
        consumer = group,
        message = %envelope.id(),
        name = %envelope.name(),
        attempt,
        traceparent = parent,
        trace_id,
    )
}

/// The trace id of a `traceparent`, if it is one: <https://www.w3.org/TR/trace-context/#traceparent-header>.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (_version, trace) = (parts.next()?, parts.next()?);
    (trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_context_gives_a_trace_id() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")), Some(id));
        for text in ["", "00", "00-short-1-1", &format!("00-{}-1-1", "g".repeat(32))] {
            assert_eq!(trace_id(text), None, "{text:?}");
        }
    }
}
