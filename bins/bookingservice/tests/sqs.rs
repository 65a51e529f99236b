//! `eventservice` and `bookingservice` as two processes joined by SQS: what a user and an operator do, over FIFO and over
//! standard queues, and what they keep when SQS or they are killed.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use loadtest::booker::{Booker, Holder, Order, Outcome};
use loadtest::program::Running;
use loadtest::service::{Service, ask, event_body};
use loadtest::single::Single;
use myevents_adapters::sqs::aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use myevents_adapters::sqs::aws_sdk_sqs::{Client, Config};
use myevents_adapters::sqs::{SqsBroker, SqsConfig};
use myevents_core::contract::{
    BookingCancelled, Envelope, EventBooked, Message as _, MessageId, MessageName,
};
use myevents_core::ports::{EventEmitter as _, EventListener as _, StartFrom, Subscription};
use myevents_servers::{Kind, Server};
use parking_lot::Mutex;
use tempfile::TempDir;

/// How often each booking was announced, by name of the message and id of the booking.
type Announced = Arc<Mutex<HashMap<(String, String), usize>>>;

struct Pair {
    server: Server,
    events: Single,
    bookings: Single,
    running_events: Running,
    running_bookings: Running,
    service: Service,
    announced: Announced,
    /// The third service, which has a queue of its own.
    audit: SqsBroker,
    queue: String,
    _folder: TempDir,
}

fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http);
    Client::from_conf(config.build())
}

fn folder(of: &TempDir, name: &str) -> PathBuf {
    let folder = of.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    folder
}

/// Does something to the server that takes its time.
async fn with(
    server: Server,
    work: impl FnOnce(&mut Server) -> anyhow::Result<()> + Send + 'static,
) -> Server {
    let work = move || {
        let mut server = server;
        work(&mut server).expect("the server does as told");
        server
    };
    tokio::task::spawn_blocking(work)
        .await
        .expect("a task that only waits")
}

impl Pair {
    /// Both services started and ready. `None` where there is no SQS to start, which is noted.
    async fn start(test: &'static str, end: &'static str) -> Option<Self> {
        let starting = move || Server::start_or_skip(test, Kind::Sqs).expect("ElasticMQ starts");
        let server = tokio::task::spawn_blocking(starting).await.unwrap()?;
        let folders = tempfile::tempdir().unwrap();
        let own = env!("CARGO_BIN_EXE_bookingservice");
        let mut events = Single::beside(own, "eventservice", &folder(&folders, "events")).unwrap();
        let mut bookings = Single::beside(own, "bookingservice", &folder(&folders, "bookings")).unwrap();
        let (queue, audited) = (format!("events{end}"), format!("events-audit{end}"));
        for single in [&mut events, &mut bookings] {
            let variables = [
                ("SQS_QUEUE", queue.as_str()),
                ("AWS_ENDPOINT_URL", server.url()),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("MYEVENTS_SQS_WAIT_TIME", "1s"),
                ("MYEVENTS_SQS_VISIBILITY_TIMEOUT", "3s"),
            ];
            single
                .environment
                .extend(variables.map(|(name, value)| (name.into(), value.into())));
        }
        let both = format!("{queue},{audited}");
        bookings
            .environment
            .push(("MYEVENTS_SQS_DESTINATIONS".into(), both.as_str().into()));
        let service = Service {
            events: events.address,
            bookings: bookings.address,
            metrics: Some(bookings.metrics),
        };
        let mut config = SqsConfig::new("audit", audited);
        config.wait_time = Duration::from_secs(1);
        config.visibility_timeout = Duration::from_secs(3);
        let audit = SqsBroker::with_client(&client(server.url()), config).unwrap();
        let announced = listen(&audit).await;
        Some(Self {
            running_events: events.start_ready().await.unwrap(),
            running_bookings: bookings.start_ready().await.unwrap(),
            server,
            events,
            bookings,
            service,
            announced,
            audit,
            queue,
            _folder: folders,
        })
    }

