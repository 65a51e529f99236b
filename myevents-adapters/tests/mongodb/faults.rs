//! Faults at the wire: every lost answer, refused primary, unmet write concern and malformed record has its typed error,
//! and the protocols go on over them.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::mongodb::mongodb::bson::{Document, doc};
use myevents_adapters::mongodb::{MongoConfig, MongoStore};
use myevents_core::ErrorKind;
use myevents_core::domain::{Booking, EventId, PersonLimits, Version};
use myevents_core::ports::{
    Attached, AuditFilter, BookOptions, BookingFilter, BookingOwner, CancelOutcome, DatabaseHandler,
    EventFilter, Inbox, Inserted, Outbox, Outcome, SystemClock,
};
use myevents_core::testkit::{FaultProxy, fixture};

use crate::common::{Database, at_rest, book, bookable, by_itself, id, is_stored, pending, server, within};
use crate::wire::{Act, Wire};

/// The answer of a server that is not the primary any more.
fn not_primary() -> Document {
    doc! { "ok": 0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary" }
}

/// The answer of a server that is going away in the middle of a command.
fn stepping_down() -> Document {
    doc! { "ok": 0, "code": 11602, "codeName": "InterruptedDueToReplStateChange", "errmsg": "operation was interrupted" }
}

fn unmet_concern(mut answer: Document) -> Document {
    answer.insert(
        "writeConcernError",
        doc! { "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waiting for replication timed out" },
    );
    answer
}

/// A store behind a wire, without the driver's own second tries where they would hide what is tested.
pub(crate) async fn behind(database: &Database, wire: &Wire) -> MongoStore {
    let url = format!(
        "mongodb://{}/?directConnection=true&retryWrites=false&retryReads=false&serverSelectionTimeoutMS=5000",
        wire.address()
    );
    let config = MongoConfig::service(url, crate::common::ROLE).database(&database.name);
    MongoStore::open(by_itself(config), Arc::new(SystemClock))
        .await
        .expect("the store can be opened")
}

struct Bed {
    wire: Wire,
    store: MongoStore,
    /// An instance without faults.
    other: MongoStore,
    event: EventId,
}

async fn bed(test: &str, capacity: u64) -> Option<Bed> {
    let database = Database::new(&server(test)?);
    let wire = Wire::start(database.address()).await;
    let other = database.open_now().await;
    let store = behind(&database, &wire).await;
    let event = bookable(&store, capacity).await;
    Some(Bed {
        wire,
        store,
        other,
        event,
    })
}

fn booked(answer: &myevents_core::Result<myevents_core::ports::Committed<Outcome>>) -> Booking {
    match answer {
        Ok(committed) => match &committed.value {
            Outcome::Booked(booking) | Outcome::Existing(booking) => booking.clone(),
            other => panic!("answered {other:?}"),
        },
        Err(error) => panic!("answered {error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_survives_every_lost_answer_of_its_calls() {
    let Some(bed) = bed("a_booking_survives_every_lost_answer_of_its_calls", 1_000).await else {
        return;
    };
    let mut sold = 0;
    for (command, collection) in [("findAndModify", "inventory"), ("insert", "bookings")] {
        for act in [
            Act::CutBefore,
            Act::CutAfter,
            Act::Answer(not_primary()),
            Act::AnswerAfter(stepping_down()),
            Act::Answer(stepping_down()),
        ] {
            // The first booking after a fault looks at everything again; this one is decided by what is remembered.
            booked(&book(&bed.store, &fixture::booking_request(&bed.event, 1)).await);
            bed.wire.once_of(command, collection, act.clone());
            let request = fixture::booking_request(&bed.event, 2);
            let answer = book(&bed.store, &request).await;
            assert!(bed.wire.is_spent(), "{command} of {collection} was never sent");
            sold += 1;
            match answer {
                Err(error) => {
                    // Nothing of it can have been applied, and it is said so.
                    assert_eq!(
                        error.kind(),
                        ErrorKind::Unavailable,
                        "{command} {act:?}: {error:?}"
                    );
                    assert!(
                        matches!(act, Act::Answer(_)) && command == "findAndModify",
                        "{command} {act:?}"
                    );
                    assert!(!is_stored(&bed.other, &request.booking.id).await);
                }
                answer => {
                    assert_eq!(booked(&answer), request.booking, "{command} {act:?}");
                    assert!(
                        is_stored(&bed.other, &request.booking.id).await,
                        "{command} {act:?}"
                    );
                    sold += 2;
                }
            }
        }
    }
    at_rest(&bed.other, &bed.event, sold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_concern_that_was_not_met_is_found_out_not_trusted() {
    let Some(bed) = bed("a_write_concern_that_was_not_met_is_found_out_not_trusted", 10).await else {
        return;
    };
    booked(&book(&bed.store, &fixture::booking_request(&bed.event, 1)).await);
    // The commit was applied and is on one server only; what the wire answers hides what the server said.
    let applied = unmet_concern(doc! { "ok": 1, "value": null, "lastErrorObject": { "n": 1 } });
    bed.wire
        .once_of("findAndModify", "inventory", Act::AnswerAfter(applied));
    let request = fixture::booking_request(&bed.event, 2);
    assert_eq!(booked(&book(&bed.store, &request).await), request.booking);
    bed.wire.once_of(
        "insert",
        "bookings",
        Act::AnswerAfter(unmet_concern(doc! { "ok": 1, "n": 1 })),
    );
    let request = fixture::booking_request(&bed.event, 3);
    assert_eq!(booked(&book(&bed.store, &request).await), request.booking);
    assert!(bed.wire.is_spent());
    at_rest(&bed.other, &bed.event, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_found_out_in_time_is_unknown_never_refused() {
    let Some(bed) = bed("what_can_not_be_found_out_in_time_is_unknown_never_refused", 1).await else {
        return;
    };
    book(&bed.store, &fixture::booking_request(&fixture::event_id(), 1))
        .await
        .unwrap();
    bed.store
        .availability(std::slice::from_ref(&bed.event))
        .await
        .unwrap();
    // The last seat is taken by a commit whose answer is lost; after it nothing can be read.
    bed.wire.once_of("findAndModify", "inventory", Act::CutAfter);
    bed.wire.rule("find", "inventory", 1, usize::MAX, Act::CutBefore);
    let request = within(fixture::booking_request(&bed.event, 1), Duration::from_secs(3));
    let error = book(&bed.store, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
    bed.wire.clear();
    // The repeat finds it, at any instance.
    assert_eq!(
        booked(&book(&bed.other, &within(request.clone(), Duration::from_secs(20))).await),
        request.booking
    );
    at_rest(&bed.store, &bed.event, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_survives_every_lost_answer_of_its_calls() {
    let Some(bed) = bed("a_cancel_survives_every_lost_answer_of_its_calls", 100).await else {
        return;
    };
    // Its writes in their order: the intent, the booking, the seats.
    for (command, collection) in [
        ("update", "inventory"),
        ("findAndModify", "bookings"),
        ("findAndModify", "inventory"),
    ] {
        for act in [Act::CutBefore, Act::CutAfter, Act::AnswerAfter(stepping_down())] {
            let request = fixture::booking_request(&bed.event, 3);
            booked(&book(&bed.other, &request).await);
            bed.wire.once_of(command, collection, act.clone());
            let cancel = fixture::cancel_request(&bed.event, &request.booking.id);
            let outcome = bed.store.cancel_booking(&cancel).await.unwrap().value;
            assert!(bed.wire.is_spent(), "{command} of {collection} was never sent");
            assert!(
                matches!(outcome, CancelOutcome::Cancelled(_)),
                "{command} {act:?}: {outcome:?}"
            );
            at_rest(&bed.other, &bed.event, 0).await;
        }
    }
    let messages = {
        let mut rows = Vec::new();
        // Leases of lost tries end by themselves; here they are given back.
        bed.store.close().await.unwrap();
        let events = bed.other.database().collection::<Document>("bookings");
        let free = doc! { "$set": { "outbox.$[].until": 0_i64 } };
        events.update_many(doc! {}, free).await.unwrap();
        loop {
            let claim = bed.other.claim(500, Duration::from_secs(60)).await.unwrap();
            if claim.rows.is_empty() {
                break;
            }
            rows.extend(claim.rows);
        }
        rows
    };
    assert_eq!(messages.len(), 18, "each booking and each cancel is told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_tells_a_lost_write_from_a_lost_read() {
    let Some(bed) = bed("every_method_tells_a_lost_write_from_a_lost_read", 10).await else {
        return;
    };
    let (store, wire) = (&bed.store, &bed.wire);
    let event = fixture::event_record(fixture::event("lost"));
    let location = fixture::location_record(fixture::location(Vec::new()));
    let user = fixture::user_record("Ada", "Lovelace");
    let lease = Duration::from_secs(30);
    let message = fixture::message_id();
    let letter = fixture::dead_letter("c", "why");
    let projection = fixture::projection(fixture::event_record(fixture::event("new")), 1, Some(3));
    use ErrorKind::{OutcomeUnknown, Unavailable};
    macro_rules! lost {
        ($($command:literal of $collection:literal, $kind:ident: $call:expr;)+) => {$(
            for act in [Act::CutBefore, Act::AnswerAfter(stepping_down())] {
                // A cut connection takes the others of its pool with it.
                while store.ping().await.is_err() {}
                wire.once_of($command, $collection, act.clone());
                let what = format!("{} with {act:?} for {} of {}", stringify!($call), $command, $collection);
                let Err(error) = $call.await else {
                    panic!("{what} was answered with success; the fault is spent: {}", wire.is_spent());
                };
                assert_eq!(error.kind(), $kind, "{what}: {error:?}");
                assert!(error.is_retryable(), "{what}: {error:?}");
                assert!(wire.is_spent(), "{what}: it was never sent");
            }
        )+};
    }
    use myevents_core::ports::{DeadLetterQueue, DeadLetters};
    lost! {
        "insert" of "events", OutcomeUnknown: store.add_event(&event, Attached::nothing());
        "update" of "events", OutcomeUnknown: store.replace_event(&event, Version(1), Attached::nothing());
        "update" of "events", OutcomeUnknown: store.announce_event(&event.event.id, Version(1), fixture::announce(&event.event.id));
        "insert" of "locations", OutcomeUnknown: store.add_location(&location, Attached::nothing());
        "update" of "locations", OutcomeUnknown: store.replace_location(&location, Version(1), Attached::nothing());
        "insert" of "users", OutcomeUnknown: store.add_user(&user);
        "update" of "users", OutcomeUnknown: store.remove_user(&user.user.id, None);
        "insert" of "inventory", OutcomeUnknown: store.project_event(&projection);
        "find" of "events", Unavailable: store.find_event(&bed.event);
        "find" of "events", Unavailable: store.find_event_by_name("lost");
        "find" of "events", Unavailable: store.list_events(&EventFilter::default(), None, 5);
        "find" of "locations", Unavailable: store.find_location(&location.location.id);
        "find" of "locations", Unavailable: store.list_locations(None, 5);
        "find" of "users", Unavailable: store.find_user(&user.user.id);
        "find" of "bookings", Unavailable: store.find_booking(&fixture::booking_id());
        "find" of "bookings", Unavailable: store.list_bookings(&BookingFilter::all_of(BookingOwner::Event(bed.event.clone())), None, 5);
        "find" of "inventory", Unavailable: store.availability(std::slice::from_ref(&bed.event));
        "find" of "inventory", Unavailable: store.reconcile(&bed.event, false);
        "find" of "events", Unavailable: store.list_audit(&AuditFilter::default(), None, 5);
        "find" of "audit", Unavailable: store.list_audit(&AuditFilter::default(), None, 5);
        "find" of "events", Unavailable: store.events_awaiting(&fixture::text("x"), None, 5);
        "find" of "events", Unavailable: store.claim(5, lease);
        "aggregate" of "events", Unavailable: store.depth();
        "aggregate" of "events", Unavailable: store.parked(None, 5);
        "insert" of "inbox", OutcomeUnknown: store.begin("c", &message, lease);
        "delete" of "inbox", OutcomeUnknown: store.forget_completed_before(myevents_core::domain::UnixMillis(0));
        "update" of "dead_letters", OutcomeUnknown: store.put(&letter);
        "find" of "dead_letters", Unavailable: store.list(None, 5);
        "find" of "dead_letters", Unavailable: store.take_due("c", 5, lease);
    }
    // What is asked again by itself until its time is over: a fence is repeated.
    wire.once_of("findAndModify", "inventory", Act::CutAfter);
    store.fence(&bed.event).await.unwrap();
    assert!(wire.is_spent());
    assert_eq!(
        store.add_event(&event, Attached::nothing()).await.unwrap().value,
        Inserted::Existing(event)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_key_that_is_none_of_ours_and_a_malformed_record_are_told() {
    let Some(bed) = bed(
        "a_duplicate_key_that_is_none_of_ours_and_a_malformed_record_are_told",
        10,
    )
    .await
    else {
        return;
    };
    let database = bed.other.database();
    let broken = fixture::booking_id();
    let bookings = database.collection::<Document>("bookings");
    bookings
        .insert_one(
            doc! { "_id": id(broken.as_bytes()), "eventid": id(bed.event.as_bytes()), "seats": "three" },
        )
        .await
        .unwrap();
    assert_eq!(
        bed.store.find_booking(&broken).await.unwrap_err().kind(),
        ErrorKind::Malformed
    );
    let all = BookingFilter::all_of(BookingOwner::Event(bed.event.clone()));
    let listed = bed.store.list_bookings(&all, None, 5).await;
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Malformed);
    let events = database.collection::<Document>("events");
    let odd = fixture::event_id();
    events
        .insert_one(doc! { "_id": id(odd.as_bytes()), "name": 7 })
        .await
        .unwrap();
    assert_eq!(
        bed.store.find_event(&odd).await.unwrap_err().kind(),
        ErrorKind::Malformed
    );
    let inventory = database.collection::<Document>("inventory");
    inventory
        .insert_one(doc! { "_id": id(odd.as_bytes()), "state": "open", "sold": "many" })
        .await
        .unwrap();
    let asked = bed.store.availability(std::slice::from_ref(&odd)).await;
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::Malformed);
    let wished = book(&bed.store, &fixture::booking_request(&odd, 1)).await;
    assert_eq!(wished.unwrap_err().kind(), ErrorKind::Malformed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_the_database_refuses_keeps_its_seats_and_holds_up_nobody() {
    let Some(bed) = bed(
        "a_booking_the_database_refuses_keeps_its_seats_and_holds_up_nobody",
        10,
    )
    .await
    else {
        return;
    };
    let refused = doc! {
        "ok": 1, "n": 0,
        "writeErrors": [ { "index": 0, "code": 121, "errmsg": "Document failed validation" } ],
    };
    bed.wire
        .rule("insert", "bookings", 0, usize::MAX, Act::Answer(refused));
    let stuck = fixture::booking_request(&bed.event, 4);
    let error = book(&bed.store, &stuck).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(pending(&bed.other, &bed.event).await, 1);
    // Who wants more than is left is refused by the seats that are held; the stuck wish is not.
    let many = book(&bed.store, &fixture::booking_request(&bed.event, 7))
        .await
        .unwrap()
        .value;
    assert_eq!(many, Outcome::SoldOut { available: 6 });
    let again = book(&bed.store, &stuck).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Unavailable, "{again:?}");
    // Once the database takes it, it is booked: nothing was lost, nothing is given away.
    bed.wire.clear();
    assert_eq!(booked(&book(&bed.store, &stuck).await), stuck.booking);
    at_rest(&bed.other, &bed.event, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_connection_is_noticed_and_left() {
    let Some(url) = server("a_half_open_connection_is_noticed_and_left") else {
        return;
    };
    let database = Database::new(&url);
    let proxy = FaultProxy::start(database.address()).await.unwrap();
    let mut config = database.config_at(proxy.address());
    config.call_timeout = Duration::from_millis(1_500);
    config.patience = Duration::from_secs(2);
    let store = MongoStore::open(config, Arc::new(SystemClock)).await.unwrap();
    let event = bookable(&store, 5).await;
    proxy.stall();
    let request = within(fixture::booking_request(&event, 1), Duration::from_secs(4));
    let error = book(&store, &request).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(
        store.find_event(&event).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    proxy.cut();
    proxy.resume();
    let again = within(request, Duration::from_secs(20));
    let outcome = loop {
        match book(&store, &again).await {
            Ok(committed) => break committed.value,
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
    };
    assert!(
        matches!(outcome, Outcome::Booked(_) | Outcome::Existing(_)),
        "{outcome:?}"
    );
    at_rest(&store, &event, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_goes_to_one_of_two_whose_first_tries_were_lost() {
    let Some(bed) = bed("a_seat_goes_to_one_of_two_whose_first_tries_were_lost", 1).await else {
        return;
    };
    let (one, two) = (
        fixture::booking_request(&bed.event, 1),
        fixture::booking_request(&bed.event, 1),
    );
    bed.wire.rule("findAndModify", "inventory", 0, 2, Act::CutBefore);
    let batch = [one, two];
    let answers = bed.store.book(&bed.event, &batch, BookOptions::default()).await;
    let booked = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(done) if matches!(done.value, Outcome::Booked(_))));
    assert_eq!(booked.count(), 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .any(|answer| matches!(answer, Ok(done) if done.value == Outcome::SoldOut { available: 0 }))
    );
    at_rest(&bed.other, &bed.event, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_over_lost_answers_of_their_record() {
    let Some(bed) = bed("limits_hold_over_lost_answers_of_their_record", 100).await else {
        return;
    };
    let limits = PersonLimits {
        seats: Some(4),
        bookings: None,
    };
    for (command, act) in [
        ("insert", Act::CutAfter),
        ("insert", Act::CutBefore),
        ("update", Act::CutAfter),
        ("update", Act::CutBefore),
    ] {
        let person = format!("{command} {act:?}");
        let wish = |seats| fixture::limited_request(&bed.event, seats, &person, limits);
        if command == "update" {
            booked(&book(&bed.store, &wish(1)).await);
        }
        bed.wire.once_of(command, "holders", act.clone());
        let seats = if command == "update" { 3 } else { 4 };
        let request = wish(seats);
        let error = book(&bed.store, &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{person}: {error:?}");
        assert!(bed.wire.is_spent(), "{person}");
        // The reservation may be there: it is the wish's own when it comes again, and stands in nobody's way.
        assert_eq!(
            booked(&book(&bed.store, &request).await),
            request.booking,
            "{person}"
        );
        let over = book(&bed.store, &wish(1)).await.unwrap().value;
        assert_eq!(over, Outcome::LimitReached, "{person}");
    }
    at_rest(&bed.other, &bed.event, 4 * 4).await;
}
