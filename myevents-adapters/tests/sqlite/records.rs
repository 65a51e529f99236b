//! Records, bookings, messages and marks: what the store must keep, beside the shared suite.

use std::time::Duration;

use myevents_core::ErrorKind;
use myevents_core::contract::MessageId;
use myevents_core::domain::Version;
use myevents_core::ports::{
    Attached, Begin, BookOptions, BookingFilter, BookingOwner, CancelOutcome, DatabaseHandler, DeadLetter,
    DeadLetterQueue, DeadLetters, EventFilter, Inbox, Inserted, Outbox, Outcome,
};

use crate::common::*;

#[tokio::test]
async fn an_event_comes_back_equal_and_is_found_in_every_way() {
    let folder = folder();
    let store = open(config(&folder));
    let id = event_id();
    let one = record(&id, "ΑΐΔΑ \"x\" \u{0} ' %_", 5_000);
    let committed = store
        .add_event(&one, Attached::announcement(message("e1")))
        .await
        .unwrap();
    assert_eq!(committed.value, Inserted::New);
    assert_eq!(committed.leased.len(), 1);
    let again = store
        .add_event(&one, Attached::announcement(message("e1")))
        .await
        .unwrap();
    assert_eq!(again.value, Inserted::Existing(one.clone()));
    let other = record(&id, "other", 5_000);
    let error = store.add_event(&other, Attached::nothing()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.find_event(&id).await.unwrap().as_ref(), Some(&one));
    let by_name = store.find_event_by_name(one.event.name.as_str()).await.unwrap();
    assert_eq!(by_name.as_ref(), Some(&one));
    for needle in ["αΐδα", "\u{0}", "' %_", "OPÉRA GARNIER", "paris"] {
        let filter = EventFilter {
            text: Some(needle.to_owned()),
            ..EventFilter::default()
        };
        let page = store.list_events(&filter, None, 10).await.unwrap();
        assert_eq!(page.items.len(), 1, "{needle:?}");
    }
    let mut cancelled = one.clone();
    cancelled.event.cancelled = true;
    cancelled.version = Version(2);
    let stale = store
        .replace_event(&cancelled, Version(7), Attached::nothing())
        .await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Precondition);
    store
        .replace_event(&cancelled, Version(1), Attached::announcement(message("e1")))
        .await
        .unwrap();
    assert!(
        store
            .find_event_by_name(one.event.name.as_str())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .list_events(&EventFilter::default(), None, 9)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(store.depth().await.unwrap().rows, 2);
}

