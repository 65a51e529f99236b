//! What the clients of AWS have in common: where they go, whom they trust, and how a failure to connect shows.

use std::error::Error as StdError;
use std::path::Path;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use myevents_core::Result;

use crate::trust;

/// What a request without TLS fails with where authorities are named.
const PLAIN: &str = "the endpoint is not https";

/// Region, credentials and endpoint as the environment says, over TLS by `ring`.
///
/// With `ca`, a file that `setting` names, the services are spoken to over TLS only and trusted by these authorities alone.
/// Where credentials come from stays as it is: that may be `http` on a machine of AWS, and has other authorities.
///
/// # Errors
/// `Config` for authorities that can't be read, or an endpoint without TLS where there are some.
pub(crate) async fn load(
    setting: &'static str,
    ca: Option<&Path>,
    endpoint: Option<&str>,
    variables: &[&str],
) -> Result<SdkConfig> {
    let http = || aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http().build_https());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let mut found = loader.load().await;
    if found.region().is_none() && (endpoint.is_some() || found.endpoint_url().is_some()) {
        // An endpoint of one's own, such as a stand-in, has no region that matters.
        found = found.into_builder().region(Region::new("us-east-1")).build();
    }
    let Some(path) = ca else {
        return Ok(found);
    };
    let named = found.endpoint_url().map(str::to_owned);
    let own = variables.iter().filter_map(|name| std::env::var(name).ok());
    if named.into_iter().chain(own).any(|url| !is_secure(&url)) {
        return Err(trust::refused(
            setting,
            "is for TLS, and the endpoint is http: write https://, or leave it out",
        ));
    }
    // The client's own reading ends the process at a fault.
    trust::authorities(setting, path)?;
    let pem = std::fs::read(path).map_err(|error| trust::unreadable(setting, path, error))?;
    let context = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| trust::unreadable(setting, path, error))?;
    let client = OnlySecure(http().tls_context(context).build_https());
    Ok(found.into_builder().http_client(client).build())
}

fn is_secure(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

/// Refuses what would be sent in the clear, wherever the endpoint came from: a profile names one too.
#[derive(Debug)]
struct OnlySecure<T>(T);

impl HttpClient for OnlySecure<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(OnlySecure(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for OnlySecure<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if is_secure(request.uri()) {
            return self.0.call(request);
        }
        HttpConnectorFuture::ready(Err(ConnectorError::user(PLAIN.into())))
    }
}

/// Whether the endpoint was not spoken to as it could not be proven, or without TLS it can't be.
pub(crate) fn is_unproven(error: &ConnectorError) -> bool {
    let plain = error.source().is_some_and(|source| source.to_string() == PLAIN);
    plain || trust::is_unproven(error)
}

/// Whether the connection was never made. What is not known to be so counts as sent.
pub(crate) fn was_never_sent(error: &ConnectorError) -> bool {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Io;
            if matches!(
                io.kind(),
                Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable | Io::AddrNotAvailable
            ) {
                return true;
            }
        }
        let words = error.to_string();
        if words.contains("HTTP connect timeout")
            || words.contains("credentials")
            || words.contains("dns error")
        {
            return true;
        }
        source = error.source();
    }
    false
}
