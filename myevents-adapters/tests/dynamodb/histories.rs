//! The histories of the commit, step by step: what comes late must not apply after what was answered meanwhile.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::dynamodb::DynamoStore;
use myevents_core::ErrorKind;
use myevents_core::domain::{EventId, PersonLimits, Version};
use myevents_core::ports::{BookOptions, DatabaseHandler, Outbox, Outcome, SystemClock};
use myevents_core::testkit::fixture;

use crate::bed::{self, fresh_prefix, options};
use crate::server;
use crate::values::{at_rest, book, bookable, booked, cancelled};
use crate::wire::{Fault, Held, Wire};

/// Two instances over one set of tables: the first through a wire, and it gives up soon.
async fn pair(endpoint: &str) -> (Wire, DynamoStore, DynamoStore) {
    pair_for(endpoint, Duration::from_secs(5)).await
}

async fn pair_for(endpoint: &str, patience: Duration) -> (Wire, DynamoStore, DynamoStore) {
    let (wire, prefix) = (Wire::new(), fresh_prefix());
    let mut config = options(&prefix);
    config.patience = patience;
    config.attempt_timeout = patience;
    let one = bed::open_with(&wire.client(endpoint), config, Arc::new(SystemClock)).await;
    let other = bed::open(endpoint, &prefix).await;
    (wire, one, other)
}

