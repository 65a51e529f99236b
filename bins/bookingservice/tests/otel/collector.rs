//! A small collector: takes OTLP over HTTP and keeps the spans, decoded.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message as _;

/// A span, and the service that it is of.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) span: Span,
}

impl Seen {
    pub(crate) fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// An attribute as text.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let found = self.span.attributes.iter().find(|each| each.key == name)?;
        match found.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text.clone()),
            Value::IntValue(number) => Some(number.to_string()),
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Collector {
    spans: Arc<Mutex<Vec<Seen>>>,
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers
        .get("content-type")
        .is_none_or(|kind| kind != "application/x-protobuf")
    {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let name = attributes.iter().find(|each| each.key == "service.name");
        let service = match name
            .and_then(|each| each.value.as_ref())
            .and_then(|value| value.value.as_ref())
        {
            Some(Value::StringValue(name)) => name.clone(),
            other => panic!("no service.name: {other:?}"),
        };
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        collector.spans.lock().extend(spans.map(|span| Seen {
            service: service.clone(),
            span,
        }));
    }
    StatusCode::OK
}

impl Collector {
    /// Listens on a free port; answers what to set as the endpoint.
    pub(crate) async fn start() -> (Self, String) {
        let collector = Self::default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/v1/traces", post(take))
            .with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (collector, url)
    }

    /// All spans of a trace so far.
    pub(crate) fn of(&self, trace: &str) -> Vec<Seen> {
        let spans = self.spans.lock();
        spans
            .iter()
            .filter(|seen| seen.trace() == trace)
            .cloned()
            .collect()
    }

    /// The first span that is as wanted, waited for.
    pub(crate) async fn wait(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let start = Instant::now();
        loop {
            if let Some(seen) = self.spans.lock().iter().find(|seen| wanted(seen)) {
                return seen.clone();
            }
            let names: Vec<String> = self
                .spans
                .lock()
                .iter()
                .map(|seen| seen.span.name.clone())
                .collect();
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "no span {what} in {names:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
