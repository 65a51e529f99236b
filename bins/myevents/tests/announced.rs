//! Every booking that is stored is announced, whatever is killed when; and nothing is announced that is not stored.
//!
//! The program's own metrics die with it, so this test puts the same parts together with a subscriber of its own, which
//! writes down what it hears. The test program starts itself as the child that is killed.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::contract::{EventBooked, Message};
use myevents_core::domain::{EventId, Seats};
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::observe::NoObserver;
use myevents_core::ports::{
    BookingFilter, BookingOwner, DatabaseHandler, EventListener, Outbox, Outcome, StartFrom, Subscription,
    SystemClock,
};
use myevents_core::relay::{Relay, RelayOptions, handover};
use myevents_core::service::{
    BookingDraft, BookingService, BookingSettings, Caller, IdempotencyKey, RequestContext,
};
use myevents_core::testkit::fixture;
use myevents_servers::skip::full_scale;
use tokio_util::sync::CancellationToken;

/// Set for the child: the folder it works in.
const FOLDER: &str = "ANNOUNCED_TEST_FOLDER";
/// Set for the last child: book nothing, end when the outbox is empty.
const DRAIN: &str = "ANNOUNCED_TEST_DRAIN";

const ROLE: &str = "bookingservice";

fn event() -> EventId {
    EventId::parse("0123456789abcdef01234567").unwrap()
}

/// A file that gets one line at a time; what was written is there even when the process is killed right after.
#[derive(Debug, Clone)]
struct Lines(PathBuf);

impl Lines {
    fn append(&self, line: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0)
            .unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn read(&self) -> Vec<String> {
        fs::read_to_string(&self.0)
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// Bookings that customers were told of.
fn accepted(folder: &Path) -> Lines {
    Lines(folder.join("accepted"))
}

/// Bookings that the subscriber heard of.
fn heard(folder: &Path) -> Lines {
    Lines(folder.join("heard"))
}

/// A booking service with its relay, a broker and a subscriber; books until it is killed, or drains and ends.
async fn child(folder: PathBuf, drain: bool) {
    let config = SqliteConfig::service(folder.join("bookingservice.db"), ROLE);
    let store = Arc::new(SqliteStore::open(config, Arc::new(SystemClock)).unwrap());
    let mut show = fixture::event("announced");
    show.id = event();
    let projection = fixture::projection(fixture::event_record(show), 1, Some(1 << 40));
    store.project_event(&projection).await.unwrap();

    let broker = LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver));
    let names = vec![EventBooked::name()];
    let subscription = Subscription {
        group: "audit".to_owned(),
        names,
        prefetch: 64,
        from: StartFrom::Now,
    };
    let mut deliveries = broker.subscribe(subscription).await.unwrap();
    let audit = heard(&folder);
    tokio::spawn(async move {
        while let Some(delivery) = deliveries.next().await {
            let message = EventBooked::decode(&delivery.envelope).unwrap();
            audit.append(&message.0.booking_id.unwrap());
            delivery.ack().await.unwrap();
        }
    });
    let (handover, receiver) = handover(1_024);
    let outbox = Arc::clone(&store) as Arc<dyn Outbox>;
    let (emitter, clock) = (Arc::new(broker), Arc::new(SystemClock));
    let relay = Relay::new(
        outbox,
        emitter,
        receiver,
        RelayOptions::default(),
        clock,
        Arc::new(NoObserver),
    );
    tokio::spawn(relay.run(CancellationToken::new()));
    if drain {
        while store.depth().await.unwrap().rows > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        return;
    }

    let records = Arc::clone(&store) as Arc<dyn DatabaseHandler>;
    let service = Arc::new(BookingService::new(records, handover, BookingSettings::default()));
    let customers = (0..16).map(|_| tokio::spawn(customer(Arc::clone(&service), accepted(&folder))));
    for customer in customers.collect::<Vec<_>>() {
        customer.await.unwrap();
    }
}

async fn customer(service: Arc<BookingService>, told: Lines) {
    let context = RequestContext::default();
    let own = fixture::booking_id();
    for turn in 0_u64.. {
        let key = IdempotencyKey::parse(&format!("{own}-{turn:08}"), &Caller::Anonymous).unwrap();
        let draft = BookingDraft {
            id: None,
            event: event(),
            seats: Seats::parse(1).unwrap(),
            name: None,
            email: None,
            user: None,
        };
        match service.book_event(&context, Some(&key), draft).await.unwrap() {
            Outcome::Booked(booking) => told.append(&booking.id.to_string()),
            other => panic!("an order ended with {other:?}"),
        }
    }
}

fn start(folder: &Path, drain: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "kills_leave_no_stored_booking_unannounced",
        "--nocapture",
    ]);
    command
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if drain {
        command.env(DRAIN, "1");
    }
    command.spawn().unwrap()
}

/// Waits until the child told customers of `more` bookings.
fn wait_for_bookings(child: &mut Child, folder: &Path, more: usize) {
    let wanted = accepted(folder).read().len() + more;
    let start = Instant::now();
    while accepted(folder).read().len() < wanted {
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the child books nothing"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_leave_no_stored_booking_unannounced() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return child(PathBuf::from(folder), std::env::var_os(DRAIN).is_some()).await;
    }
    let data = tempfile::tempdir().unwrap();
    let kills = if full_scale() { 200 } else { 20 };
    for round in 0..kills {
        let mut child = start(data.path(), false);
        wait_for_bookings(&mut child, data.path(), 1 + round * 7 % 60);
        std::thread::sleep(Duration::from_micros((round as u64 * 2_654_435_761) % 5_000));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut last = start(data.path(), true);
    let begin = Instant::now();
    while last.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(30) {
            last.kill().unwrap();
            panic!("the outbox is not empty half a minute after the last start");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(last.wait().unwrap().success());

    let stored = stored(data.path()).await;
    let heard: HashSet<String> = heard(data.path()).read().into_iter().collect();
    let accepted = accepted(data.path()).read();
    let lost: Vec<_> = accepted.iter().filter(|id| !stored.contains(*id)).collect();
    assert!(lost.is_empty(), "accepted and not stored: {lost:?}");
    let unannounced: Vec<_> = stored.difference(&heard).collect();
    assert!(
        unannounced.is_empty(),
        "stored and never announced: {unannounced:?}"
    );
    let invented: Vec<_> = heard.difference(&stored).collect();
    assert!(invented.is_empty(), "announced and not stored: {invented:?}");
    assert!(accepted.len() > kills, "the kills met no load");
}

/// All bookings in the file, read as a tool beside the service would.
async fn stored(folder: &Path) -> HashSet<String> {
    let config = SqliteConfig::tool(folder.join("bookingservice.db"), ROLE);
    let store = SqliteStore::open(config, Arc::new(SystemClock)).unwrap();
    let filter = BookingFilter::all_of(BookingOwner::Event(event()));
    let (mut all, mut after) = (HashSet::new(), None);
    loop {
        let page = store.list_bookings(&filter, after.as_ref(), 1_000).await.unwrap();
        all.extend(page.items.iter().map(|booking| booking.id.to_string()));
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}