    fn was_announced(&self, name: &MessageName, booking: &str) -> bool {
        let key = (name.as_str().to_owned(), booking.to_owned());
        self.announced.lock().contains_key(&key)
    }
}

async fn listen(audit: &SqsBroker) -> Announced {
    let subscription = Subscription {
        group: "audit".to_owned(),
        names: vec![EventBooked::name(), BookingCancelled::name()],
        prefetch: 64,
        from: StartFrom::Now,
    };
    let mut stream = audit.listener().subscribe(subscription).await.unwrap();
    let announced = Announced::default();
    let noting = Arc::clone(&announced);
    tokio::spawn(async move {
        while let Some(delivery) = stream.next().await {
            let body: serde_json::Value = serde_json::from_slice(delivery.envelope.body()).unwrap();
            let booking = body["bookingId"].as_str().unwrap().to_owned();
            let name = delivery.envelope.name().as_str().to_owned();
            *noting.lock().entry((name, booking)).or_default() += 1;
            // A lost acknowledgement brings it again.
            let _ = delivery.ack().await;
        }
    });
    announced
}

/// How soon everything has to come.
const WITHIN: Duration = Duration::from_secs(120);

async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < WITHIN, "{what} did not come within {WITHIN:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn order(event: &str, seats: u32, number: u32) -> Order {
    Order {
        event: event.to_owned(),
        seats,
        key: format!("a-customer-of-this-test-{number}"),
        holder: Holder::Nobody,
    }
}

async fn book(booker: &mut Booker, order: &Order) -> String {
    match booker
        .book(order, Instant::now() + Duration::from_secs(120))
        .await
    {
        Outcome::Booked { id } => id,
        other => panic!("{other:?}"),
    }
}

