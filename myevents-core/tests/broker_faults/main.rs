//! The network cases of the broker suite on a toy broker: JSON lines over TCP, through the fault proxy.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use futures_util::StreamExt as _;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::domain::UnixMillis;
use myevents_core::local::default_required_names;
use myevents_core::memory::MemoryStore;
use myevents_core::ports::{
    BrokerCapabilities, DeadLetters, Delivery, DeliveryStream, EventEmitter, EventListener, MessageOrder,
    Settlement, Subscription, SystemClock,
};
use myevents_core::testkit::FaultProxy;
use myevents_core::testkit::broker::{BrokerFixture, BrokerPlace, BrokerTimes, run_broker_cases};
use myevents_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

mod server;

use server::Server;

/// Longer than a busy machine holds up a program: a message that is sent before the consumer stands reaches nobody.
const HEARTBEAT: Duration = Duration::from_secs(3);
const LARGEST: usize = 10_000;

async fn send(write: &mut (impl tokio::io::AsyncWrite + Unpin), value: Value) -> std::io::Result<()> {
    write.write_all(format!("{value}\n").as_bytes()).await
}

fn encode(message: &Envelope) -> Value {
    json!({
        "id": message.id().as_str(), "name": message.name().as_str(), "key": message.key(),
        "time": message.time().0, "headers": message.headers(), "type": message.content_type(),
        "body": HEXLOWER.encode(message.body()),
    })
}

fn decode(value: &Value) -> Option<Envelope> {
    let name = MessageName::from_wire(value["name"].as_str()?);
    let builder = Envelope::builder(
        MessageId::new(value["id"].as_str()?),
        name,
        value["key"].as_str()?,
    )
    .time(UnixMillis(value["time"].as_i64()?))
    .headers(serde_json::from_value(value["headers"].clone()).ok()?)
    .content_type(value["type"].as_str()?)
    .body(HEXLOWER.decode(value["body"].as_str()?.as_bytes()).ok()?);
    Some(builder.build())
}

// The client.

#[derive(Debug)]
struct Client {
    address: SocketAddr,
    /// A silent connection is given up after this.
    patience: Duration,
    closed: CancellationToken,
}

fn error(kind: ErrorKind, message: &'static str) -> Error {
    Error::new(kind, "talk to the toy broker", message)
}

fn capabilities() -> BrokerCapabilities {
    BrokerCapabilities {
        name: "toy",
        order: MessageOrder::None,
        durable: false,
        replay: false,
        shared: true,
        delayed_nack: false,
        extend: false,
        detects_unroutable: true,
        max_message_bytes: LARGEST,
    }
}

impl Client {
    /// A connection a message: slow, and all there is to say about a publish that is cut.
    async fn publish(&self, message: &Envelope) -> Result<()> {
        if self.closed.is_cancelled() {
            return Err(error(ErrorKind::Closed, "closed"));
        }
        if message.body().len() > LARGEST {
            return Err(error(ErrorKind::TooLarge, "too large"));
        }
        let connecting = tokio::time::timeout(HEARTBEAT, TcpStream::connect(self.address)).await;
        let Ok(Ok(mut stream)) = connecting else {
            return Err(error(ErrorKind::Unavailable, "can't connect"));
        };
        let (read, mut write) = stream.split();
        let mut lines = BufReader::new(read).lines();
        let talk = async {
            send(&mut write, json!({"publish": encode(message)})).await?;
            while let Some(line) = lines.next_line().await? {
                let answer: Value = serde_json::from_str(&line)?;
                if let Some(taken) = answer["taken"].as_bool() {
                    return Ok(taken);
                }
            }
            Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
        };
        match tokio::time::timeout(HEARTBEAT, talk).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) if default_required_names().contains(message.name()) => {
                Err(error(ErrorKind::Unroutable, "nobody subscribes"))
            }
            Ok(Ok(false)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(error(ErrorKind::OutcomeUnknown, "the answer was lost")),
        }
    }
}

#[async_trait]
impl EventEmitter for Client {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities()
    }

    async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
        let mut results = Vec::new();
        for message in messages {
            results.push(self.publish(message).await);
        }
        results
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.closed.cancel();
        Ok(())
    }
}

