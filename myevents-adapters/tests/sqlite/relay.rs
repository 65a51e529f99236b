//! The relay from a SQLite outbox through the local broker: everything arrives, in order, and nothing is left behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use myevents_core::contract::{Envelope, MessageName};
use myevents_core::dispatch::{Context, Dispatch};
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::observe::NoObserver;
use myevents_core::ports::{EventEmitter, EventListener, IdSource, Outbox, RandomIds, SystemClock};
use myevents_core::relay::{Relay, RelayOptions, handover};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::common::{config, folder, open};

const KEYS: u64 = 500;
const ROUNDS: u64 = 20;

fn message(key: u64, round: u64) -> Envelope {
    Envelope::builder(
        RandomIds.message_id(),
        MessageName::from_static("test.counted"),
        key.to_string(),
    )
    .body(round.to_string())
    .build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_arrive_in_order_and_none_is_left() {
    let folder = folder();
    let store = Arc::new(open(config(&folder)));
    let broker = LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver));
    let (seen, mut arrivals) = mpsc::unbounded_channel();
    let handler = move |envelope: Envelope, _: Context| {
        let round: u64 = String::from_utf8_lossy(envelope.body()).parse().unwrap();
        let sent = seen.send((envelope.key().to_owned(), round));
        async move {
            sent.unwrap();
            Ok(())
        }
    };
    let dispatch = Dispatch::builder("counters")
        .dead_letters(broker.dead_letters("counters", store.clone()))
        .on_envelope(MessageName::from_static("test.counted"), handler)
        .build()
        .unwrap();
    broker.declare("counters", &dispatch.names());
    let stop = CancellationToken::new();
    let listener: Arc<dyn EventListener> = Arc::new(broker.listener());
    let emitter: Arc<dyn EventEmitter> = Arc::new(broker.emitter());
    let consumer = tokio::spawn({
        let stop = stop.clone();
        async move { dispatch.run(listener, stop).await }
    });
    let (handover, receiver) = handover(4_096);
    let relay = Relay::new(
        store.clone(),
        emitter,
        receiver,
        RelayOptions::default(),
        Arc::new(SystemClock),
        Arc::new(NoObserver),
    );
    let relay = tokio::spawn(relay.run(stop.clone()));

    for round in 0..ROUNDS {
        let written = store
            .with_transaction(move |transaction| {
                (0..KEYS).try_for_each(|key| transaction.append(message(key, round)))
            })
            .await
            .unwrap();
        // A round comes before the one before it is confirmed: some rows are handed over, the others must be found.
        handover.offer(written.leased);
        handover.wake();
    }
    let mut rounds: HashMap<String, u64> = HashMap::new();
    let everything = async {
        for _ in 0..KEYS * ROUNDS {
            let (key, round) = arrivals.recv().await.unwrap();
            let expected = rounds.entry(key.clone()).or_default();
            assert_eq!(round, *expected, "key {key}");
            *expected += 1;
        }
        while store.depth().await.unwrap().rows > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), everything)
        .await
        .expect("a message is stuck");
    stop.cancel();
    relay.await.unwrap();
    consumer.await.unwrap().unwrap();
    assert!(arrivals.try_recv().is_err(), "nothing came twice");
}
