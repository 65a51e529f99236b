//! What a stop does with deliveries of a broker that keeps order: nothing goes back before its predecessor has ended.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::contract::EventBooked;
use crate::dispatch::tests::{booked, failed};
use crate::memory::MemoryStore;
use crate::ports::{
    BrokerCapabilities, Delivery, DeliveryStream, EventListener, MessageOrder, Settlement, Subscription,
    SystemClock,
};
use crate::{Error, ErrorKind, Result};

/// A broker with order: hands out what it holds and then waits, and writes down what it was told.
#[derive(Debug, Default)]
struct InOrder {
    deliveries: Mutex<Vec<Delivery>>,
    told: Told,
}

type Told = Arc<Mutex<Vec<String>>>;

struct Slip(&'static str, Told);

#[async_trait]
impl Settlement for Slip {
    async fn ack(self: Box<Self>) -> Result<()> {
        self.1.lock().push(format!("{} acknowledged", self.0));
        Ok(())
    }

    async fn nack(self: Box<Self>, _delay: Duration) -> Result<()> {
        if self.0 == "unanswered" {
            std::future::pending::<()>().await;
        }
        self.1.lock().push(format!("{} given back", self.0));
        Ok(())
    }

    async fn extend(&mut self, _hold: Duration) -> Result<()> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "extend",
            "it is held for ever",
        ))
    }
}

/// Says when the stream goes.
struct Ends(Told);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.lock().push("unsubscribed".to_owned());
    }
}

#[async_trait]
impl EventListener for InOrder {
    fn capabilities(&self) -> BrokerCapabilities {
        BrokerCapabilities {
            name: "in order",
            order: MessageOrder::InOneConsumer,
            durable: true,
            replay: false,
            shared: true,
            delayed_nack: false,
            extend: false,
            detects_unroutable: false,
            max_message_bytes: 1_000,
        }
    }

    async fn subscribe(&self, _subscription: Subscription) -> Result<DeliveryStream> {
        let deliveries = std::mem::take(&mut *self.deliveries.lock());
        let ends = Ends(Arc::clone(&self.told));
        let stream = futures_util::stream::iter(deliveries).chain(futures_util::stream::pending());
        let stream = stream.map(move |delivery| {
            let _kept_by_the_stream = &ends;
            delivery
        });
        Ok(stream.boxed())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// Stops after a second, with these messages in hand: id and key. The handler of `slow` takes five seconds and fails, that of
/// `stuck` never ends, others take none.
async fn stopped(messages: &[(&'static str, &str)]) -> (Vec<String>, Duration) {
    let broker = Arc::new(InOrder::default());
    for (id, key) in messages {
        let slip = Box::new(Slip(id, Arc::clone(&broker.told)));
        let delivery = Delivery::new(booked(id, key), 1, "in order".into(), slip);
        broker.deliveries.lock().push(delivery);
    }
    let handler = |_: EventBooked, context: Context| async move {
        match context.envelope().id().as_str() {
            "slow" => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Err(failed())
            }
            "stuck" => std::future::pending().await,
            _ => Ok(()),
        }
    };
    let dispatch = Dispatch::builder("stopping")
        .on::<EventBooked>(handler)
        .dead_letters(Arc::new(MemoryStore::new(Arc::new(SystemClock))))
        .build()
        .unwrap();
    let stop = CancellationToken::new();
    let (listener, stopping) = (Arc::clone(&broker), stop.clone());
    let running = tokio::spawn(async move { dispatch.run(listener, stopping).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = tokio::time::Instant::now();
    stop.cancel();
    running.await.unwrap().unwrap();
    let told = broker.told.lock().clone();
    (told, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_back_after_its_predecessor_and_in_order() {
    let messages = [
        ("slow", "key"),
        ("second", "key"),
        ("third", "key"),
        ("other", "another"),
    ];
    let (told, took) = stopped(&messages).await;
    let expected = [
        "other acknowledged",
        // From here on the broker has nobody to give them to but the next consumer.
        "unsubscribed",
        "slow given back",
        "second given back",
        "third given back",
    ];
    assert_eq!(told, expected);
    assert_eq!(took.as_secs(), 4, "the handler at work is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_holds_up_neither_the_others_nor_the_end() {
    let messages = [("slow", "key"), ("unanswered", "key"), ("third", "key")];
    let (told, took) = stopped(&messages).await;
    assert_eq!(told, ["unsubscribed", "slow given back", "third given back"]);
    assert_eq!(took.as_secs(), 4 + 5);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_waiting_for_a_predecessor() {
    let (told, took) = stopped(&[("stuck", "key"), ("second", "key")]).await;
    // They are dropped, unsettled: the broker takes them back by itself.
    assert_eq!(told, ["unsubscribed"]);
    assert_eq!(took.as_secs(), 20);
}
