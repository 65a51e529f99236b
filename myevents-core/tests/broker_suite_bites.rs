//! The broker suite notices a broker that breaks a promise: each fault here makes the case fail that stands for it.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use myevents_core::contract::Envelope;
use myevents_core::ports::{
    BrokerCapabilities, Delivery, DeliveryStream, EventEmitter, EventListener, Settlement, Subscription,
};
use myevents_core::testkit::Verdict;
use myevents_core::testkit::broker::{BrokerFixture, LocalFixture, WrappedFixture, run_broker_cases};
use myevents_core::{ErrorKind, Result};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    LosesMessages,
    RepeatsWithoutOrder,
    ChangesBodies,
    DropsHeaders,
    AnswersTooEarly,
    HidesUnroutable,
    HidesTooLarge,
    ForgetsToClose,
    IgnoresPrefetch,
    CountsNoAttempts,
    ForgetsAcknowledgements,
}

#[derive(Debug)]
struct Faulty<T: ?Sized> {
    fault: Fault,
    emitted: AtomicUsize,
    inner: Arc<T>,
}

fn faulty<T: ?Sized>(fault: Fault, inner: Arc<T>) -> Arc<Faulty<T>> {
    Arc::new(Faulty {
        fault,
        emitted: AtomicUsize::new(0),
        inner,
    })
}

fn rebuilt(message: &Envelope, fault: Fault) -> Envelope {
    let builder = Envelope::builder(message.id().clone(), message.name().clone(), message.key())
        .time(message.time())
        .content_type(message.content_type());
    match fault {
        Fault::DropsHeaders => builder.body(message.body().clone()),
        _ => builder
            .headers(message.headers().clone())
            .body(String::from_utf8_lossy(message.body()).into_owned()),
    }
    .build()
}

#[async_trait]
impl EventEmitter for Faulty<dyn EventEmitter> {
    fn capabilities(&self) -> BrokerCapabilities {
        self.inner.capabilities()
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let number = self.emitted.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::LosesMessages if number % 50 == 49 => messages.iter().map(|_| Ok(())).collect(),
            Fault::RepeatsWithoutOrder if messages.len() > 1 => {
                let mut turned = messages.to_vec();
                turned.reverse();
                self.inner.emit(&turned).await
            }
            Fault::ChangesBodies | Fault::DropsHeaders => {
                let changed: Vec<_> = messages
                    .iter()
                    .map(|message| rebuilt(message, self.fault))
                    .collect();
                self.inner.emit(&changed).await
            }
            Fault::AnswersTooEarly => {
                let (inner, messages) = (Arc::clone(&self.inner), messages.to_vec());
                let count = messages.len();
                tokio::spawn(async move { inner.emit(&messages).await });
                (0..count).map(|_| Ok(())).collect()
            }
            Fault::HidesUnroutable | Fault::HidesTooLarge => {
                let hidden = if self.fault == Fault::HidesTooLarge {
                    ErrorKind::TooLarge
                } else {
                    ErrorKind::Unroutable
                };
                let answers = self.inner.emit(messages).await.into_iter();
                answers
                    .map(|answer| match answer {
                        Err(error) if error.kind() == hidden => Ok(()),
                        answer => answer,
                    })
                    .collect()
            }
            _ => self.inner.emit(messages).await,
        }
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }

    async fn close(&self) -> Result<()> {
        if self.fault == Fault::ForgetsToClose {
            return Ok(());
        }
        self.inner.close().await
    }
}

#[async_trait]
impl EventListener for Faulty<dyn EventListener> {
    fn capabilities(&self) -> BrokerCapabilities {
        self.inner.capabilities()
    }

    async fn subscribe(&self, mut wanted: Subscription) -> Result<DeliveryStream> {
        if self.fault == Fault::IgnoresPrefetch {
            wanted.prefetch += 3;
        }
        let fault = self.fault;
        let stream = self.inner.subscribe(wanted).await?.map(move |delivery| {
            let attempt = if fault == Fault::CountsNoAttempts {
                1
            } else {
                delivery.attempt
            };
            let (envelope, origin) = (delivery.envelope.clone(), delivery.origin.clone());
            Delivery::new(
                envelope,
                attempt,
                origin,
                Box::new(FaultySettlement { fault, delivery }),
            )
        });
        Ok(stream.boxed())
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

struct FaultySettlement {
    fault: Fault,
    delivery: Delivery,
}

#[async_trait]
impl Settlement for FaultySettlement {
    async fn ack(self: Box<Self>) -> Result<()> {
        if self.fault == Fault::ForgetsAcknowledgements && self.delivery.attempt == 1 {
            return self.delivery.nack(Duration::ZERO).await;
        }
        self.delivery.ack().await
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<()> {
        self.delivery.nack(delay).await
    }

    async fn extend(&mut self, hold: Duration) -> Result<()> {
        self.delivery.extend(hold).await
    }
}

fn broken(fault: Fault) -> impl BrokerFixture {
    WrappedFixture::new(LocalFixture)
        .emitters(move |emitter| faulty(fault, emitter))
        .listeners(move |listener| faulty(fault, listener))
}

async fn verdict(fault: Fault, case: &'static str) -> Verdict {
    let mut report = run_broker_cases(&broken(fault), &[case]).await;
    assert_eq!(report.cases.len(), 1, "{case}");
    report.cases.remove(0).verdict
}

async fn bites(fault: Fault, case: &'static str) {
    let sound = verdict(Fault::None, case).await;
    assert!(
        matches!(sound, Verdict::Passed(_)),
        "{case} on a sound broker: {sound:?}"
    );
    let found = verdict(fault, case).await;
    assert!(
        matches!(found, Verdict::Failed(_)),
        "{case} on a broker that {fault:?}: {found:?}"
    );
}

// The clock is paused: what a case waits for in vain costs no time.
macro_rules! bites {
    ($($test:ident: $case:literal notices $fault:ident;)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                bites(Fault::$fault, $case).await;
            }
        )*
    };
}

bites! {
    changed_bodies: "C01" notices ChangesBodies;
    hidden_size_limit: "C01" notices HidesTooLarge;
    lost_messages: "C02" notices LosesMessages;
    lost_messages_of_a_place: "C03" notices LosesMessages;
    lost_messages_of_a_group: "C04" notices LosesMessages;
    turned_order: "C05" notices RepeatsWithoutOrder;
    forgotten_acknowledgements: "C06" notices ForgetsAcknowledgements;
    uncounted_attempts: "C07" notices CountsNoAttempts;
    ignored_prefetch: "C12" notices IgnoresPrefetch;
    turned_pair: "C13" notices RepeatsWithoutOrder;
    hidden_entry: "C15" notices HidesTooLarge;
    hidden_unroutable: "C16" notices HidesUnroutable;
    early_answer: "C17" notices AnswersTooEarly;
    forgotten_close: "C22" notices ForgetsToClose;
    lost_trace: "C29" notices DropsHeaders;
}
