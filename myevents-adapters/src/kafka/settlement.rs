//! Settles one delivery: what a consumer of messages holds of Kafka.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::hands::Hands;
use super::partition::Place;
use myevents_core::Result;
use myevents_core::ports::Settlement;

/// Settles one delivery; dropped unsettled, it is given back.
pub(super) struct KafkaSettlement {
    hands: Arc<Hands>,
    place: Place,
    attempt: u32,
    settled: bool,
}

impl KafkaSettlement {
    pub(super) fn new(hands: &Arc<Hands>, place: Place, attempt: u32) -> Box<Self> {
        Box::new(Self {
            hands: Arc::clone(hands),
            place,
            attempt,
            settled: false,
        })
    }

    fn settle(&mut self, delay: Option<Duration>) -> Result<()> {
        self.settled = true;
        let (offset, attempt) = (self.place.offset, self.attempt.saturating_add(1));
        self.hands.back(self.place, |partition| match delay {
            None => {
                partition.line.settle(offset);
            }
            Some(delay) => partition.line.give_back(offset, attempt, Instant::now() + delay),
        })
    }
}

#[async_trait]
impl Settlement for KafkaSettlement {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        self.settle(None)
    }

    async fn nack(mut self: Box<Self>, delay: Duration) -> Result<()> {
        self.settle(Some(delay))
    }

    /// Nothing has to be done: the consumer stays in its group however long a handler takes.
    async fn extend(&mut self, _hold: Duration) -> Result<()> {
        self.hands.with(self.place, |_| ())
    }
}

impl Drop for KafkaSettlement {
    fn drop(&mut self) {
        if !self.settled {
            // Given back, or void already.
            let _void = self.settle(Some(Duration::ZERO));
        }
    }
}
