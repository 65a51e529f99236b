//! Opens Kafka as it is configured, and what operators ask of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_core::contract::MessageName;
use myevents_core::observe::Observer;
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetters, EventListener, PageOf};
use myevents_core::{Error, Result};
use tokio::runtime::Handle;

use super::client::blocking;
use super::{KafkaBroker, KafkaConfig, group, secure};
use crate::connect::{BrokerOptions, BrokerTools, OpenBroker, Replay};

/// Between two tries to make a group known.
const PAUSE: Duration = Duration::from_secs(1);

/// Opens a cluster, which may be away.
///
/// # Errors
/// `Config` for settings that can't be; `Unsupported` for TLS where it is not built in.
#[allow(clippy::unused_async, reason = "brokers are opened asynchronously")]
pub(crate) async fn open(options: &BrokerOptions, observer: Arc<dyn Observer>) -> Result<OpenBroker> {
    let kafka = &options.kafka;
    let mut config = KafkaConfig::from_client_config(secure::client(options)?);
    config.topic.clone_from(&kafka.topic);
    config.partitions = kafka.partitions;
    config.legacy_names = options.legacy_names;
    config.max_message_bytes = options.max_message_bytes;
    config.own_group = Some((options.service.clone(), kafka.group.clone()));
    config.observer = observer;
    let broker = KafkaBroker::new(config)?;
    Ok(OpenBroker {
        emitter: Arc::new(broker.emitter()?),
        listener: Arc::new(broker.listener()),
        tools: Arc::new(broker),
    })
}

impl BrokerTools for KafkaBroker {
    /// A log has kept what was published before the group was known, so the group begins at the log's beginning.
    fn declare(&self, group: &str, _names: &[MessageName]) {
        let (config, topology) = (Arc::clone(&self.config), Arc::clone(&self.topology));
        let (group, handle) = (group.to_owned(), Handle::current());
        tokio::spawn(async move {
            loop {
                let (config, topology) = (Arc::clone(&config), Arc::clone(&topology));
                let (group, handle) = (group.clone(), handle.clone());
                let declared = blocking("declare group", move || {
                    topology.group_there(&handle, &group)?;
                    group::begin_at_start(&config, &group)
                });
                match declared.await {
                    Ok(()) => return,
                    Err(error) if error.is_retryable() => {
                        tracing::warn!(%error, "the group can't be made known yet");
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the group can't be made known");
                        return;
                    }
                }
            }
        });
    }

    fn dead_letters(&self, group: &str, _rows: Arc<dyn DeadLetterQueue>) -> Arc<dyn DeadLetters> {
        match KafkaBroker::dead_letters(self, group) {
            Ok(letters) => Arc::new(letters),
            Err(error) => Arc::new(Nowhere(error)),
        }
    }

    fn replay(&self) -> Result<Replay> {
        let replay = KafkaBroker::replay(self);
        let progress = replay.progress();
        let listener: Arc<dyn EventListener> = Arc::new(replay);
        Ok(Replay { listener, progress })
    }
}

/// The dead letters of a group that can have none, as its name can't be part of a topic's.
#[derive(Debug)]
struct Nowhere(Error);

#[async_trait]
impl DeadLetters for Nowhere {
    async fn put(&self, _letter: &DeadLetter) -> Result<()> {
        Err(self.0.duplicate())
    }

    async fn list(
        &self,
        _after: Option<&DeadLetterId>,
        _limit: usize,
    ) -> Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        Err(self.0.duplicate())
    }

    async fn resend(&self, _ids: &[DeadLetterId]) -> Result<usize> {
        Err(self.0.duplicate())
    }

    async fn discard(&self, _ids: &[DeadLetterId]) -> Result<usize> {
        Err(self.0.duplicate())
    }

    async fn count(&self) -> Result<u64> {
        Err(self.0.duplicate())
    }
}