/// A commit of `one` that is lost on its way, and its end: nobody knows what became of it.
async fn lost_commit(wire: &Wire, one: &DynamoStore, request: &myevents_core::ports::BookingRequest) {
    wire.next("TransactWriteItems", vec![Fault::LostBefore; 200]);
    let error = book(one, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
}

async fn is_stored(store: &DynamoStore, request: &myevents_core::ports::BookingRequest) -> bool {
    store.find_booking(&request.booking.id).await.unwrap().is_some()
}

async fn arrives_too_late(wire: &Wire, store: &DynamoStore, request: &myevents_core::ports::BookingRequest) {
    let (status, answer) = wire.send_last_transaction_again().await;
    assert_eq!(status, 400, "the late commit was applied: {answer}");
    assert!(!is_stored(store, request).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_commits_never_apply_after_a_refusal() {
    let Some(server) = server::start("late_commits_never_apply_after_a_refusal").await else {
        return;
    };
    after_a_refusal_and_a_cancel(server.url()).await;
    after_a_fence(server.url()).await;
    after_a_new_version(server.url()).await;
    after_a_limit_and_a_cancel(server.url()).await;
    identical_and_late(server.url()).await;
    removed_meanwhile(server.url()).await;
    given_back_meanwhile(server.url()).await;
    server::stop(server).await;
}

/// Its process is dead; elsewhere the last seats are sold, the retry is refused, and seats come back.
async fn after_a_refusal_and_a_cancel(endpoint: &str) {
    let (wire, one, other) = pair(endpoint).await;
    let event = bookable(&other, Some(5)).await;
    let wish = fixture::booking_request(&event, 3);
    lost_commit(&wire, &one, &wish).await;
    let rival = fixture::booking_request(&event, 4);
    booked(&other, &rival).await;
    let refused = book(&other, &wish).await.unwrap().value;
    assert_eq!(refused, Outcome::SoldOut { available: 1 });
    cancelled(&other, &rival).await;
    arrives_too_late(&wire, &other, &wish).await;
    assert_eq!(at_rest(&other, &event).await, (0, Some(5)));
}

async fn after_a_fence(endpoint: &str) {
    let (wire, one, other) = pair(endpoint).await;
    let event = bookable(&other, Some(5)).await;
    let wish = fixture::booking_request(&event, 3);
    lost_commit(&wire, &one, &wish).await;
    other.fence(&event).await.unwrap();
    arrives_too_late(&wire, &other, &wish).await;
    // A counter that is not there needs no fence, and gets no counter by it.
    let unknown = fixture::event_id();
    other.fence(&unknown).await.unwrap();
    assert_eq!(other.availability(&[unknown]).await.unwrap(), [None]);
}

async fn after_a_new_version(endpoint: &str) {
    let (wire, one, other) = pair(endpoint).await;
    let event = bookable(&other, Some(5)).await;
    let wish = fixture::booking_request(&event, 3);
    lost_commit(&wire, &one, &wish).await;
    project(&other, &event, 2).await;
    let stale = BookOptions {
        seen: Some(Version(1)),
        ..BookOptions::default()
    };
    let refused = other
        .book(&event, std::slice::from_ref(&wish), stale)
        .await
        .remove(0);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Precondition);
    arrives_too_late(&wire, &other, &wish).await;
}

async fn project(store: &DynamoStore, event: &EventId, version: u64) {
    let mut record = fixture::event_record(fixture::event("changed"));
    record.event.id = event.clone();
    let projection = fixture::projection(record, version, Some(5));
    assert!(store.project_event(&projection).await.unwrap().counter);
}

async fn after_a_limit_and_a_cancel(endpoint: &str) {
    let (wire, one, other) = pair(endpoint).await;
    let event = bookable(&other, Some(50)).await;
    let limits = PersonLimits {
        seats: Some(4),
        bookings: None,
    };
    let wish = fixture::limited_request(&event, 3, "ada", limits);
    lost_commit(&wire, &one, &wish).await;
    let rival = fixture::limited_request(&event, 4, "ada", limits);
    booked(&other, &rival).await;
    assert_eq!(book(&other, &wish).await.unwrap().value, Outcome::LimitReached);
    cancelled(&other, &rival).await;
    arrives_too_late(&wire, &other, &wish).await;
    booked(&other, &fixture::limited_request(&event, 4, "ada", limits)).await;
    assert_eq!(at_rest(&other, &event).await.0, 4);
}

/// The network delivers an applied transaction once more, much later.
async fn identical_and_late(endpoint: &str) {
    let (wire, one, other) = pair(endpoint).await;
    let event = bookable(&other, Some(9)).await;
    let wish = fixture::booking_request(&event, 3);
    let rows = booked(&one, &wish).await;
    one.confirm(&rows).await.unwrap();
    // The server remembers the token for ten minutes and does nothing; after that the booking itself is in the way.
    wire.send_last_transaction_again().await;
    assert_eq!(at_rest(&other, &event).await, (3, Some(6)));
    assert_eq!(
        other.depth().await.unwrap().rows,
        0,
        "a confirmed message came back"
    );
}

/// The person is removed while their booking is on its way.
async fn removed_meanwhile(endpoint: &str) {
    let (wire, one, other) = pair_for(endpoint, Duration::from_secs(60)).await;
    let event = bookable(&other, Some(9)).await;
    let user = fixture::user_record("Ada", "Lovelace");
    other.add_user(&user).await.unwrap();
    let mut wish = fixture::booking_request(&event, 3);
    wish.booking.user = Some(user.user.id.clone());
    wish.booking.name = Some(fixture::text("Ada"));
    let held = Arc::new(Held::default());
    wire.next("TransactWriteItems", [Fault::Held(Arc::clone(&held))]);
    let booking = tokio::spawn({
        let (one, wish) = (one.clone(), wish.clone());
        async move { book(&one, &wish).await.unwrap().value }
    });
    held.arrived().await;
    assert!(other.remove_user(&user.user.id, None).await.unwrap());
    held.let_go();
    let Outcome::Booked(stored) = booking.await.unwrap() else {
        panic!("not booked");
    };
    assert!(stored.user.is_none() && stored.name.is_none());
    assert_eq!(other.find_booking(&stored.id).await.unwrap(), Some(stored));
}

/// A batch that cannot fit all meets seats that come back: nobody is refused what is there.
async fn given_back_meanwhile(endpoint: &str) {
    let (wire, one, other) = pair_for(endpoint, Duration::from_secs(60)).await;
    let event = bookable(&other, Some(6)).await;
    let four = fixture::booking_request(&event, 4);
    booked(&other, &four).await;
    let batch = [1, 2, 3].map(|seats| fixture::booking_request(&event, seats));
    let held = Arc::new(Held::default());
    wire.next("TransactWriteItems", [Fault::Held(Arc::clone(&held))]);
    let answers = tokio::spawn({
        let (one, event, batch) = (one.clone(), event.clone(), batch.clone());
        async move { one.book(&event, &batch, BookOptions::default()).await }
    });
    held.arrived().await;
    cancelled(&other, &four).await;
    held.let_go();
    for (answer, wish) in answers.await.unwrap().into_iter().zip(batch) {
        assert_eq!(answer.unwrap().value, Outcome::Booked(wish.booking));
    }
    assert_eq!(at_rest(&other, &event).await, (6, Some(0)));
}
