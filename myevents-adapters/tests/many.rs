//! Lists of many records on real servers: complete, in order, without repeats, page by page. `MYEVENTS_SCALE=full` stores 10,000
//! events and 100,000 bookings on each.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "the times of pages are for people")]

#[path = "common/open.rs"]
mod open;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use myevents_adapters::connect::{OpenStore, StoreOptions};
use myevents_core::domain::{EventId, UserId};
use myevents_core::ports::{BookOptions, BookingFilter, BookingOwner, EventFilter, Outcome, Store};
use myevents_core::testkit::fixture;
use myevents_servers::skip::{self, full_scale};
use myevents_servers::{Kind, NotInstalled, Server};

/// Events that have bookings.
const BOOKED: usize = 10;

/// How many events are stored at once, and how many batches of bookings.
const AT_ONCE: usize = 8;

const PAGE: usize = 500;

/// Where files are in memory: DynamoDB Local syncs each item that it stores to the disk.
const IN_MEMORY: &str = "/dev/shm";

async fn filled(store: &Arc<dyn Store>, events: usize) -> Vec<EventId> {
    let ids = stream::iter(0..events).map(|number| async move {
        let mut event = fixture::event("one of many");
        // Many begin together, and none in the order in which they are stored.
        let start = 1_900_000_000 + i64::try_from(number * 7_919 % events / 5).unwrap();
        (event.start, event.end) = (fixture::date(start), fixture::date(start + 7_200));
        let id = event.id.clone();
        let projection = fixture::projection(fixture::event_record(event), 1, Some(1_000_000));
        store.project_event(&projection).await.map(|_| id)
    });
    ids.buffer_unordered(AT_ONCE).try_collect().await.unwrap()
}

/// Every fiftieth booking is `user`'s.
async fn booked(store: &Arc<dyn Store>, event: &EventId, count: usize, user: &UserId) {
    let most = store.capabilities().max_batch;
    let mut left = count;
    while left > 0 {
        let wishes: Vec<_> = (0..most.min(left))
            .map(|at| {
                let mut booking = fixture::booking(event, 1);
                booking.user = (at % 50 == 0).then(|| user.clone());
                fixture::request_of(booking)
            })
            .collect();
        for answer in store.book(event, &wishes, BookOptions::default()).await {
            assert!(matches!(answer.unwrap().value, Outcome::Booked(_)));
        }
        left -= wishes.len();
    }
}

/// The time of each page, for people.
#[derive(Default)]
struct Pages(Vec<Duration>);

impl Pages {
    fn tell(mut self, what: &str) {
        let first = self.0.first().copied().unwrap_or_default();
        let last = self.0.last().copied().unwrap_or_default();
        self.0.sort_unstable();
        let middle = self.0.get(self.0.len() / 2).copied().unwrap_or_default();
        eprintln!(
            "{what}: {} pages of {PAGE}; first {first:?}, median {middle:?}, last {last:?}",
            self.0.len()
        );
    }
}

async fn list_events(store: &Arc<dyn Store>, expected: usize) {
    let (mut after, mut pages, mut seen) = (None, Pages::default(), HashSet::new());
    let mut before = None;
    loop {
        let began = Instant::now();
        let page = store
            .list_events(&EventFilter::default(), after.as_ref(), PAGE)
            .await
            .unwrap();
        pages.0.push(began.elapsed());
        assert!(
            page.next.is_none() || page.items.len() == PAGE,
            "a page is not full"
        );
        for record in page.items {
            let place = (record.event.start, record.event.id.as_bytes().to_vec());
            assert!(
                before.as_ref().is_none_or(|before| *before < place),
                "out of order"
            );
            before = Some(place);
            assert!(seen.insert(record.event.id), "an event came twice");
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), expected);
    pages.tell("  events");
}

