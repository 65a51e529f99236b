//! The wrappers around a toy port whose answers the test scripts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;
use crate::contract::{Envelope, MessageId, MessageName};
use crate::ports::{
    BrokerCapabilities, Delivery, DeliveryStream, EventEmitter, EventListener, MessageOrder, Settlement,
    StartFrom, Subscription,
};

/// Answers each message of `emit` with what is next in the script, `Ok` when it is empty; takes `pause` for a call.
#[derive(Debug, Default)]
struct Scripted {
    script: Mutex<VecDeque<ErrorKind>>,
    pause: Duration,
    calls: Mutex<Vec<Vec<String>>>,
    finished: AtomicU32,
    acked: Arc<AtomicU32>,
}

impl Scripted {
    fn failing(kinds: &[ErrorKind]) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(kinds.iter().copied().collect()),
            ..Self::default()
        })
    }

    fn slow(pause: Duration) -> Arc<Self> {
        Arc::new(Self {
            pause,
            ..Self::default()
        })
    }

    fn answer(&self) -> Result<()> {
        match self.script.lock().pop_front() {
            Some(kind) => Err(Error::new(kind, "emit", "scripted")),
            None => Ok(()),
        }
    }

    fn calls(&self) -> usize {
        self.calls.lock().len()
    }
}

#[async_trait]
impl EventEmitter for Scripted {
    fn capabilities(&self) -> BrokerCapabilities {
        BrokerCapabilities {
            name: "scripted",
            order: MessageOrder::None,
            durable: false,
            replay: false,
            shared: false,
            delayed_nack: false,
            extend: false,
            detects_unroutable: false,
            max_message_bytes: 7,
        }
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let ids = messages.iter().map(|message| message.id().to_string()).collect();
        self.calls.lock().push(ids);
        tokio::time::sleep(self.pause).await;
        self.finished.fetch_add(1, Ordering::SeqCst);
        messages.iter().map(|_| self.answer()).collect()
    }

    async fn ping(&self) -> Result<()> {
        self.calls.lock().push(Vec::new());
        tokio::time::sleep(self.pause).await;
        self.finished.fetch_add(1, Ordering::SeqCst);
        self.answer()
    }

    async fn close(&self) -> Result<()> {
        self.ping().await
    }
}

#[async_trait]
impl EventListener for Scripted {
    fn capabilities(&self) -> BrokerCapabilities {
        EventEmitter::capabilities(self)
    }

    async fn subscribe(&self, _subscription: Subscription) -> Result<DeliveryStream> {
        let acked = Arc::clone(&self.acked);
        let delivery = Delivery::new(message("d"), 3, "toy".into(), Box::new(CountingSettlement(acked)));
        Ok(futures_util::stream::iter([delivery]).boxed())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

struct CountingSettlement(Arc<AtomicU32>);

#[async_trait]
impl Settlement for CountingSettlement {
    async fn ack(self: Box<Self>) -> Result<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn nack(self: Box<Self>, _delay: Duration) -> Result<()> {
        Ok(())
    }

    async fn extend(&mut self, _hold: Duration) -> Result<()> {
        Ok(())
    }
}

fn message(id: &str) -> Envelope {
    Envelope::builder(MessageId::new(id), MessageName::from_static("toy.made"), id).build()
}

fn patient(tries: usize) -> Retry {
    Retry::new(RetryPolicy {
        tries,
        ..RetryPolicy::default()
    })
}

#[tokio::test(start_paused = true)]
async fn retry_repeats_only_the_items_that_a_repeat_can_help() {
    use ErrorKind::{OutcomeUnknown, TooLarge, Unavailable};
    let port = Scripted::failing(&[Unavailable, TooLarge, OutcomeUnknown, Unavailable]);
    let layered = Layered::new(Arc::clone(&port), patient(5));
    let answers = layered.emit(&["a", "b", "c"].map(message)).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), TooLarge);
    assert_eq!(
        *port.calls.lock(),
        [vec!["a", "b", "c"], vec!["a", "c"], vec!["a"]]
            .map(|ids| ids.into_iter().map(str::to_owned).collect::<Vec<_>>())
    );
}

