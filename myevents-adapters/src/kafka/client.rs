//! What all clients share: librdkafka's log lines go to `tracing`, and its blocking calls to threads that may block.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use myevents_core::{Error, ErrorKind, Result};

/// The context of clients without callbacks of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logs;

impl ClientContext for Logs {
    fn log(&self, level: Level, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        failed(&error, reason);
    }
}

impl ConsumerContext for Logs {}

pub(super) fn log(level: Level, facility: &str, message: &str) {
    match level {
        Level::Emerg | Level::Alert | Level::Critical | Level::Error => {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        Level::Warning | Level::Notice => tracing::info!(target: "librdkafka", facility, "{message}"),
        Level::Info | Level::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// What the client could not do and goes on trying: a broker that is away says so again and again.
pub(super) fn failed(error: &KafkaError, reason: &str) {
    tracing::info!(target: "librdkafka", %error, "{reason}");
    // A bare word of OpenSSL is the same for a certificate of another authority, for another name, and one that is over.
    if reason.contains("certificate verify failed") && is_time_to_say() {
        tracing::warn!(
            "Kafka's certificate is not valid for this address by the authorities in broker_tls_ca, or by the system's where it \
             is not set; put the authority's certificate in that file, or correct the host names in kafka_message_brokers and \
             in what the brokers advertise"
        );
    }
}

/// Each try of each client meets the same.
fn is_time_to_say() -> bool {
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    let mut said = SAID.lock();
    if said.is_some_and(|said| said.elapsed() < Duration::from_secs(30)) {
        return false;
    }
    *said = Some(Instant::now());
    true
}

/// Runs a call of librdkafka that blocks. It goes on where the caller stops waiting.
pub(super) async fn blocking<T: Send + 'static>(
    operation: &'static str,
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(
            ErrorKind::Internal,
            operation,
            "a call of kafka's client panicked",
        )
        .caused_by(error)),
    }
}