async fn list_bookings(store: &Arc<dyn Store>, owner: BookingOwner, what: &str) -> usize {
    let filter = BookingFilter::all_of(owner);
    let (mut after, mut pages, mut seen) = (None, Pages::default(), HashSet::new());
    loop {
        let began = Instant::now();
        let page = store.list_bookings(&filter, after.as_ref(), PAGE).await.unwrap();
        pages.0.push(began.elapsed());
        assert!(
            page.next.is_none() || page.items.len() == PAGE,
            "a page is not full"
        );
        for booking in page.items {
            assert!(seen.insert(booking.id), "a booking came twice");
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    pages.tell(what);
    seen.len()
}

async fn lists_are_complete(open: OpenStore) {
    let (events, each) = if full_scale() {
        (10_000, 10_000)
    } else {
        (300, 600)
    };
    let store = open.store;
    let began = Instant::now();
    let ids = filled(&store, events).await;
    eprintln!("{events} events stored in {:?}", began.elapsed());
    let user = fixture::user_record("Ada", "Lovelace");
    store.add_user(&user).await.unwrap();
    let user = user.user.id;
    let began = Instant::now();
    stream::iter(&ids[..BOOKED])
        .for_each_concurrent(4, |event| booked(&store, event, each, &user))
        .await;
    eprintln!("{} bookings made in {:?}", BOOKED * each, began.elapsed());

    list_events(&store, events).await;
    for event in &ids[..BOOKED] {
        let owner = BookingOwner::Event(event.clone());
        assert_eq!(list_bookings(&store, owner, "  bookings of an event").await, each);
        let found = store.reconcile(event, false).await.unwrap().unwrap();
        assert_eq!((found.drift, found.confirmed), (0, i64::try_from(each).unwrap()));
    }
    let none = BookingOwner::Event(ids[BOOKED].clone());
    assert_eq!(
        list_bookings(&store, none, "  bookings of an event without any").await,
        0
    );
    let batch = store.capabilities().max_batch;
    let of_event: usize = (0..each.div_ceil(batch))
        .map(|at| batch.min(each - at * batch).div_ceil(50))
        .sum();
    let theirs = list_bookings(&store, BookingOwner::User(user), "  bookings of a person").await;
    assert_eq!(theirs, BOOKED * of_event);
    store.close().await.unwrap();
}

/// A server on a folder of its own, which is removed after it.
fn started(test: &str, kind: Kind) -> Option<(tempfile::TempDir, Server)> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("myevents-many-");
    let folder = if full_scale() && Path::new(IN_MEMORY).is_dir() {
        folder.tempdir_in(IN_MEMORY)
    } else {
        folder.tempdir()
    };
    let folder = folder.unwrap();
    match Server::start_in(kind, folder.path()) {
        Ok(server) => Some((folder, server)),
        Err(error) if error.downcast_ref::<NotInstalled>().is_some() => {
            skip::skip(test, &error.to_string());
            None
        }
        Err(error) => panic!("{kind} does not start: {error:#}"),
    }
}

async fn on(kind: Kind, test: &'static str) {
    let starting = tokio::task::spawn_blocking(move || started(test, kind));
    // The server ends before its folder goes, also at a panic.
    let Some((folder, server)) = starting.await.unwrap() else {
        return;
    };
    let options = StoreOptions {
        ca: None,
        kind: kind.word().into(),
        location: match kind {
            Kind::Mongodb => format!("{}/many", server.url()),
            _ => server.url().to_owned(),
        },
        role: "bookingservice".into(),
        tool: false,
        create_tables: true,
        table_prefix: String::new(),
    };
    eprintln!("{kind}:");
    lists_are_complete(open::open(&options).await).await;
    let end = move || drop((server, folder));
    tokio::task::spawn_blocking(end).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_many_on_mongodb() {
    on(Kind::Mongodb, "lists_of_many_on_mongodb").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_many_on_dynamodb() {
    on(Kind::Dynamodb, "lists_of_many_on_dynamodb").await;
}
