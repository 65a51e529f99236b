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
            other => panic!("{name}: {other:?}"),
        }
    }

    /// An attribute as a number.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        let found = self.span.attributes.iter().find(|each| each.key == name)?;
        match found.value.as_ref()?.value.as_ref()? {
            Value::IntValue(number) => Some(*number),
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
    /// What the exports brought as `authorization`.
    keys: Arc<Mutex<Vec<String>>>,
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers
        .get("content-type")
        .is_none_or(|kind| kind != "application/x-protobuf")
    {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    if let Some(key) = headers.get("authorization") {
        collector.keys.lock().push(key.to_str().unwrap().to_owned());
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
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> (Self, String) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/v1/traces", post(take))
            .with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (collector, url)
    }

    /// What the exports brought as `authorization`.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().clone()
    }

    /// All spans so far, of whatever trace.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.spans.lock().clone()
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

    /// The span of a trace with this name, waited for.
    pub(crate) async fn wait(&self, trace: &str, name: &str) -> Seen {
        self.wait_for(name, |seen| seen.trace() == trace).await
    }

    /// The first span with this name, of whatever trace, waited for.
    pub(crate) async fn wait_any(&self, name: &str) -> Seen {
        self.wait_for(name, |_| true).await
    }

    async fn wait_for(&self, name: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let start = Instant::now();
        loop {
            let all = self.all();
            let found = all.iter().find(|seen| seen.span.name == name && wanted(seen));
            if let Some(seen) = found {
                return seen.clone();
            }
            let names: Vec<_> = all.iter().map(|seen| (seen.trace(), &seen.span.name)).collect();
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "no span `{name}` in {names:?}; were all programs built with feature otel?"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