/// What a delivery is answered with, on which connection, and who waits for the broker to say that it has it.
type Answer = (u64, Value, Option<oneshot::Sender<()>>);
type Answers = mpsc::UnboundedSender<Answer>;

#[async_trait]
impl EventListener for Client {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities()
    }

    async fn subscribe(&self, wanted: Subscription) -> Result<DeliveryStream> {
        let (deliveries, stream) = mpsc::channel(1);
        let (standing, stands) = oneshot::channel();
        let (address, patience, closed) = (self.address, self.patience, self.closed.clone());
        tokio::spawn(async move {
            let mut standing = Some(standing);
            let current = Arc::new(AtomicU64::new(0));
            let talking = async {
                loop {
                    current.fetch_add(1, Ordering::SeqCst);
                    let _ = listen((address, patience), &wanted, &deliveries, &current, &mut standing).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! {
                () = talking => {}
                () = closed.cancelled() => {}
                () = deliveries.closed() => {}
            }
        });
        // While the broker is away the stream is given all the same, and starts when it is there.
        let _ = tokio::time::timeout(HEARTBEAT, stands).await;
        let stream = futures_util::stream::unfold(stream, |mut stream| async move {
            let delivery = stream.recv().await?;
            Some((delivery, stream))
        });
        Ok(stream.boxed())
    }

    async fn close(&self) -> Result<()> {
        self.closed.cancel();
        Ok(())
    }
}

/// One connection of a subscription, until it breaks or is silent for too long.
async fn listen(
    (address, patience): (SocketAddr, Duration),
    wanted: &Subscription,
    deliveries: &mpsc::Sender<Delivery>,
    current: &Arc<AtomicU64>,
    standing: &mut Option<oneshot::Sender<()>>,
) -> std::io::Result<()> {
    let generation = current.load(Ordering::SeqCst);
    let mut stream = tokio::time::timeout(HEARTBEAT, TcpStream::connect(address)).await??;
    // A confirmation is waited for, so it must not wait for the acknowledgement of the bytes before.
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let names: Vec<&str> = wanted.names.iter().map(MessageName::as_str).collect();
    send(
        &mut write,
        json!({"subscribe": wanted.group, "names": names, "prefetch": wanted.prefetch}),
    )
    .await?;
    let (answers, mut to_send) = mpsc::unbounded_channel::<Answer>();
    let mut waiting = VecDeque::new();
    // Answers are confirmed in the order that they were sent in.
    let mut unconfirmed = VecDeque::new();
    loop {
        let line = tokio::select! {
            Some((of, answer, confirmed)) = to_send.recv() => {
                if of == generation {
                    send(&mut write, answer).await?;
                    unconfirmed.push_back(confirmed);
                }
                continue;
            }
            Ok(permit) = deliveries.reserve(), if !waiting.is_empty() => {
                if let Some(delivery) = waiting.pop_front() {
                    permit.send(delivery);
                }
                continue;
            }
            line = tokio::time::timeout(patience, lines.next_line()) => line??,
        };
        let Some(line) = line else { return Ok(()) };
        let said: Value = serde_json::from_str(&line)?;
        if said["subscribed"] == true
            && let Some(standing) = standing.take()
        {
            let _ = standing.send(());
        }
        if said["settled"] == true
            && let Some(Some(confirmed)) = unconfirmed.pop_front()
        {
            let _ = confirmed.send(());
        }
        if let (Some(envelope), Some(tag)) = (decode(&said["delivery"]), said["tag"].as_u64()) {
            let settlement = ToySettlement {
                tag,
                generation,
                current: Arc::clone(current),
                answers: Some(Answers::clone(&answers)),
            };
            let attempt = said["attempt"]
                .as_u64()
                .and_then(|attempt| u32::try_from(attempt).ok());
            waiting.push_back(Delivery::new(
                envelope,
                attempt.unwrap_or(1),
                format!("toy:{}", wanted.group),
                Box::new(settlement),
            ));
        }
    }
}

struct ToySettlement {
    tag: u64,
    generation: u64,
    current: Arc<AtomicU64>,
    answers: Option<Answers>,
}

fn lost() -> Error {
    error(ErrorKind::Unavailable, "the connection of this delivery is gone")
}

impl ToySettlement {
    fn answer(&mut self, answer: Value, confirmed: Option<oneshot::Sender<()>>) -> Result<()> {
        let answers = self.answers.take().ok_or_else(lost)?;
        if self.current.load(Ordering::SeqCst) != self.generation {
            return Err(lost());
        }
        answers
            .send((self.generation, answer, confirmed))
            .map_err(|_| lost())
    }

    /// Once this is `Ok` the broker has the answer, also when the consumer is dropped right after.
    async fn settle(mut self: Box<Self>, answer: Value) -> Result<()> {
        let (confirmed, confirmation) = oneshot::channel();
        self.answer(answer, Some(confirmed))?;
        confirmation.await.map_err(|_| lost())
    }
}

#[async_trait]
impl Settlement for ToySettlement {
    async fn ack(self: Box<Self>) -> Result<()> {
        let tag = self.tag;
        self.settle(json!({"ack": tag})).await
    }

    async fn nack(self: Box<Self>, _delay: Duration) -> Result<()> {
        let tag = self.tag;
        self.settle(json!({"nack": tag})).await
    }

    async fn extend(&mut self, _hold: Duration) -> Result<()> {
        Err(error(
            ErrorKind::Unsupported,
            "a toy holds until its consumer is gone",
        ))
    }
}

impl Drop for ToySettlement {
    fn drop(&mut self) {
        let tag = self.tag;
        let _ = self.answer(json!({"nack": tag}), None);
    }
}

// The fixture.

#[derive(Debug)]
struct Toy {
    patience: Duration,
}

#[derive(Debug)]
struct ToyPlace {
    patience: Duration,
    proxy: Arc<FaultProxy>,
    letters: Arc<MemoryStore>,
}

impl ToyPlace {
    fn client(&self) -> Arc<Client> {
        Arc::new(Client {
            address: self.proxy.address(),
            patience: self.patience,
            closed: CancellationToken::new(),
        })
    }
}

#[async_trait]
impl BrokerFixture for Toy {
    fn capabilities(&self) -> BrokerCapabilities {
        capabilities()
    }

    fn times(&self) -> BrokerTimes {
        BrokerTimes {
            quiet: Duration::from_millis(300),
            slack: Duration::from_secs(20),
            notices_dead_peer: Some(HEARTBEAT),
            hold: None,
            most_messages: None,
        }
    }

    async fn place(&self) -> Result<Arc<dyn BrokerPlace>> {
        let proxy = FaultProxy::start(Server::start().await).await;
        Ok(Arc::new(ToyPlace {
            patience: self.patience,
            proxy: Arc::new(proxy.map_err(|_| error(ErrorKind::Internal, "no proxy"))?),
            letters: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
        }))
    }
}

#[async_trait]
impl BrokerPlace for ToyPlace {
    async fn emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        Ok(self.client())
    }

    async fn legacy_emitter(&self) -> Result<Arc<dyn EventEmitter>> {
        Ok(self.client())
    }

    async fn emitter_to_nowhere(&self) -> Result<Option<Arc<dyn EventEmitter>>> {
        Ok(None)
    }

    async fn listener(&self) -> Result<Arc<dyn EventListener>> {
        Ok(self.client())
    }

    async fn dead_letters(&self, _group: &str) -> Result<Arc<dyn DeadLetters>> {
        Ok(self.letters.clone())
    }

    fn network(&self) -> Option<Arc<FaultProxy>> {
        Some(Arc::clone(&self.proxy))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stdout, reason = "the report says how many repeats there were")]
async fn a_broker_behind_a_network_passes_the_fault_cases() {
    let cases = [
        "C01", "C04", "C06", "C07", "C12", "C17", "C21", "C23", "C24", "C25", "C26", "C27",
    ];
    let report = run_broker_cases(&Toy { patience: HEARTBEAT }, &cases).await;
    println!("{report}");
    assert_eq!(report.cases.len(), cases.len());
    if let Err(failure) = report.into_result() {
        panic!("{failure}");
    }
}

/// A consumer that would find out only when somebody resets its connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_without_heartbeats_is_noticed() {
    let patient = Toy {
        patience: Duration::from_secs(3_600),
    };
    let report = run_broker_cases(&patient, &["C24"]).await;
    let failed: Vec<String> = report.failures().map(ToString::to_string).collect();
    assert!(
        failed.len() == 1 && failed[0].contains("the consumer did not dial again"),
        "{report}"
    );
}
