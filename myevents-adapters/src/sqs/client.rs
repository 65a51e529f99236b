//! The SDK's clients: one for what is sent once, one for what may be repeated, one for receives that wait.

use std::path::Path;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use myevents_core::Result;

use super::config::SqsConfig;
use crate::aws;
use crate::trust::{self, BROKER_CA};

/// Region, credentials and endpoint as the environment says, over TLS by `ring`.
///
/// # Errors
/// `Config` for authorities that can't be read, or an endpoint without TLS where there are some.
pub(crate) async fn load(endpoint: Option<&str>, ca: Option<&Path>) -> Result<SdkConfig> {
    let http = aws::http_client(BROKER_CA, ca)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let found = loader.load().await;
    let named = endpoint.or(found.endpoint_url()).map(str::to_owned);
    let own = ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS"].map(|name| std::env::var(name).ok());
    let plain = |url: &String| url.starts_with("http://");
    if ca.is_some() && named.iter().chain(own.iter().flatten()).any(plain) {
        return Err(trust::refused(
            BROKER_CA,
            "is for TLS, and an endpoint of SQS or SNS is http: write https://, or leave it out",
        ));
    }
    if found.region().is_none() && (endpoint.is_some() || found.endpoint_url().is_some()) {
        // An endpoint of one's own, such as ElasticMQ, has no region that matters.
        return Ok(found.into_builder().region(Region::new("us-east-1")).build());
    }
    Ok(found)
}

/// One client, three ways.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    /// Sends, whose repeats belong to whoever sends.
    pub(super) once: Client,
    /// What does no harm twice: looking, making, deleting, hiding.
    pub(super) again: Client,
    /// Receives, which wait for messages.
    pub(super) waiting: Client,
}

impl Clients {
    pub(super) fn new(client: &Client, config: &SqsConfig) -> Self {
        let with = |retry: RetryConfig, tries: u32, attempt| {
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(config.connect_timeout)
                .operation_attempt_timeout(attempt)
                .operation_timeout(attempt * tries)
                .build();
            let config = client
                .config()
                .to_builder()
                .retry_config(retry)
                .timeout_config(timeouts)
                .build();
            Client::from_conf(config)
        };
        let attempt = config.request_timeout;
        Self {
            once: with(RetryConfig::disabled(), 1, attempt),
            again: with(RetryConfig::standard().with_max_attempts(3), 2, attempt),
            waiting: with(RetryConfig::disabled(), 1, attempt + config.wait_time),
        }
    }
}
