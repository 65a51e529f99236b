//! Dispatch over a broker without order: the waiting between tries happens there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::contract::{EventBooked, MessageId};
use crate::dispatch::tests::{booked, failed};
use crate::memory::MemoryStore;
use crate::ports::{
    Begin, BrokerCapabilities, DeadLetters, Delivery, DeliveryStream, EventListener, Inbox, MessageOrder,
    Settlement, Subscription, SystemClock,
};
use crate::{Error, ErrorKind, Result};

/// A broker without order: hands out what it is told to, and writes down how each delivery was settled.
#[derive(Debug, Default)]
struct Scripted {
    deliveries: Mutex<Vec<Delivery>>,
    settled: Arc<Mutex<Vec<(String, Settled)>>>,
    /// Whether what it handed out was given to another consumer meanwhile.
    moved: Arc<AtomicBool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Settled {
    Acked,
    GivenBack(Duration),
}

struct Slip {
    id: String,
    settled: Arc<Mutex<Vec<(String, Settled)>>>,
    moved: Arc<AtomicBool>,
}

#[async_trait]
impl Settlement for Slip {
    async fn ack(self: Box<Self>) -> Result<()> {
        self.settled.lock().push((self.id, Settled::Acked));
        Ok(())
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<()> {
        self.settled.lock().push((self.id, Settled::GivenBack(delay)));
        Ok(())
    }

    async fn extend(&mut self, _hold: Duration) -> Result<()> {
        if self.moved.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "extend",
                "another consumer has it",
            ));
        }
        Ok(())
    }
}

impl Scripted {
    fn hand_out(&self, id: &str, attempt: u32) {
        let slip = Slip {
            id: id.to_owned(),
            settled: Arc::clone(&self.settled),
            moved: Arc::clone(&self.moved),
        };
        let delivery = Delivery::new(booked(id, "one key"), attempt, "scripted".into(), Box::new(slip));
        self.deliveries.lock().push(delivery);
    }
}

#[async_trait]
impl EventListener for Scripted {
    fn capabilities(&self) -> BrokerCapabilities {
        BrokerCapabilities {
            name: "scripted",
            order: MessageOrder::None,
            durable: true,
            replay: false,
            shared: true,
            delayed_nack: true,
            extend: true,
            detects_unroutable: false,
            max_message_bytes: 1_000,
        }
    }

    /// Ends after what was put in, and so does the dispatch.
    async fn subscribe(&self, _subscription: Subscription) -> Result<DeliveryStream> {
        let deliveries = std::mem::take(&mut *self.deliveries.lock());
        Ok(Box::pin(futures_util::stream::iter(deliveries)))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn without_order_a_failed_message_is_given_back_with_a_delay_and_holds_up_nobody() {
    let broker = Arc::new(Scripted::default());
    // The broker's count is the count of tries: the waiting happens there, not here.
    for (id, attempt) in [("first", 1), ("third", 3), ("last", 5), ("good", 1)] {
        broker.hand_out(id, attempt);
    }
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let tries = Arc::new(Mutex::new(Vec::new()));
    let log = tries.clone();
    let handler = move |_: EventBooked, context: Context| {
        let id = context.envelope().id().as_str().to_owned();
        log.lock().push((id.clone(), context.attempt()));
        async move { if id == "good" { Ok(()) } else { Err(failed()) } }
    };
    let dispatch = Dispatch::builder("test")
        .dead_letters(store.clone())
        .on::<EventBooked>(handler)
        .build()
        .unwrap();
    let started = Instant::now();
    dispatch
        .run(broker.clone(), CancellationToken::new())
        .await
        .unwrap();
    assert!(started.elapsed().is_zero(), "nothing waits here");

    let mut tries = tries.lock().clone();
    tries.sort();
    let expected = [("first", 1), ("good", 1), ("last", 5), ("third", 3)];
    assert_eq!(tries, expected.map(|(id, attempt)| (id.to_owned(), attempt)));
    let settled: HashMap<_, _> = broker.settled.lock().iter().cloned().collect();
    assert_eq!(settled.len(), 4);
    assert_eq!(
        (&settled["good"], &settled["last"]),
        (&Settled::Acked, &Settled::Acked)
    );
    for (id, most) in [("first", 200), ("third", 800)] {
        let Settled::GivenBack(delay) = settled[id] else {
            panic!("{id} is acknowledged");
        };
        assert!((most / 2..=most).contains(&delay.as_millis()), "{id}: {delay:?}");
    }
    let letters = store.list(None, 10).await.unwrap().items;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].1.envelope.id().as_str(), letters[0].1.attempts),
        ("last", 5)
    );
}

#[tokio::test(start_paused = true)]
async fn without_order_a_message_that_another_holds_is_given_back_without_a_try() {
    let broker = Arc::new(Scripted::default());
    broker.hand_out("held", 1);
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let lease = Duration::from_secs(60);
    let held = store.begin("test", &MessageId::new("held"), lease).await.unwrap();
    assert!(matches!(held, Begin::Fresh(_)));
    let tries = Arc::new(AtomicU32::new(0));
    let count = tries.clone();
    let handler = move |_: EventBooked, _: Context| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    };
    let dispatch = Dispatch::builder("test")
        .dead_letters(store.clone())
        .on::<EventBooked>(handler)
        .with_inbox(store, lease)
        .build()
        .unwrap();
    dispatch
        .run(broker.clone(), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(tries.load(Ordering::Relaxed), 0);
    let settled = broker.settled.lock().clone();
    let [(_, Settled::GivenBack(delay))] = settled.as_slice() else {
        panic!("{settled:?}");
    };
    assert!((50..=100).contains(&delay.as_millis()), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn what_another_consumer_has_by_now_is_not_handled_here() {
    let broker = Arc::new(Scripted::default());
    broker.hand_out("first", 1);
    broker.hand_out("moved", 1);
    let tries = Arc::new(Mutex::new(Vec::new()));
    let (log, moved) = (tries.clone(), broker.moved.clone());
    let handler = move |_: EventBooked, context: Context| {
        log.lock().push(context.envelope().id().as_str().to_owned());
        moved.store(true, Ordering::Relaxed);
        async { Ok(()) }
    };
    let dispatch = Dispatch::builder("test")
        .dead_letters(Arc::new(MemoryStore::new(Arc::new(SystemClock))))
        .on::<EventBooked>(handler)
        .options(DispatchOptions {
            concurrency: 1,
            ..DispatchOptions::default()
        })
        .build()
        .unwrap();
    dispatch
        .run(broker.clone(), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(*tries.lock(), ["first"]);
    let settled = broker.settled.lock().clone();
    assert_eq!(settled, [("first".to_owned(), Settled::Acked)]);
}
