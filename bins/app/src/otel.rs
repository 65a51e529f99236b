//! Traces to a collector by OTLP over HTTP, as OpenTelemetry's own environment variables say; nothing without them.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use myevents_core::runtime::telemetry::ExtraLayer;
use myevents_core::trace;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// What an export may take, and what is waited for at the end.
const SENDING: Duration = Duration::from_secs(10);
const LAST: Duration = Duration::from_secs(5);

/// The export of a program that runs.
#[derive(Default)]
pub(crate) struct Export(Option<SdkTracerProvider>);

impl Export {
    /// What to say in the log once there is one.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        None
    }

    /// Sends what is left. Blocks, at most for some seconds, while the runtime still runs.
    pub(crate) fn finish(self) {
        let Some(provider) = self.0 else { return };
        if let Err(error) = provider.shutdown_with_timeout(LAST) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Starts exporting if the environment names a collector: the layer that takes spans, and the export to be finished.
///
/// # Errors
/// When the variables can't be followed.
pub(crate) fn start(program: &'static str, runtime: &Handle) -> Result<(Option<ExtraLayer>, Export)> {
    let Some(endpoint) = endpoint() else {
        return Ok((None, Export(None)));
    };
    let protocol = set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| set("OTEL_EXPORTER_OTLP_PROTOCOL"));
    if let Some(protocol) = protocol.filter(|protocol| protocol != "http/protobuf") {
        bail!("OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: only `http/protobuf` is built in");
    }
    // The one TLS stack of these programs. Another part may have named it already.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(SENDING)
        .build()
        .context("no HTTP client for traces")?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(Client {
            client,
            runtime: runtime.clone(),
            failing: Arc::default(),
        })
        .build()
        .with_context(|| format!("traces can't be exported to {endpoint}"))?;
    let mut resource = Resource::builder();
    let named_among = set("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="));
    if set("OTEL_SERVICE_NAME").is_none() && !named_among {
        resource = resource.with_service_name(program);
    }
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.with_attribute(version).build())
        .with_batch_exporter(exporter)
        .build();
    // The spans of the trace, and what is warned of while they are open.
    let wanted = Targets::new()
        .with_target("myevents", LevelFilter::WARN)
        .with_target(trace::TARGET, LevelFilter::TRACE);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("myevents"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_filter(wanted);
    Ok((Some(Box::new(layer)), Export(Some(provider))))
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where to, if anywhere.
fn endpoint() -> Option<String> {
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let none = set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    if disabled || none {
        return None;
    }
    set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"))
}

/// Sends on the program's own runtime, as the exporter's thread has none, and says once that it does not work, and once that it does again.
#[derive(Clone)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
    failing: Arc<AtomicBool>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    fn note(&self, fault: Option<&dyn fmt::Display>) {
        let failed_before = self.failing.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(error) if !failed_before => {
                tracing::warn!(%error, "traces can't be exported; spans are dropped until they can");
            }
            None if failed_before => tracing::info!("traces are exported again"),
            _ => {}
        }
    }
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
    let answer = client.execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(answer.bytes().await?);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.runtime.spawn(send(self.client.clone(), request)).await?;
        match &answer {
            Ok(response) if response.status().is_success() => self.note(None),
            Ok(response) => self.note(Some(&response.status())),
            Err(error) => self.note(Some(error)),
        }
        Ok(answer?)
    }
}