#[tokio::test(start_paused = true)]
async fn retry_is_bounded_by_tries_and_by_its_deadline() {
    let port = Scripted::failing(&[ErrorKind::Unavailable; 20]);
    let layered = Layered::new(Arc::clone(&port), patient(4));
    assert_eq!(layered.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(port.calls(), 4);

    let port = Scripted::failing(&[ErrorKind::Unavailable; 20]);
    let hasty = Retry::new(RetryPolicy {
        tries: 100,
        first_pause: Duration::from_millis(400),
        longest_pause: Duration::from_millis(400),
        deadline: Duration::from_secs(1),
    });
    let started = Instant::now();
    assert!(Layered::new(Arc::clone(&port), hasty).ping().await.is_err());
    assert!(started.elapsed() <= Duration::from_secs(1));
    assert!((2..=3).contains(&port.calls()), "{} calls", port.calls());
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_forget_that_a_try_may_have_taken_effect() {
    let port = Scripted::failing(&[ErrorKind::OutcomeUnknown, ErrorKind::Unavailable]);
    let layered = Layered::new(port, patient(2));
    let answers = layered.emit(&[message("a")]).await;
    assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    let port = Scripted::failing(&[ErrorKind::OutcomeUnknown, ErrorKind::Closed]);
    let layered = Layered::new(port, patient(3));
    assert_eq!(
        layered.ping().await.unwrap_err().kind(),
        ErrorKind::OutcomeUnknown
    );
}

#[tokio::test(start_paused = true)]
async fn retry_leaves_final_errors_and_closing_alone() {
    let port = Scripted::failing(&[ErrorKind::Rejected]);
    assert!(Layered::new(Arc::clone(&port), patient(4)).ping().await.is_err());
    assert_eq!(port.calls(), 1);
    let port = Scripted::failing(&[ErrorKind::Unavailable]);
    let layered = Layered::new(Arc::clone(&port), patient(4));
    assert!(EventEmitter::close(&layered).await.is_err());
    assert_eq!(port.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_guarded_write_with_unknown_outcome_is_not_repeated() {
    let calls = AtomicU32::new(0);
    let answer: Result<()> = patient(4)
        .call(Call::guarded("replace"), || {
            let unknown = calls.fetch_add(1, Ordering::SeqCst) == 1;
            Box::pin(async move {
                let kind = if unknown {
                    ErrorKind::OutcomeUnknown
                } else {
                    ErrorKind::Unavailable
                };
                Err(Error::new(kind, "replace", "scripted"))
            })
        })
        .await;
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(calls.into_inner(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_call_runs_on_and_says_what_is_known() {
    let port = Scripted::slow(Duration::from_secs(5));
    let layered = Layered::new(Arc::clone(&port), Timeout::of(Duration::from_secs(1)));
    let started = Instant::now();
    let answers = layered.emit(&["a", "b"].map(message)).await;
    assert_eq!(started.elapsed().as_secs(), 1);
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
    assert_eq!(layered.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(port.finished.load(Ordering::SeqCst), 0);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(port.finished.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_drop_the_call() {
    let port = Scripted::slow(Duration::from_secs(5));
    let layered = Layered::new(Arc::clone(&port), Timeout::of(Duration::from_secs(60)));
    let impatient = tokio::time::timeout(Duration::from_millis(1), layered.ping()).await;
    assert!(impatient.is_err());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(port.finished.load(Ordering::SeqCst), 1);
}

fn always(before: f64, after: f64) -> FaultRates {
    FaultRates {
        before,
        after,
        ..FaultRates::default()
    }
}

#[tokio::test]
async fn chaos_before_makes_no_call_and_chaos_after_loses_only_the_answer() {
    let port = Scripted::failing(&[]);
    let layered = Layered::new(Arc::clone(&port), Chaos::new(1, always(1.0, 0.0)));
    let answers = layered.emit(&[message("a")]).await;
    assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(port.calls(), 0);

    let layered = Layered::new(Arc::clone(&port), Chaos::new(1, always(0.0, 1.0)));
    let answers = layered.emit(&[message("a")]).await;
    assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(port.calls(), 1);
    layered.around().set_calm(true);
    assert!(layered.ping().await.is_ok());
    assert_eq!(layered.around().counts().after, 1);
}

#[tokio::test]
async fn chaos_answers_every_item_in_its_place_and_repeats_by_seed() {
    let messages: Vec<Envelope> = (0..200).map(|number| message(&number.to_string())).collect();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let port = Scripted::failing(&[]);
        let layered = Layered::new(Arc::clone(&port), Chaos::new(7, always(0.2, 0.2)));
        let answers = layered.emit(&messages).await;
        let sent = port.calls.lock().concat();
        for (message, answer) in messages.iter().zip(&answers) {
            let not_sent = matches!(answer, Err(error) if error.kind() == ErrorKind::Unavailable);
            assert_eq!(!not_sent, sent.contains(&message.id().to_string()));
        }
        let kinds: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.map_err(|error| error.kind()))
            .collect();
        assert!(kinds.iter().any(Result::is_ok));
        assert!(kinds.contains(&Err(ErrorKind::OutcomeUnknown)));
        runs.push(kinds);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn deliveries_pass_through_and_chaos_loses_the_answer_of_an_ack() {
    let port = Scripted::failing(&[]);
    let subscription = Subscription {
        group: "g".into(),
        names: Vec::new(),
        prefetch: 1,
        from: StartFrom::Now,
    };
    let plan = Chaos::with_rates(1, FaultRates::default(), always(0.0, 1.0));
    let layered = Layered::new(Arc::clone(&port), plan);
    let mut stream = layered.subscribe(subscription.clone()).await.unwrap();
    let delivery = stream.next().await.unwrap();
    assert_eq!((delivery.attempt, delivery.origin.as_str()), (3, "toy"));
    assert_eq!(
        delivery.ack().await.unwrap_err().kind(),
        ErrorKind::OutcomeUnknown
    );
    assert_eq!(port.acked.load(Ordering::SeqCst), 1);

    let plan = Chaos::with_rates(1, FaultRates::default(), always(1.0, 0.0));
    let layered = Layered::new(Arc::clone(&port), plan);
    let delivery = layered
        .subscribe(subscription)
        .await
        .unwrap()
        .next()
        .await
        .unwrap();
    assert!(delivery.ack().await.is_err());
    assert_eq!(port.acked.load(Ordering::SeqCst), 1);
}

#[test]
fn capabilities_pass_through() {
    let layered = Layered::new(Scripted::failing(&[]), patient(1));
    assert_eq!(EventEmitter::capabilities(&layered).max_message_bytes, 7);
}
