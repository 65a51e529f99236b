//! A steady load: publishers that repeat until the broker took a message, and consumers that take note.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use myevents_adapters::amqp::{AmqpBroker, AmqpConfig};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::{EventEmitter, EventListener as _};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::beside::wanting;
use crate::common::eventually;

const PUBLISHERS: usize = 4;
/// Messages of one call, each of another key.
const BATCH: usize = 20;
/// What has not come within this, from the end of the load, is lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// A load at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    publishers: Vec<JoinHandle<usize>>,
    seen: Arc<Mutex<HashMap<String, usize>>>,
    pub(crate) taken: Arc<AtomicUsize>,
    consumer: JoinHandle<()>,
    broker: AmqpBroker,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) published: usize,
    pub(crate) publishes_repeated: usize,
    pub(crate) repeats: usize,
}

impl Load {
    /// Starts publishing and consuming over `config`.
    pub(crate) async fn start(config: AmqpConfig) -> Self {
        let broker = AmqpBroker::connect(config.clone()).unwrap();
        let listener = broker.listener();
        let mut stream = listener
            .subscribe(wanting("load", &["event.created"]))
            .await
            .unwrap();
        let seen: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let noting = Arc::clone(&seen);
        let consumer = tokio::spawn(async move {
            while let Some(delivery) = stream.next().await {
                *noting
                    .lock()
                    .entry(delivery.envelope.id().as_str().to_owned())
                    .or_default() += 1;
                // A lost acknowledgement brings it again.
                let _ = delivery.ack().await;
            }
        });
        let (stop, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let publishers = (0..PUBLISHERS)
            .map(|publisher| {
                let emitter: Arc<dyn EventEmitter> = broker.emitter();
                tokio::spawn(publish(emitter, publisher, Arc::clone(&stop), Arc::clone(&taken)))
            })
            .collect();
        Self {
            stop,
            publishers,
            seen,
            taken,
            consumer,
            broker,
        }
    }

    /// Waits until this many more messages were taken.
    pub(crate) async fn flows(&self, more: usize) {
        let wanted = self.taken.load(Ordering::SeqCst) + more;
        eventually("the flow", || async {
            self.taken.load(Ordering::SeqCst) >= wanted
        })
        .await;
    }

    /// Waits until the queue is some seconds old: RabbitMQ writes the directory of its quorum queues now and then only, and
    /// one that is killed before it did does not find a new queue's leader again.
    pub(crate) async fn queue_has_settled(&self) {
        self.flows(1).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
    }

    /// Ends it; everything that was published must come.
    pub(crate) async fn finish(self) -> Counts {
        self.stop.store(true, Ordering::SeqCst);
        let mut publishes_repeated = 0;
        for publisher in self.publishers {
            publishes_repeated += publisher.await.unwrap();
        }
        let published = self.taken.load(Ordering::SeqCst);
        let start = Instant::now();
        while self.seen.lock().len() < published {
            let missing = published - self.seen.lock().len();
            assert!(
                start.elapsed() < PATIENCE,
                "{missing} of {published} messages are lost"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let repeats = repeats(&self.seen);
        self.consumer.abort();
        self.broker.emitter().close().await.unwrap();
        Counts {
            published,
            publishes_repeated,
            repeats,
        }
    }
}

fn repeats(seen: &Mutex<HashMap<String, usize>>) -> usize {
    let seen = seen.lock();
    seen.values().sum::<usize>() - seen.len()
}

/// Publishes until it is told to stop, each message until the broker took it. Answers how many publishes were repeats.
async fn publish(
    emitter: Arc<dyn EventEmitter>,
    publisher: usize,
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
) -> usize {
    let mut repeated = 0;
    for round in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let mut open: Vec<Envelope> = (0..BATCH)
            .map(|place| {
                let id = format!("{publisher}-{round}-{place}");
                let name = MessageName::from_static("event.created");
                Envelope::builder(MessageId::new(&id), name, id.as_str())
                    .body("{}")
                    .build()
            })
            .collect();
        while !open.is_empty() {
            let results = emitter.emit(&open).await;
            let mut again = Vec::new();
            for (message, result) in open.into_iter().zip(results) {
                match result {
                    Ok(()) => {
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => {
                        assert!(error.is_retryable(), "{error}");
                        again.push(message);
                    }
                }
            }
            repeated += again.len();
            if !again.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            open = again;
        }
    }
    repeated
}
