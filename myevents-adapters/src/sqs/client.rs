//! The SDK's clients: one for what is sent once, one for what may be repeated, one for receives that wait.

use std::path::Path;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use myevents_core::Result;

use super::config::SqsConfig;
use crate::aws;
use crate::trust::BROKER_CA;

/// As [`aws::load`], for SQS and SNS.
///
/// # Errors
/// As that.
pub(crate) async fn load(endpoint: Option<&str>, ca: Option<&Path>) -> Result<SdkConfig> {
    let variables: &[&str] = match endpoint {
        Some(_) => &[],
        None => &["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS"],
    };
    aws::load(BROKER_CA, ca, endpoint, variables).await
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
