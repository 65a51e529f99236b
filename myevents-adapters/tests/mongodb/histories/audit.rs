//! Lines of the audit log over deaths and lost answers: whoever carries a change out, its line is there once.

use std::time::Duration;

use myevents_adapters::mongodb::MongoStore;
use myevents_core::ErrorKind;
use myevents_core::domain::{AuditAction, AuditEntry, Version};
use myevents_core::ports::{
    ApiKey, ApiKeyHash, ApiKeys, Attached, AuditFilter, CancelOutcome, CancelRequest, DatabaseHandler,
    Inserted, Outbox, Outcome,
};
use myevents_core::testkit::fixture;

use super::{bed, outcome};
use crate::common::{at_rest, book, pending};
use crate::wire::Act;

async fn lines(store: &MongoStore) -> Vec<AuditEntry> {
    let page = store.list_audit(&AuditFilter::default(), None, 100).await;
    page.unwrap().items
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_cancel_is_finished_by_another_process_with_its_line() {
    let Some(bed) = bed(
        "an_admins_cancel_is_finished_by_another_process_with_its_line",
        10,
    )
    .await
    else {
        return;
    };
    let request = bed.wish(2);
    assert!(matches!(outcome(&bed.other, &request).await, Outcome::Booked(_)));
    let first = fixture::audit(AuditAction::BOOKING_CANCELLED, &request.booking.id);
    bed.hold("findAndModify", "bookings", 0);
    bed.dies_cancelling_as(&request, Some(first.clone())).await;
    assert!(
        pending(&bed.other, &bed.event).await > 0,
        "no intent is on the list"
    );
    assert!(lines(&bed.other).await.is_empty());
    bed.other.recover(Duration::ZERO).await.unwrap();
    assert_eq!(lines(&bed.other).await, std::slice::from_ref(&first));
    let again = CancelRequest {
        audit: Some(fixture::audit(
            AuditAction::BOOKING_CANCELLED,
            &request.booking.id,
        )),
        ..fixture::cancel_request(&bed.event, &request.booking.id)
    };
    let outcome = bed.other.cancel_booking(&again).await.unwrap().value;
    assert!(matches!(outcome, CancelOutcome::Already(_)), "{outcome:?}");
    bed.arrives().await;
    assert_eq!(lines(&bed.other).await, [first]);
    at_rest(&bed.other, &bed.event, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_cancel_whose_answer_is_lost_has_its_line_once() {
    let Some(bed) = bed("an_admins_cancel_whose_answer_is_lost_has_its_line_once", 10).await else {
        return;
    };
    let request = bed.wish(2);
    let leased = book(&bed.other, &request).await.unwrap().leased;
    // Nothing of the booking waits, so that the first try to change it applies.
    bed.other.confirm(&leased).await.unwrap();
    let audit = fixture::audit(AuditAction::BOOKING_CANCELLED, &request.booking.id);
    let cancel = CancelRequest {
        audit: Some(audit.clone()),
        ..fixture::cancel_request(&bed.event, &request.booking.id)
    };
    bed.wire.once_of("findAndModify", "bookings", Act::CutAfter);
    let outcome = bed.dying.cancel_booking(&cancel).await.unwrap().value;
    assert!(matches!(outcome, CancelOutcome::Cancelled(_)), "{outcome:?}");
    assert!(bed.wire.is_spent());
    assert_eq!(lines(&bed.other).await, [audit]);
    at_rest(&bed.other, &bed.event, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_is_lost_has_the_line_of_its_first_try() {
    let Some(bed) = bed("a_change_whose_answer_is_lost_has_the_line_of_its_first_try", 10).await else {
        return;
    };
    let (store, wire) = (&bed.dying, &bed.wire);
    let record = fixture::event_record(fixture::event("lost"));
    let mut newer = record.clone();
    newer.version = Version(2);
    let user = fixture::user_record("Ada", "Lovelace");
    store.add_user(&user).await.unwrap();
    let key = ApiKey {
        hash: ApiKeyHash([5; 32]),
        name: fixture::text("till"),
        scopes: String::new(),
        created: fixture::date(fixture::START),
        last_used: None,
    };
    let carrying = |audit: &AuditEntry| Attached {
        audit: Some(audit.clone()),
        ..Attached::nothing()
    };
    let mut expected = Vec::new();
    let mut line = |action, object: myevents_core::domain::Id| {
        let first = fixture::audit(action, object.clone());
        expected.push(first.clone());
        (first, fixture::audit(AuditAction::from_stored("never"), object))
    };
    macro_rules! lost {
        ($command:literal of $collection:literal: $first:expr) => {
            // A cut connection takes the others of its pool with it.
            while store.ping().await.is_err() {}
            wire.once_of($command, $collection, Act::CutAfter);
            let what = concat!(
                stringify!($first),
                " without answer of ",
                $command,
                " of ",
                $collection
            );
            let Err(error) = $first.await else {
                panic!(
                    "{what} was answered with success; the fault is spent: {}",
                    wire.is_spent()
                );
            };
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{what}: {error:?}");
            assert!(wire.is_spent(), "{what}: it was never sent");
            while store.ping().await.is_err() {}
        };
    }
    let (first, again) = line(AuditAction::EVENT_CREATED, (&record.event.id).into());
    lost!("insert" of "events": store.add_event(&record, carrying(&first)));
    let found = store.add_event(&record, carrying(&again)).await.unwrap().value;
    assert!(matches!(found, Inserted::Existing(_)), "{found:?}");
    let (first, again) = line(AuditAction::EVENT_UPDATED, (&record.event.id).into());
    lost!("update" of "events": store.replace_event(&newer, Version(1), carrying(&first)));
    let stale = store.replace_event(&newer, Version(1), carrying(&again)).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Precondition);
    let (first, again) = line(AuditAction::USER_REMOVED, (&user.user.id).into());
    lost!("update" of "users": store.remove_user(&user.user.id, Some(&first)));
    assert!(!store.remove_user(&user.user.id, Some(&again)).await.unwrap());
    let (first, again) = line(AuditAction::API_KEY_MADE, (&key.id()).into());
    lost!("insert" of "api_keys": store.add_key(&key, &first));
    let taken = store.add_key(&key, &again).await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::Conflict);
    // Its line goes out first: moving it is an update too.
    lines(&bed.other).await;
    let (first, again) = line(AuditAction::API_KEY_REVOKED, (&key.id()).into());
    lost!("update" of "api_keys": store.remove_key(&key.id(), &first));
    assert!(!store.remove_key(&key.id(), &again).await.unwrap());

    let mut found = lines(&bed.other).await;
    let by_id = |one: &AuditEntry, other: &AuditEntry| one.id.cmp(&other.id);
    found.sort_by(by_id);
    expected.sort_by(by_id);
    assert_eq!(found, expected);
    assert!(store.list_keys().await.unwrap().is_empty());
}