#[tokio::test]
async fn pages_of_events_meet_without_gap_or_repeat() {
    let folder = folder();
    let store = open(config(&folder));
    for start in 0..25 {
        let record = record(&event_id(), "e", 1_000 + start / 5);
        store.add_event(&record, Attached::nothing()).await.unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .list_events(&EventFilter::default(), after.as_ref(), 4)
            .await
            .unwrap();
        seen.extend(page.items.into_iter().map(|r| (r.event.start, r.event.id)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
}

#[tokio::test]
async fn a_batch_is_greedy_and_a_repeat_finds_its_booking() {
    let folder = folder();
    let store = open(config(&folder));
    let event = bookable(&store, 5).await;
    let batch = [request(&event, 3), request(&event, 3), request(&event, 2)];
    let outcomes: Vec<_> = store
        .book(&event, &batch, BookOptions::default())
        .await
        .into_iter()
        .map(|result| result.unwrap())
        .collect();
    assert_eq!(outcomes[0].value, Outcome::Booked(batch[0].booking.clone()));
    assert_eq!(outcomes[0].leased[0].envelope, batch[0].message);
    assert_eq!(outcomes[1].value, Outcome::SoldOut { available: 2 });
    assert!(matches!(outcomes[2].value, Outcome::Booked(_)));
    let mut reused = batch[0].clone();
    reused.booking.fingerprint = request(&event, 1).booking.fingerprint;
    let again = store
        .book(&event, &[batch[0].clone(), reused], BookOptions::default())
        .await;
    assert_eq!(
        again[0].as_ref().unwrap().value,
        Outcome::Existing(batch[0].booking.clone())
    );
    assert_eq!(again[1].as_ref().unwrap().value, Outcome::KeyReused);
    let unknown = event_id();
    let outcome = store
        .book(&unknown, &[request(&unknown, 1)], BookOptions::default())
        .await;
    assert_eq!(outcome[0].as_ref().unwrap().value, Outcome::UnknownEvent);
    assert_eq!(store.depth().await.unwrap().rows, 2);

    let cancel = cancellation(&batch[0].booking);
    let first = store.cancel_booking(&cancel).await.unwrap();
    assert!(matches!(first.value, CancelOutcome::Cancelled(_)));
    assert!(first.leased.is_empty(), "the booking's first message still waits");
    let second = store.cancel_booking(&cancel).await.unwrap();
    assert!(matches!(second.value, CancelOutcome::Already(_)));
    let left = store.availability(&[event.clone(), unknown]).await.unwrap();
    assert_eq!(left[0].as_ref().unwrap().available, Some(3));
    assert!(left[1].is_none());
    let found = store.reconcile(&event, false).await.unwrap().unwrap();
    assert_eq!((found.drift, found.confirmed), (0, 2));
    let filter = BookingFilter::all_of(BookingOwner::Event(event));
    assert_eq!(
        store.list_bookings(&filter, None, 10).await.unwrap().items.len(),
        2
    );
    assert!(store.check_store().await.unwrap().is_sound());
}

#[tokio::test]
async fn an_entity_is_handed_out_without_gaps() {
    let folder = folder();
    let store = open(config(&folder));
    let id = event_id();
    let one = record(&id, "e", 1);
    let leased = store
        .add_event(&one, Attached::announcement(message("k")))
        .await
        .unwrap()
        .leased;
    let later = store
        .announce_event(&id, Version(1), Attached::announcement(message("k")))
        .await
        .unwrap();
    assert!(later.leased.is_empty());
    let lease = Duration::from_secs(30);
    assert!(
        store.claim(10, lease).await.unwrap().rows.is_empty(),
        "a live lease blocks"
    );
    store.release(&leased).await.unwrap();
    let first = store.claim(1, lease).await.unwrap();
    assert_eq!(first.rows[0].envelope, leased[0].envelope);
    assert!(store.claim(10, lease).await.unwrap().rows.is_empty());
    assert!(
        store.extend(&leased, lease).await.unwrap().is_empty(),
        "an old token holds nothing"
    );
    assert_eq!(store.extend(&first.rows, lease).await.unwrap().len(), 1);
    store.park(&first.rows, "too large").await.unwrap();
    let second = store.claim(10, lease).await.unwrap();
    assert_eq!(second.rows.len(), 1);
    store.confirm(&second.rows).await.unwrap();
    let depth = store.depth().await.unwrap();
    assert_eq!((depth.rows, depth.parked), (0, 1));
    let parked = store.parked(None, 10).await.unwrap().items;
    assert_eq!(parked[0].reason, "too large");
    assert_eq!(Outbox::resend(&store, &[parked[0].id.clone()]).await.unwrap(), 1);
    assert_eq!(store.claim(10, lease).await.unwrap().rows.len(), 1);
    assert_eq!(Outbox::discard(&store, &[parked[0].id.clone()]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_mark_is_stored_with_its_effect_or_refuses_it() {
    let folder = folder();
    let store = open(config(&folder));
    let id = MessageId::new("m1");
    let Begin::Fresh(token) = store.begin("c", &id, Duration::from_secs(30)).await.unwrap() else {
        panic!("not fresh");
    };
    assert_eq!(
        store.begin("c", &id, Duration::from_secs(30)).await.unwrap(),
        Begin::InProgress
    );
    let stale = Attached {
        messages: vec![message("k")],
        mark: Some(myevents_core::ports::InboxToken {
            lease: 1,
            ..token.clone()
        }),
        audit: None,
    };
    let event = record(&event_id(), "e", 1);
    let refused = store.add_event(&event, stale).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Precondition);
    assert!(store.find_event(&event.event.id).await.unwrap().is_none());
    let marked = Attached {
        messages: Vec::new(),
        mark: Some(token.clone()),
        audit: None,
    };
    store.add_event(&event, marked.clone()).await.unwrap();
    let twice = store.announce_event(&event.event.id, Version(1), marked).await;
    assert_eq!(
        twice.unwrap_err().kind(),
        ErrorKind::Precondition,
        "an effect is stored once"
    );
    assert_eq!(
        store.begin("c", &id, Duration::from_secs(30)).await.unwrap(),
        Begin::Done
    );
    assert!(!store.abandon(&token).await.unwrap());
    assert!(store.complete(&token).await.unwrap(), "done by this token");
}

#[tokio::test]
async fn dead_letters_are_sent_back_when_due_and_held_while_tried() {
    let folder = folder();
    let store = open(config(&folder));
    let letter = DeadLetter {
        consumer: "booking".into(),
        origin: "local".into(),
        reason: "panicked".into(),
        attempts: 5,
        at: myevents_core::domain::UnixMillis(7),
        envelope: message("k"),
    };
    store.put(&letter).await.unwrap();
    store.put(&letter).await.unwrap();
    assert_eq!(store.count().await.unwrap(), 1);
    let lease = Duration::from_secs(30);
    assert!(store.take_due("booking", 9, lease).await.unwrap().is_empty());
    let (id, stored) = store.list(None, 9).await.unwrap().items.remove(0);
    assert_eq!(stored, letter);
    assert_eq!(
        DeadLetters::resend(&store, std::slice::from_ref(&id))
            .await
            .unwrap(),
        1
    );
    assert!(store.take_due("other", 9, lease).await.unwrap().is_empty());
    assert_eq!(store.take_due("booking", 9, lease).await.unwrap().len(), 1);
    assert!(store.take_due("booking", 9, lease).await.unwrap().is_empty());
    store.put_back(&id, "again", 6).await.unwrap();
    let (_, stored) = store.list(None, 9).await.unwrap().items.remove(0);
    assert_eq!((stored.reason.as_str(), stored.attempts), ("again", 6));
    assert_eq!(DeadLetters::discard(&store, &[id]).await.unwrap(), 1);
}
