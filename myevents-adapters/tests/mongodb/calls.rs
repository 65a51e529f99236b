//! How many calls to the server a booking and a message cost, counted at the driver.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use myevents_adapters::mongodb::mongodb::bson::Document;
use myevents_core::contract::{Envelope, MessageName};
use myevents_core::dispatch::{Context, Dispatch};
use myevents_core::domain::{EventId, Seats};
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::observe::NoObserver;
use myevents_core::ports::{
    BookOptions, DatabaseHandler, EventEmitter, EventListener, Outbox, Outcome, SystemClock,
};
use myevents_core::relay::{Relay, RelayOptions, handover};
use myevents_core::service::{BookingDraft, BookingService, BookingSettings, RequestContext};
use myevents_core::testkit::fixture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::common::{Database, at_rest, book, bookable, pending, server};
use crate::watch::{Watch, watched};

/// The calls before the answer: taking the entry off the list follows it.
fn before_the_answer(commands: &[Document]) -> Vec<String> {
    let mut names = Watch::names(commands);
    if names.last().is_some_and(|last| last == "update inventory") {
        names.pop();
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn one_booking_alone_costs_two_calls_and_three_for_an_event_not_known_yet() {
    let Some(url) = server("one_booking_alone_costs_two_calls_and_three_for_an_event_not_known_yet") else {
        return;
    };
    let (store, watch) = watched(&Database::new(&url)).await;
    let event = bookable(&store, 100).await;
    watch.take();
    book(&store, &fixture::booking_request(&event, 1)).await.unwrap();
    let first = before_the_answer(&watch.take());
    assert_eq!(
        first,
        ["find inventory", "findAndModify inventory", "insert bookings"]
    );
    at_rest(&store, &event, 1).await;
    watch.take();
    book(&store, &fixture::booking_request(&event, 1)).await.unwrap();
    let next = before_the_answer(&watch.take());
    assert_eq!(next, ["findAndModify inventory", "insert bookings"]);
    at_rest(&store, &event, 2).await;
    watch.take();
    let user = fixture::user_record("Ada", "Lovelace");
    store.add_user(&user).await.unwrap();
    watch.take();
    let mut request = fixture::booking_request(&event, 1);
    request.booking.user = Some(user.user.id);
    book(&store, &request).await.unwrap();
    let of_user = before_the_answer(&watch.take());
    assert_eq!(
        of_user,
        ["findAndModify inventory", "insert bookings", "find users"]
    );
}

/// Whether a command is a commit that takes the place of an entry.
fn replaces(command: &Document) -> bool {
    let update = command.get_document("update");
    let set = update.and_then(|update| update.get_document("$set"));
    set.is_ok_and(|set| set.contains_key("pending.$"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_takes_the_place_of_the_entry_before_it_and_a_quiet_list_empties() {
    let Some(url) = server("a_commit_takes_the_place_of_the_entry_before_it_and_a_quiet_list_empties") else {
        return;
    };
    let (store, watch) = watched(&Database::new(&url)).await;
    let event = bookable(&store, 100).await;
    book(&store, &fixture::booking_request(&event, 1)).await.unwrap();
    let mut booked = 1;
    // One after the other: where this thread loses its processor for longer than the entry waits, the next try shows it.
    loop {
        watch.take();
        book(&store, &fixture::booking_request(&event, 1)).await.unwrap();
        booked += 1;
        let commands = watch.take();
        assert!(
            pending(&store, &event).await <= 1,
            "{:?}",
            Watch::names(&commands)
        );
        if commands.iter().any(replaces) {
            let names = Watch::names(&commands);
            assert!(!names.contains(&"update inventory".to_owned()), "{names:?}");
            break;
        }
        assert!(booked < 50, "{:?}", Watch::names(&commands));
    }
    // Nobody looks, and it is too young for the task that finishes what others left.
    let since = Instant::now();
    while pending(&store, &event).await > 0 {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "an entry stays on the list"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    at_rest(&store, &event, booked).await;
}

fn draft(event: &EventId) -> BookingDraft {
    BookingDraft {
        id: None,
        event: event.clone(),
        user: None,
        name: None,
        email: None,
        seats: Seats::parse(1).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_at_once_cost_a_fifth_of_a_call_each() {
    const CALLERS: u32 = 64;
    const EACH: u32 = 20;
    let Some(url) = server("sixty_four_at_once_cost_a_fifth_of_a_call_each") else {
        return;
    };
    let (store, watch) = watched(&Database::new(&url)).await;
    let event = bookable(&store, 1_000_000).await;
    let (handover, receiver) = handover(8_192);
    let service = Arc::new(BookingService::new(
        Arc::new(store.clone()),
        handover,
        BookingSettings::default(),
    ));
    watch.take();
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (service, event) = (Arc::clone(&service), event.clone());
            tokio::spawn(async move {
                for _ in 0..EACH {
                    let outcome = service
                        .book_event(&RequestContext::default(), None, draft(&event))
                        .await
                        .unwrap();
                    assert!(matches!(outcome, Outcome::Booked(_)), "{outcome:?}");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let took = began.elapsed();
    let commands = watch.take();
    let bookings = CALLERS * EACH;
    let each = commands.len() as f64 / f64::from(bookings);
    eprintln!(
        "{bookings} bookings of one event by {CALLERS} callers: {} calls, {each:.3} a booking, {:.0} bookings/s; at the server: {:?}",
        commands.len(),
        f64::from(bookings) / took.as_secs_f64(),
        watch.times()
    );
    assert!(
        each <= 0.2,
        "{each} calls a booking: {:?}",
        Watch::names(&commands)
    );
    at_rest(&store, &event, i64::from(bookings)).await;
    drop(receiver);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_empties_the_outbox_in_order_at_a_tenth_of_a_call_a_message() {
    const MESSAGES: usize = 4_000;
    let Some(url) = server("the_relay_empties_the_outbox_in_order_at_a_tenth_of_a_call_a_message") else {
        return;
    };
    let (store, watch) = watched(&Database::new(&url)).await;
    let event = bookable(&store, 1_000_000).await;
    let mut booked = Vec::new();
    for _ in 0..MESSAGES / 100 {
        let batch: Vec<_> = (0..100).map(|_| fixture::booking_request(&event, 1)).collect();
        for answer in store.book(&event, &batch, BookOptions::default()).await {
            booked.extend(answer.unwrap().leased);
        }
    }
    // A tenth of them is cancelled: two messages of one record, in order.
    for row in &booked[..MESSAGES / 10] {
        let id = myevents_core::domain::BookingId::parse(row.envelope.key()).unwrap();
        store
            .cancel_booking(&fixture::cancel_request(&event, &id))
            .await
            .unwrap();
    }
    store.release(&booked).await.unwrap();
    let all = MESSAGES + MESSAGES / 10;
    assert_eq!(store.depth().await.unwrap().rows, all as u64);

    let broker = LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver));
    let (seen, mut arrivals) = mpsc::unbounded_channel();
    let mut dispatch =
        Dispatch::builder("counters").dead_letters(broker.dead_letters("counters", Arc::new(store.clone())));
    for name in ["event.booked", "booking.cancelled"] {
        let seen = seen.clone();
        let handler = move |envelope: Envelope, _: Context| {
            let sent = seen.send((envelope.key().to_owned(), envelope.name().as_str().to_owned()));
            async move {
                sent.unwrap();
                Ok(())
            }
        };
        dispatch = dispatch.on_envelope(MessageName::from_static(name), handler);
    }
    let dispatch = dispatch.build().unwrap();
    broker.declare("counters", &dispatch.names());
    let stop = CancellationToken::new();
    let listener: Arc<dyn EventListener> = Arc::new(broker.listener());
    let emitter: Arc<dyn EventEmitter> = Arc::new(broker.emitter());
    let consumer = tokio::spawn({
        let stop = stop.clone();
        async move { dispatch.run(listener, stop).await }
    });
    watch.take();
    watch.times();
    let began = Instant::now();
    let (_handover, receiver) = handover(4_096);
    let relay = Relay::new(
        Arc::new(store.clone()),
        emitter,
        receiver,
        RelayOptions::default(),
        Arc::new(SystemClock),
        Arc::new(NoObserver),
    );
    let relay = tokio::spawn(relay.run(stop.clone()));
    let mut last: HashMap<String, String> = HashMap::new();
    let everything = async {
        for _ in 0..all {
            let (key, name) = arrivals.recv().await.unwrap();
            let before = last.insert(key, name.clone());
            let expected = before.map_or("event.booked", |_| "booking.cancelled");
            assert_eq!(name, expected, "out of order");
        }
        let took = began.elapsed();
        while store.depth().await.unwrap().rows > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        took
    };
    let took = tokio::time::timeout(Duration::from_secs(120), everything)
        .await
        .expect("a message is stuck");
    stop.cancel();
    relay.await.unwrap();
    consumer.await.unwrap().unwrap();
    let commands = watch.take();
    let of_relay = Watch::names(&commands)
        .into_iter()
        .filter(|name| !name.starts_with("aggregate"))
        .count();
    let each = of_relay as f64 / all as f64;
    eprintln!(
        "{all} messages relayed: {of_relay} calls, {each:.3} a message, {:.0} messages/s; at the server: {:?}",
        all as f64 / took.as_secs_f64(),
        watch.times()
    );
    assert!(each <= 0.1, "{each} calls a message");
    assert!(arrivals.try_recv().is_err(), "a message came twice");
}
