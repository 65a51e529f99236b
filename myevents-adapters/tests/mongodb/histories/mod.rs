//! S13b on a store with remote steps: what a dead process sent arrives after others went on.
//!
//! `dying` is behind a wire that holds chosen commands back and lets them go later; `other` works on the same database.

mod audit;
mod limits;

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::mongodb::MongoStore;
use myevents_core::domain::{AuditEntry, BookingState, EventId, PersonLimits, Text};
use myevents_core::ports::{
    BookOptions, BookingRequest, CancelOutcome, CancelRequest, DatabaseHandler, Outcome, SystemClock,
    UnknownCapacity,
};
use myevents_core::testkit::fixture;

use crate::common::{Database, at_rest, book, bookable, is_stored, pending, server, within};
use crate::faults::behind;
use crate::wire::{Act, Wire};

struct Bed {
    wire: Wire,
    dying: MongoStore,
    other: MongoStore,
    event: EventId,
}

async fn bed(test: &str, capacity: u64) -> Option<Bed> {
    let database = Database::new(&server(test)?);
    let wire = Wire::start(database.address()).await;
    let other = database.open_now().await;
    let dying = behind(&database, &wire).await;
    let event = bookable(&other, capacity).await;
    Some(Bed {
        wire,
        dying,
        other,
        event,
    })
}

impl Bed {
    /// Holds back the commands of this name of the dying process, from the `skip`-th on, for ever.
    fn hold(&self, command: &'static str, collection: &'static str, skip: usize) {
        self.wire.rule(command, collection, skip, usize::MAX, Act::Late);
    }

    /// The dying process sends a try, and ends with it on its way.
    async fn dies_booking(&self, request: &BookingRequest) {
        dies_booking(&self.wire, &self.dying, request, BookOptions::default()).await;
    }

    async fn dies_cancelling(&self, request: &BookingRequest) {
        self.dies_cancelling_as(request, None).await;
    }

    /// The same with a line of the audit log.
    async fn dies_cancelling_as(&self, request: &BookingRequest, audit: Option<AuditEntry>) {
        let cancel = CancelRequest {
            audit,
            ..fixture::cancel_request(&self.event, &request.booking.id)
        };
        let dying = self.dying.clone();
        tokio::spawn(async move { dying.cancel_booking(&cancel).await });
        self.wire.dies().await;
    }

    /// Another process that is about to die.
    async fn another(&self) -> (Wire, MongoStore) {
        let database = Database::of(&self.other);
        let wire = Wire::start(database.address()).await;
        let store = behind(&database, &wire).await;
        (wire, store)
    }

    async fn cancels(&self, request: &BookingRequest) -> CancelOutcome {
        let cancel = fixture::cancel_request(&self.event, &request.booking.id);
        self.other.cancel_booking(&cancel).await.unwrap().value
    }

    /// All that was held back arrives; what it left is finished.
    async fn arrives(&self) {
        let held = self.wire.held();
        assert!(held > 0, "nothing was held back");
        self.wire.let_go(held).await;
        self.other.recover(Duration::ZERO).await.unwrap();
    }

    fn wish(&self, seats: u32) -> BookingRequest {
        fixture::booking_request(&self.event, seats)
    }
}

async fn dies_booking(wire: &Wire, dying: &MongoStore, request: &BookingRequest, options: BookOptions) {
    let (dying, request) = (dying.clone(), request.clone());
    tokio::spawn(async move {
        let event = request.booking.event.clone();
        dying.book(&event, &[request], options).await
    });
    wire.dies().await;
}

