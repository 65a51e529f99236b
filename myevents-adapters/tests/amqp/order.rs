//! Order of a key through stops and kills of its consumer: nothing is handled before its predecessor was.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, QueueType};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::dispatch::{Backoff, Context, Dispatch, DispatchOptions};
use myevents_core::ports::{EventEmitter as _, EventListener as _};
use myevents_core::testkit::FaultProxy;
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::beside::{Beside, wanting};
use crate::common::{eventually, patient};

const GROUP: &str = "ordered";
const NAME: MessageName = MessageName::from_static("event.created");
const KEYS: usize = 8;
const EACH: usize = 60;

/// What was handled, in the order in which it was.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<(String, usize)>>);

impl Log {
    fn handled(&self) -> usize {
        let mut handled = self.0.lock().clone();
        handled.sort_unstable();
        handled.dedup();
        handled.len()
    }
}

fn number(envelope: &Envelope) -> usize {
    std::str::from_utf8(envelope.body()).unwrap().parse().unwrap()
}

/// A consumer of its own connection. Its handlers take a moment, and every third message fails at its first try.
fn consumer(
    settings: AmqpConfig,
    log: &Arc<Log>,
) -> (Arc<AmqpBroker>, CancellationToken, JoinHandle<Result<()>>) {
    let broker = Arc::new(AmqpBroker::connect(settings).unwrap());
    let (noting, tried) = (
        Arc::clone(log),
        Arc::new(Mutex::new(BTreeMap::<MessageId, u32>::new())),
    );
    let handler = move |envelope: Envelope, _: Context| {
        let (noting, tried) = (Arc::clone(&noting), Arc::clone(&tried));
        async move {
            tokio::time::sleep(Duration::from_millis(4)).await;
            let tries = {
                let mut tried = tried.lock();
                let tries = tried.entry(envelope.id().clone()).or_default();
                *tries += 1;
                *tries
            };
            if number(&envelope).is_multiple_of(3) && tries == 1 {
                return Err(Error::new(ErrorKind::Internal, "handle", "the first try fails"));
            }
            noting
                .0
                .lock()
                .push((envelope.key().to_owned(), number(&envelope)));
            Ok(())
        }
    };
    let dispatch = Dispatch::builder(GROUP)
        .on_envelope(NAME, handler)
        .dead_letters(broker.dead_letters(GROUP))
        .options(DispatchOptions {
            // Stops and cuts count as attempts too.
            max_attempts: 1_000,
            backoff: Backoff::new(Duration::from_millis(5), Duration::from_millis(10)),
            concurrency: 3,
            prefetch: 48,
            ..DispatchOptions::default()
        })
        .build()
        .unwrap();
    let (listener, stop) = (broker.listener(), CancellationToken::new());
    let stopping = stop.clone();
    let running = tokio::spawn(async move { dispatch.run(listener, stopping).await });
    (broker, stop, running)
}

#[allow(clippy::print_stdout, reason = "repeats are counted and shown")]
pub(crate) async fn order_holds_through_stops_and_kills(port: u16) {
    let proxy = FaultProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await
        .unwrap();
    let direct = patient(port, QueueType::Quorum);
    let mut through = patient(proxy.address().port(), QueueType::Quorum);
    through.exchange.clone_from(&direct.exchange);
    through.queue.clone_from(&direct.queue);
    let (beside, queue) = (
        Beside::new(port, &direct).await,
        format!("{}.{GROUP}", direct.queue),
    );
    let publisher = AmqpBroker::connect(direct).unwrap();
    let listener = publisher.listener();
    drop(
        listener
            .subscribe(wanting(GROUP, &["event.created"]))
            .await
            .unwrap(),
    );
    listener.close().await.unwrap();
    let sent: Vec<Envelope> = (0..EACH)
        .flat_map(|number| (0..KEYS).map(move |key| (format!("key-{key}"), number)))
        .map(|(key, number)| {
            let id = MessageId::new(&format!("{key}-{number}"));
            Envelope::builder(id, NAME, key).body(number.to_string()).build()
        })
        .collect();
    for result in publisher.emitter().emit(&sent).await {
        result.unwrap();
    }

    let log = Arc::new(Log::default());
    let (mut stops, mut kills) = (0, 0);
    while log.handled() < sent.len() {
        let wanted = (log.handled() + 40).min(sent.len());
        let (broker, stop, running) = consumer(through.clone(), &log);
        let reached = || {
            let enough = log.handled() >= wanted;
            async move { enough }
        };
        eventually("the next messages", reached).await;
        if stops <= kills {
            stop.cancel();
            running.await.unwrap().unwrap();
            broker.listener().close().await.unwrap();
            stops += 1;
        } else {
            // Nothing that the consumer says after this arrives.
            proxy.refuse().await;
            proxy.cut();
            running.abort();
            let _aborted = running.await;
            drop(broker);
            // A process takes longer to start than RabbitMQ to notice that one is gone.
            eventually("the end of the killed consumer", || async {
                beside.consumers(&queue).await == 0
            })
            .await;
            proxy.accept_again().await.unwrap();
            kills += 1;
        }
    }
    let log = log.0.lock().clone();
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, number) in log.iter() {
        let next = next.entry(key).or_default();
        assert!(*number <= *next, "{key}: {number} was handled before {next}");
        *next = (*next).max(number + 1);
    }
    println!(
        "RabbitMQ: {} messages in order of their keys through {stops} stops and {kills} kills, {} repeats",
        sent.len(),
        log.len() - sent.len()
    );
    publisher.emitter().close().await.unwrap();
}
