//! Ties spans to W3C trace contexts (<https://www.w3.org/TR/trace-context/#traceparent-header>) by OpenTelemetry's layer.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Makes the span a child of a span of another process. What is no trace context is passed over.
pub(super) fn follow(span: &Span, traceparent: Option<&str>) {
    if let Some(remote) = traceparent.and_then(parse) {
        // Without OpenTelemetry's layer there is nothing to tie it to.
        let _no_layer = span.set_parent(Context::new().with_remote_span_context(remote));
    }
}

/// The span's own trace context.
pub(super) fn context(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| {
        let flags = context.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
    })
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if (version.len(), trace.len(), span.len(), flags.len()) != (2, 32, 16, 2) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_context_is_one() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let context = parse(&format!("00-{id}-00f067aa0ba902b7-01")).unwrap();
        assert_eq!(context.trace_id().to_string(), id);
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled() && context.is_remote());
        assert!(
            !parse(&format!("00-{id}-00f067aa0ba902b7-00"))
                .unwrap()
                .is_sampled()
        );
        for text in [
            "",
            "00",
            "00-short-1-1",
            &format!("00-{}-00f067aa0ba902b7-01", "g".repeat(32)),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{id}-0000000000000000-01"),
            &format!("00-{id}-00f067aa0ba902b7"),
        ] {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }
}