fn told(single: &Single, arguments: &[&str]) -> String {
    let (well, said) = single.command(arguments).unwrap();
    assert!(well, "{arguments:?}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_serve_over_fifo_queues() {
    serve("two_processes_serve_over_fifo_queues", ".fifo").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_serve_over_standard_queues() {
    serve("two_processes_serve_over_standard_queues", "").await;
}

async fn serve(test: &'static str, end: &'static str) {
    let Some(mut pair) = Pair::start(test, end).await else {
        return;
    };
    let service = pair.service;
    let event = service.new_event("joined by SQS", 100).await.unwrap();
    let mut booker = Booker::new(service.bookings);
    let first = book(&mut booker, &order(&event, 2, 1)).await;
    let second = book(&mut booker, &order(&event, 3, 2)).await;
    let late = Instant::now() + Duration::from_secs(120);
    assert!(booker.cancel(&first, late).await);
    assert_eq!(service.availability(&event).await.unwrap(), (100, 97));
    until("the announcements", || async {
        pair.was_announced(&EventBooked::name(), &first)
            && pair.was_announced(&EventBooked::name(), &second)
            && pair.was_announced(&BookingCancelled::name(), &first)
    })
    .await;
    assert!(!pair.was_announced(&BookingCancelled::name(), &second));
    service.wait_broker("connected", WITHIN).await.unwrap();
    pair = broker_away(pair, &mut booker, &event).await;
    dead_letters(&pair).await;
    a_new_booking_service_learns_all(&mut pair, &event).await;
    killed(&mut pair, &mut booker, &event).await;
    pair.running_events.stop().await.unwrap();
    pair.running_bookings.stop().await.unwrap();
}

/// SQS goes away: it is told, customers notice nothing, and what waited is announced when it is back.
async fn broker_away(mut pair: Pair, booker: &mut Booker, event: &str) -> Pair {
    let service = pair.service;
    pair.server = with(pair.server, Server::kill).await;
    let third = book(booker, &order(event, 1, 3)).await;
    let body = event_body("made meanwhile", 10);
    let created = ask(service.events, "POST", "/events", Some(&body)).await.unwrap();
    assert_eq!(created.status, 201);
    let meanwhile = created.json().unwrap()["ID"].as_str().unwrap().to_owned();
    // Both notice by what they send: while nothing fails, an answer is believed for a minute.
    service.wait_broker("away", WITHIN).await.unwrap();
    assert!(!pair.was_announced(&EventBooked::name(), &third));
    pair.server = with(pair.server, Server::restart).await;
    until("what waited", || async {
        pair.was_announced(&EventBooked::name(), &third)
    })
    .await;
    service.wait_bookable(&meanwhile, 10).await.unwrap();
    service.wait_broker("connected", WITHIN).await.unwrap();
    pair
}

/// A message that can't be read is a dead letter in SQS, for the operator to see.
async fn dead_letters(pair: &Pair) {
    let mut config = SqsConfig::new("sender", pair.queue.clone());
    config.create_queues = false;
    let sender = SqsBroker::with_client(&client(pair.server.url()), config).unwrap();
    let broken = Envelope::builder(
        MessageId::new("broken-1"),
        MessageName::from_static("event.created"),
        "",
    )
    .body("no JSON")
    .build();
    sender.emitter().emit(&[broken]).await.pop().unwrap().unwrap();
    until("the dead letter", || async {
        told(&pair.bookings, &["dead-letters"]).contains("1 dead letters")
    })
    .await;
    let said = told(&pair.bookings, &["dead-letters", "list"]);
    assert!(said.contains("event.created  1 tries  broken-1"), "{said}");
    let id = said.split_whitespace().next().unwrap().to_owned();
    // Sent back it fails again, and is one letter again.
    assert!(told(&pair.bookings, &["dead-letters", "resend", &id]).contains("1 sent back to their consumer"));
    until("the letter again", || async {
        let said = told(&pair.bookings, &["dead-letters", "list"]);
        said.contains("1 dead letters") && !said.contains(&id)
    })
    .await;
    let (well, said) = pair.bookings.command(&["dead-letters", "resend", &id]).unwrap();
    assert!(!well && said.contains("no dead letter has these ids"), "{said}");
    assert!(told(&pair.bookings, &["dead-letters", "drop", "--all"]).contains("1 deleted"));
    assert!(told(&pair.bookings, &["dead-letters"]).contains("0 dead letters"));
}

/// A booking service that lost its file knows nothing, until the event service announces everything again: under new ids, as
/// a FIFO queue would take the old ones for repeats. There is no log to build its copy from.
async fn a_new_booking_service_learns_all(pair: &mut Pair, event: &str) {
    pair.running_bookings.kill().unwrap();
    for file in std::fs::read_dir(&pair.bookings.folder).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    pair.running_bookings = pair.bookings.start_ready().await.unwrap();
    let path = format!("/events/{event}/availability");
    let asked = ask(pair.service.bookings, "GET", &path, None).await.unwrap();
    assert_eq!(asked.status, 404);
    let (well, said) = pair.bookings.command(&["rebuild"]).unwrap();
    assert!(!well && said.contains("republish"), "{said}");
    let said = told(&pair.events, &["republish"]);
    assert!(said.contains("2 events will be announced"), "{said}");
    pair.service.wait_bookable(event, 100).await.unwrap();
}

/// Both services are killed in the middle of their work: what was accepted is announced, what was made becomes bookable.
async fn killed(pair: &mut Pair, booker: &mut Booker, event: &str) {
    let mut accepted = Vec::new();
    for number in 10..16 {
        accepted.push(book(booker, &order(event, 1, number)).await);
        if number % 2 == 0 {
            pair.running_bookings.kill().unwrap();
            pair.running_bookings = pair.bookings.start_ready().await.unwrap();
        }
    }
    let body = event_body("made before the end", 10);
    let created = ask(pair.service.events, "POST", "/events", Some(&body))
        .await
        .unwrap();
    let made = created.json().unwrap()["ID"].as_str().unwrap().to_owned();
    pair.running_events.kill().unwrap();
    pair.running_events = pair.events.start_ready().await.unwrap();
    pair.service.wait_bookable(&made, 10).await.unwrap();
    until("the announcements", || async {
        accepted
            .iter()
            .all(|id| pair.was_announced(&EventBooked::name(), id))
    })
    .await;
    pair.audit.listener().close().await.unwrap();
}