async fn outcome(store: &MongoStore, request: &BookingRequest) -> Outcome {
    book(store, request).await.unwrap().value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_arrives_after_a_refusal_and_a_cancel_does_not_apply() {
    let Some(bed) = bed(
        "a_commit_that_arrives_after_a_refusal_and_a_cancel_does_not_apply",
        2,
    )
    .await
    else {
        return;
    };
    bed.hold("findAndModify", "inventory", 0);
    let (late, first) = (bed.wish(2), bed.wish(2));
    bed.dies_booking(&late).await;
    assert!(matches!(outcome(&bed.other, &first).await, Outcome::Booked(_)));
    assert_eq!(
        outcome(&bed.other, &late).await,
        Outcome::SoldOut { available: 0 }
    );
    assert!(matches!(bed.cancels(&first).await, CancelOutcome::Cancelled(_)));
    bed.arrives().await;
    assert!(
        !is_stored(&bed.other, &late.booking.id).await,
        "booked after it was refused"
    );
    at_rest(&bed.other, &bed.event, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_arrives_after_its_repeat_gives_its_seats_back() {
    let Some(bed) = bed("a_commit_that_arrives_after_its_repeat_gives_its_seats_back", 10).await else {
        return;
    };
    bed.hold("findAndModify", "inventory", 0);
    let wish = bed.wish(3);
    bed.dies_booking(&wish).await;
    assert!(matches!(outcome(&bed.other, &wish).await, Outcome::Booked(_)));
    bed.arrives().await;
    at_rest(&bed.other, &bed.event, 3).await;
    assert!(matches!(outcome(&bed.other, &wish).await, Outcome::Existing(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_made_under_an_older_version_does_not_apply() {
    let Some(bed) = bed("a_commit_made_under_an_older_version_does_not_apply", 10).await else {
        return;
    };
    bed.hold("findAndModify", "inventory", 0);
    let late = bed.wish(3);
    bed.dies_booking(&late).await;
    let mut record = fixture::event_record(fixture::event("changed"));
    record.event.id = bed.event.clone();
    bed.other
        .project_event(&fixture::projection(record, 2, Some(10)))
        .await
        .unwrap();
    bed.arrives().await;
    assert!(!is_stored(&bed.other, &late.booking.id).await);
    at_rest(&bed.other, &bed.event, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_bound_does_not_apply_once_the_capacity_is_known() {
    let Some(bed) = bed(
        "a_commit_without_bound_does_not_apply_once_the_capacity_is_known",
        0,
    )
    .await
    else {
        return;
    };
    let change = |version, capacity| {
        let mut record = fixture::event_record(fixture::event("changed"));
        record.event.id = bed.event.clone();
        fixture::projection(record, version, capacity)
    };
    bed.other.project_event(&change(2, None)).await.unwrap();
    bed.hold("findAndModify", "inventory", 0);
    let options = BookOptions {
        unknown_capacity: UnknownCapacity::Allow,
        seen: None,
    };
    let late = bed.wish(1_000);
    dies_booking(&bed.wire, &bed.dying, &late, options).await;
    bed.other.project_event(&change(3, Some(5))).await.unwrap();
    bed.arrives().await;
    assert!(!is_stored(&bed.other, &late.booking.id).await);
    at_rest(&bed.other, &bed.event, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_keeps_late_commits_out_and_shows_what_was_committed() {
    let Some(bed) = bed("a_fence_keeps_late_commits_out_and_shows_what_was_committed", 10).await else {
        return;
    };
    // Committed, not inserted: after the fence it is found.
    bed.hold("insert", "bookings", 0);
    let committed = bed.wish(1);
    bed.dies_booking(&committed).await;
    assert!(!is_stored(&bed.other, &committed.booking.id).await);
    bed.other.fence(&bed.event).await.unwrap();
    assert!(
        is_stored(&bed.other, &committed.booking.id).await,
        "refused beside its own booking"
    );
    bed.arrives().await;
    // Sent, not arrived: after the fence it never applies.
    let (wire, dying) = bed.another().await;
    let bed = Bed { wire, dying, ..bed };
    bed.hold("findAndModify", "inventory", 0);
    let late = bed.wish(1);
    bed.dies_booking(&late).await;
    bed.other.fence(&bed.event).await.unwrap();
    bed.arrives().await;
    assert!(
        !is_stored(&bed.other, &late.booking.id).await,
        "booked after it was fenced off"
    );
    at_rest(&bed.other, &bed.event, 1).await;
    bed.other.fence(&fixture::event_id()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_rolled_forward_and_cancelled_is_not_revived_by_its_late_insert() {
    let Some(bed) = bed(
        "a_booking_rolled_forward_and_cancelled_is_not_revived_by_its_late_insert",
        4,
    )
    .await
    else {
        return;
    };
    bed.hold("insert", "bookings", 0);
    let wish = bed.wish(4);
    bed.dies_booking(&wish).await;
    assert!(matches!(outcome(&bed.other, &wish).await, Outcome::Existing(_)));
    assert!(matches!(bed.cancels(&wish).await, CancelOutcome::Cancelled(_)));
    bed.arrives().await;
    let found = bed.other.find_booking(&wish.booking.id).await.unwrap().unwrap();
    assert_eq!(found.state, BookingState::Cancelled);
    at_rest(&bed.other, &bed.event, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_what_is_only_committed_finds_it() {
    let Some(bed) = bed("a_cancel_of_what_is_only_committed_finds_it", 4).await else {
        return;
    };
    bed.hold("insert", "bookings", 0);
    let wish = bed.wish(4);
    bed.dies_booking(&wish).await;
    assert!(matches!(bed.cancels(&wish).await, CancelOutcome::Cancelled(_)));
    bed.arrives().await;
    at_rest(&bed.other, &bed.event, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cancels_at_different_steps_give_the_seats_back_once() {
    // The dying one stops before each of its writes in turn, another cancels and recovers meanwhile.
    for (command, collection) in [
        ("update", "inventory"),
        ("findAndModify", "bookings"),
        ("findAndModify", "inventory"),
    ] {
        let Some(bed) = bed("two_cancels_at_different_steps_give_the_seats_back_once", 5).await else {
            return;
        };
        let wish = bed.wish(5);
        assert!(matches!(outcome(&bed.other, &wish).await, Outcome::Booked(_)));
        bed.hold(command, collection, 0);
        bed.dies_cancelling(&wish).await;
        let cancelled = bed.cancels(&wish).await;
        assert!(
            matches!(cancelled, CancelOutcome::Cancelled(_) | CancelOutcome::Already(_)),
            "{command} of {collection}: {cancelled:?}"
        );
        let left = bed
            .other
            .availability(std::slice::from_ref(&bed.event))
            .await
            .unwrap()
            .remove(0)
            .unwrap();
        assert_eq!(
            left.available,
            Some(5),
            "{command} of {collection}: seats owed after a cancel was answered"
        );
        // All are sold again before the late steps arrive.
        let next = bed.wish(5);
        assert!(matches!(outcome(&bed.other, &next).await, Outcome::Booked(_)));
        bed.arrives().await;
        at_rest(&bed.other, &bed.event, 5).await;
        assert_eq!(
            outcome(&bed.other, &bed.wish(1)).await,
            Outcome::SoldOut { available: 0 }
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_comes_only_after_everything_pending_was_rolled_forward() {
    let Some(bed) = bed(
        "a_refusal_comes_only_after_everything_pending_was_rolled_forward",
        6,
    )
    .await
    else {
        return;
    };
    // One id committed by two processes, neither inserted: one of the two will lose and holds three seats. The second one
    // remembers the counter, so it commits without a look, which would find the id pending.
    let (second_wire, second) = bed.another().await;
    book(&second, &bed.wish(7)).await.unwrap();
    bed.hold("insert", "bookings", 0);
    let wish = bed.wish(3);
    bed.dies_booking(&wish).await;
    second_wire.rule("insert", "bookings", 0, usize::MAX, Act::Late);
    dies_booking(&second_wire, &second, &wish, BookOptions::default()).await;
    assert_eq!(pending(&bed.other, &bed.event).await, 2);
    // The counter says that nothing is left; three are.
    assert!(matches!(
        outcome(&bed.other, &bed.wish(3)).await,
        Outcome::Booked(_)
    ));
    assert_eq!(
        outcome(&bed.other, &bed.wish(1)).await,
        Outcome::SoldOut { available: 0 }
    );
    bed.arrives().await;
    second_wire.let_go(second_wire.held()).await;
    at_rest(&bed.other, &bed.event, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_list_is_worked_off_by_whoever_comes() {
    let Some(bed) = bed("a_full_list_is_worked_off_by_whoever_comes", 100).await else {
        return;
    };
    bed.wire.rule("insert", "bookings", 0, usize::MAX, Act::CutBefore);
    bed.wire.rule("find", "inventory", 1, usize::MAX, Act::CutBefore);
    let mut tries = 0;
    while pending(&bed.other, &bed.event).await < 16 {
        // Each leaves an entry, as it can neither insert nor look.
        let wish = within(bed.wish(1), Duration::from_millis(300));
        assert!(book(&bed.dying, &wish).await.is_err());
        tries += 1;
        assert!(tries < 200, "the list does not fill");
    }
    assert_eq!(pending(&bed.other, &bed.event).await, 16);
    assert!(matches!(
        outcome(&bed.other, &bed.wish(1)).await,
        Outcome::Booked(_)
    ));
    let wish = bed.wish(2);
    assert!(matches!(outcome(&bed.other, &wish).await, Outcome::Booked(_)));
    assert!(matches!(bed.cancels(&wish).await, CancelOutcome::Cancelled(_)));
    at_rest(&bed.other, &bed.event, 17).await;
}

const LIMITS: PersonLimits = PersonLimits {
    seats: Some(4),
    bookings: Some(3),
};

fn limited(event: &EventId, seats: u32) -> BookingRequest {
    fixture::limited_request(event, seats, "ada", LIMITS)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_removed_between_commit_and_insert_does_not_come_back() {
    let Some(bed) = bed(
        "a_person_removed_between_commit_and_insert_does_not_come_back",
        10,
    )
    .await
    else {
        return;
    };
    let user = fixture::user_record("Ada", "Lovelace");
    bed.other.add_user(&user).await.unwrap();
    let mut wish = bed.wish(2);
    wish.booking.user = Some(user.user.id.clone());
    wish.booking.name = Some(Text::from_stored("Ada"));
    bed.hold("insert", "bookings", 0);
    bed.dies_booking(&wish).await;
    assert!(bed.other.remove_user(&user.user.id, None).await.unwrap());
    bed.other.recover(Duration::ZERO).await.unwrap();
    let found = bed.other.find_booking(&wish.booking.id).await.unwrap().unwrap();
    assert!(found.user.is_none() && found.name.is_none(), "{found:?}");
    bed.arrives().await;
    let found = bed.other.find_booking(&wish.booking.id).await.unwrap().unwrap();
    assert!(found.user.is_none() && found.name.is_none(), "{found:?}");
    at_rest(&bed.other, &bed.event, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_of_a_dead_process_is_finished_in_the_background() {
    let Some(bed) = bed("a_booking_of_a_dead_process_is_finished_in_the_background", 10).await else {
        return;
    };
    bed.hold("insert", "bookings", 0);
    let wish = bed.wish(3);
    bed.dies_booking(&wish).await;
    assert!(!is_stored(&bed.other, &wish.booking.id).await);
    let mut config = Database::of(&bed.other).config();
    config.recovery = Duration::from_millis(50);
    let working = MongoStore::open(config, Arc::new(SystemClock)).await.unwrap();
    let finished = async {
        while !is_stored(&bed.other, &wish.booking.id).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), finished)
        .await
        .expect("the background task finishes no booking");
    working.close().await.unwrap();
    bed.arrives().await;
    at_rest(&bed.other, &bed.event, 3).await;
}
