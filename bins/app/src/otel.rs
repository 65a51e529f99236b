//! Traces to a collector by OTLP over HTTP: which spans, who sends them, and the last ones at a stop.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use myevents_core::runtime::config::OtelSettings;
use myevents_core::runtime::telemetry::ExtraLayer;
use myevents_core::trace;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// What one export may take where the environment says nothing.
const SENDING: Duration = Duration::from_secs(10);
/// What the last export may take, out of the time to stop.
const LAST: Duration = Duration::from_secs(3);
/// A collector answers a few bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// The export of a program that runs.
#[derive(Default)]
pub(crate) struct Export(Option<SdkTracerProvider>);

impl Export {
    /// What to say in the log once there is one.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        None
    }

    /// What the last export may take of the time to stop.
    pub(crate) fn last(&self, stop: Duration) -> Duration {
        match self.0 {
            Some(_) => LAST.min(stop / 4),
            None => Duration::ZERO,
        }
    }

    /// Sends what is left. Blocks, no longer than `within`, while the runtime still runs.
    pub(crate) fn finish(self, within: Duration) {
        let Some(provider) = self.0 else { return };
        if let Err(error) = provider.shutdown_with_timeout(within) {
            tracing::warn!(%error, "the last spans were not exported in time");
        }
    }
}

/// Starts exporting if the settings name a collector: the layer that takes spans, and the export to be finished.
///
/// # Errors
/// When OpenTelemetry's own variables can't be followed.
pub(crate) fn start(
    settings: &OtelSettings,
    program: &'static str,
    runtime: &Handle,
) -> Result<(Option<ExtraLayer>, Export)> {
    let Some(endpoint) = endpoint(settings) else {
        return Ok((None, Export(None)));
    };
    let protocol = set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| set("OTEL_EXPORTER_OTLP_PROTOCOL"));
    if let Some(protocol) = protocol.filter(|protocol| protocol != "http/protobuf") {
        bail!("OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: only `http/protobuf` is built in");
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_http_client(Sender::new(runtime.clone())?)
        .build()
        // The error quotes the address, which may hold a password.
        .map_err(|_| {
            anyhow!(
                "spans can't be sent to otel_endpoint (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT): it is no URL"
            )
        })?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(settings, program))
        .with_sampler(sampler(settings))
        .with_batch_exporter(exporter)
        .build();
    // The spans of the trace and no events: those have ids and places in their fields, and belong to the log.
    let wanted = Targets::new().with_target(trace::TARGET, LevelFilter::TRACE);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("myevents"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(wanted);
    Ok((Some(Box::new(layer)), Export(Some(provider))))
}

/// A variable of OpenTelemetry's that is no key of ours.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where to, if anywhere: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>.
fn endpoint(settings: &OtelSettings) -> Option<String> {
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let none = set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    if disabled || none {
        return None;
    }
    let base = settings.endpoint.as_ref();
    let below = base.map(|base| format!("{}/v1/traces", base.reveal().trim_end_matches('/')));
    set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or(below)
}

fn resource(settings: &OtelSettings, program: &'static str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let named_among = set("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="));
    match &settings.service_name {
        Some(name) => resource.with_service_name(name.clone()),
        None if named_among => resource,
        None => resource.with_service_name(program),
    }
    .build()
}

fn sampler(settings: &OtelSettings) -> Sampler {
    let word = settings.sampler.as_str();
    let own = match word.strip_prefix("parentbased_").unwrap_or(word) {
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(settings.share),
        _ => Sampler::AlwaysOn,
    };
    match word.starts_with("parentbased_") {
        true => Sampler::ParentBased(Box::new(own)),
        false => own,
    }
}

/// Sends on the program's own runtime, as the exporter's thread has none; says once that it does not work, and once that it
/// does again.
#[derive(Clone)]
struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    within: Duration,
    failing: Arc<AtomicBool>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl Sender {
    /// Reads the system's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
    fn new(runtime: Handle) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("no TLS version is left")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        let asked = set("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or_else(|| set("OTEL_EXPORTER_OTLP_TIMEOUT"));
        let asked = asked.and_then(|millis| millis.parse().ok());
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime,
            within: asked.map_or(SENDING, Duration::from_millis),
            failing: Arc::default(),
        })
    }

    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.client.request(request.map(Full::new)).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    fn note(&self, fault: Option<&dyn fmt::Display>) {
        let failed_before = self.failing.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(error) if !failed_before => {
                tracing::warn!(%error, "spans can't be exported; what does not fit the queue is dropped until they can");
            }
            None if failed_before => tracing::info!("spans are exported again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sender = self.clone();
        // Made inside, as a timer needs the runtime too.
        let sending = async move { tokio::time::timeout(sender.within, sender.send(request)).await };
        let answer = self.runtime.spawn(sending).await?;
        let answer = answer.unwrap_or_else(|_| Err("the collector does not answer in time".into()));
        match &answer {
            Ok(response) if response.status().is_success() => self.note(None),
            Ok(response) => self.note(Some(&response.status())),
            Err(error) => self.note(Some(error)),
        }
        answer
    }
}
