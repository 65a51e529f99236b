//! Our side: one emitter, one subscription, and acknowledgements as many handlers at once give them.

use std::time::Instant;

use anyhow::{Context, Result};
use futures_util::StreamExt as _;
use myevents_adapters::sqs::aws_sdk_sqs::Client;
use myevents_adapters::sqs::{SqsBroker, SqsConfig};
use myevents_core::contract::Envelope;
use myevents_core::ports::{EventEmitter as _, EventListener as _, StartFrom, Subscription};

use crate::OPEN;

/// As many handlers as acknowledge at once.
const AT_ONCE: usize = 100;

pub(crate) struct Ours {
    client: Client,
    queue: String,
}

impl Ours {
    pub(crate) async fn new(client: &Client, queue: &str) -> Result<Self> {
        let ours = Self {
            client: client.clone(),
            queue: queue.to_owned(),
        };
        ours.broker()?.emitter().ping().await?;
        Ok(ours)
    }

    fn broker(&self) -> Result<SqsBroker> {
        let mut config = SqsConfig::new("figures", self.queue.clone());
        config.open_requests = OPEN;
        config.open_receives = OPEN;
        config.wait_time = std::time::Duration::from_secs(1);
        Ok(SqsBroker::with_client(&self.client, config)?)
    }

    /// Seconds for sending all, and for receiving and deleting all.
    pub(crate) async fn round(&self, messages: Vec<Envelope>) -> Result<(f64, f64)> {
        let broker = self.broker()?;
        let emitter = broker.emitter();
        let start = Instant::now();
        for result in emitter.emit(&messages).await {
            result?;
        }
        let sent = start.elapsed();
        let listener = broker.listener();
        let start = Instant::now();
        let subscription = Subscription {
            group: "figures".to_owned(),
            names: Vec::new(),
            prefetch: OPEN * 10 + AT_ONCE,
            from: StartFrom::Now,
        };
        let stream = listener.subscribe(subscription).await?;
        let mut acknowledged = stream.map(|delivery| delivery.ack()).buffer_unordered(AT_ONCE);
        for _ in 0..messages.len() {
            acknowledged.next().await.context("the stream ended")??;
        }
        let taken = start.elapsed();
        drop(acknowledged);
        listener.close().await?;
        Ok((sent.as_secs_f64(), taken.as_secs_f64()))
    }
}
