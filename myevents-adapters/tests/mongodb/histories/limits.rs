//! Histories of limits per person: reservations that die, come late, or are met by another wish.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_reservation_refuses_nobody_and_its_late_commit_does_not_apply() {
    let Some(bed) = bed(
        "a_dead_reservation_refuses_nobody_and_its_late_commit_does_not_apply",
        100,
    )
    .await
    else {
        return;
    };
    bed.hold("findAndModify", "inventory", 0);
    let late = limited(&bed.event, 3);
    bed.dies_booking(&late).await;
    assert!(matches!(
        outcome(&bed.other, &limited(&bed.event, 4)).await,
        Outcome::Booked(_)
    ));
    bed.arrives().await;
    assert!(
        !is_stored(&bed.other, &late.booking.id).await,
        "seven seats for who may have four"
    );
    at_rest(&bed.other, &bed.event, 4).await;
    assert_eq!(
        outcome(&bed.other, &limited(&bed.event, 1)).await,
        Outcome::LimitReached
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_was_committed_counts_and_is_found_by_its_repeat() {
    let Some(bed) = bed(
        "a_reservation_that_was_committed_counts_and_is_found_by_its_repeat",
        100,
    )
    .await
    else {
        return;
    };
    bed.hold("insert", "bookings", 0);
    let wish = limited(&bed.event, 3);
    bed.dies_booking(&wish).await;
    assert_eq!(
        outcome(&bed.other, &limited(&bed.event, 2)).await,
        Outcome::LimitReached
    );
    assert!(matches!(outcome(&bed.other, &wish).await, Outcome::Existing(_)));
    bed.arrives().await;
    // Cancelled, its seats are free again for the person.
    bed.cancels(&wish).await;
    assert!(matches!(
        outcome(&bed.other, &limited(&bed.event, 4)).await,
        Outcome::Booked(_)
    ));
    at_rest(&bed.other, &bed.event, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_with_two_numbers_of_seats_never_exceeds_the_limit() {
    let Some(bed) = bed("one_id_with_two_numbers_of_seats_never_exceeds_the_limit", 100).await else {
        return;
    };
    let few = limited(&bed.event, 1);
    let mut many = limited(&bed.event, 4);
    many.booking.id = few.booking.id.clone();
    // The first has reserved one seat and is about to commit; the second must not ride on that reservation with four.
    bed.hold("findAndModify", "inventory", 0);
    bed.dies_booking(&few).await;
    assert!(matches!(outcome(&bed.other, &many).await, Outcome::Booked(_)));
    bed.arrives().await;
    at_rest(&bed.other, &bed.event, 4).await;
    assert_eq!(
        outcome(&bed.other, &limited(&bed.event, 1)).await,
        Outcome::LimitReached
    );
    assert_eq!(outcome(&bed.other, &few).await, Outcome::KeyReused);
    assert_eq!(
        outcome(&bed.other, &limited(&bed.event, 1)).await,
        Outcome::LimitReached,
        "taken out with the reuse"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_another_address_leaves_that_one_free() {
    let Some(bed) = bed("a_repeat_under_another_address_leaves_that_one_free", 100).await else {
        return;
    };
    let wish = limited(&bed.event, 4);
    let mut corrected = fixture::limited_request(&bed.event, 4, "bob", LIMITS);
    corrected.booking.id = wish.booking.id.clone();
    // Its reservation for bob is there before the booking for ada is found to have the id.
    bed.hold("findAndModify", "inventory", 0);
    bed.dies_booking(&corrected).await;
    assert!(matches!(outcome(&bed.other, &wish).await, Outcome::Booked(_)));
    bed.arrives().await;
    assert!(matches!(
        outcome(&bed.other, &corrected).await,
        Outcome::Existing(_)
    ));
    let of_bob = fixture::limited_request(&bed.event, 4, "bob", LIMITS);
    assert!(
        matches!(outcome(&bed.other, &of_bob).await, Outcome::Booked(_)),
        "refused below the limit"
    );
    at_rest(&bed.other, &bed.event, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_come_later_count_what_was_booked_before() {
    let Some(bed) = bed("limits_that_come_later_count_what_was_booked_before", 100).await else {
        return;
    };
    let free = fixture::limited_request(&bed.event, 3, "ada", PersonLimits::default());
    assert!(matches!(outcome(&bed.other, &free).await, Outcome::Booked(_)));
    let mut record = fixture::event_record(fixture::event("limited"));
    record.event.id = bed.event.clone();
    record.event.person_limits = LIMITS;
    bed.other
        .project_event(&fixture::projection(record.clone(), 2, Some(100)))
        .await
        .unwrap();
    assert_eq!(
        outcome(&bed.other, &limited(&bed.event, 2)).await,
        Outcome::LimitReached
    );
    assert!(matches!(
        outcome(&bed.other, &limited(&bed.event, 1)).await,
        Outcome::Booked(_)
    ));
    // Without limits for a while, then with them again: what was booked meanwhile counts too.
    bed.other
        .project_event(&fixture::projection(record.clone(), 3, Some(100)))
        .await
        .unwrap();
    let free = fixture::limited_request(&bed.event, 5, "ada", PersonLimits::default());
    assert!(matches!(outcome(&bed.other, &free).await, Outcome::Booked(_)));
    bed.other
        .project_event(&fixture::projection(record, 4, Some(100)))
        .await
        .unwrap();
    let larger = PersonLimits {
        seats: Some(10),
        bookings: None,
    };
    let wish = |seats| fixture::limited_request(&bed.event, seats, "ada", larger);
    assert_eq!(outcome(&bed.other, &wish(2)).await, Outcome::LimitReached);
    assert!(matches!(outcome(&bed.other, &wish(1)).await, Outcome::Booked(_)));
    at_rest(&bed.other, &bed.event, 10).await;
}
