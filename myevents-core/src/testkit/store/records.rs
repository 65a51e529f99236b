//! S01: records of every kind are added, found, listed, replaced, cancelled and removed.

use super::StoreBed;
use super::tools::{all_events, settle};
use crate::domain::{EventRecord, LocationId, Name, PersonLimits, UserId, Version};
use crate::error::ErrorKind;
use crate::ports::{Attached, BookingFilter, BookingOwner, EventFilter, Inserted, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

/// Somebody who made a record, as callers are kept.
const OWNER: &str = "28:https://id.example/realms/a:b:ann";

pub(super) fn named(name: &str) -> EventRecord {
    fixture::event_record(fixture::event(name))
}

pub(super) async fn add(store: &dyn Store, record: &EventRecord) -> Result<Inserted<EventRecord>, Failure> {
    let committed = store
        .add_event(record, fixture::announce(&record.event.id))
        .await?;
    Ok(settle(store, committed).await?)
}

/// Records: add, find, list, replace, cancel, remove; unknown → none; an id with another fingerprint → conflict.
///
/// # Errors
/// What does not hold.
pub async fn s01_records(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    store.ping().await?;
    let secret = store.id_secret();
    ensure!(
        secret.expose() == bed.store().id_secret().expose(),
        "the secret of ids changes between calls"
    );
    if let Some(second) = bed.second().await? {
        ensure!(
            secret.expose() == second.id_secret().expose(),
            "two instances of one store have different secrets of ids"
        );
    }
    events(store).await?;
    locations(store).await?;
    users(store).await?;
    Ok(Finding::passed())
}

async fn events(store: &dyn Store) -> Result<(), Failure> {
    let mut record = named("Die Zauberflöte");
    // Compared with all the rest wherever the record comes back: a lost owner would be a lost right.
    record.owner = Some(fixture::text(OWNER));
    let id = record.event.id.clone();
    ensure!(
        store.find_event(&id).await?.is_none(),
        "an unknown event was found"
    );
    ensure!(
        add(store, &record).await? == Inserted::New,
        "the first add was not new"
    );
    ensure!(
        store.find_event(&id).await?.as_ref() == Some(&record),
        "the event came back unlike it was added"
    );
    ensure!(
        add(store, &record).await? == Inserted::Existing(record.clone()),
        "the same add again was not answered with the stored one"
    );
    let mut other = record.clone();
    other.fingerprint = fixture::fingerprint("another request");
    other.event.name = Name::from_stored("Another");
    let refused = store.add_event(&other, Attached::nothing()).await;
    ensure!(
        refused
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Conflict),
        "an id with another fingerprint was answered {refused:?}"
    );
    record.version = record.version.next();
    record.event.name = Name::from_stored("Die Entführung");
    record.event.start = fixture::date(fixture::START + 60);
    let committed = store
        .replace_event(&record, Version::FIRST, Attached::nothing())
        .await?;
    settle(store, committed).await?;
    ensure!(
        store.find_event(&id).await?.as_ref() == Some(&record),
        "the replaced event came back unlike it was written"
    );
    ensure!(
        store.find_event_by_name("Die Zauberflöte").await?.is_none(),
        "the old name still finds the event"
    );
    ensure!(
        store.find_event_by_name("Die Entführung").await?.as_ref() == Some(&record),
        "the new name does not find the event"
    );
    for (wrong, kind) in [
        (
            store
                .replace_event(&record, Version::FIRST, Attached::nothing())
                .await,
            ErrorKind::Precondition,
        ),
        (
            store
                .announce_event(&id, Version::FIRST, Attached::nothing())
                .await,
            ErrorKind::Precondition,
        ),
        (
            store
                .replace_event(&named("x"), Version::FIRST, Attached::nothing())
                .await,
            ErrorKind::NotFound,
        ),
        (
            store
                .announce_event(&fixture::event_id(), Version::FIRST, Attached::nothing())
                .await,
            ErrorKind::NotFound,
        ),
    ] {
        ensure!(
            wrong.as_ref().is_err_and(|error| error.kind() == kind),
            "expected {kind:?}, got {wrong:?}"
        );
    }
    store
        .announce_event(&id, record.version, Attached::nothing())
        .await?;
    earliest_of_a_name(store).await?;
    cancelled(store, record).await
}

async fn earliest_of_a_name(store: &dyn Store) -> Result<(), Failure> {
    let mut late = named("Twice");
    late.event.start = fixture::date(fixture::START + 1_000);
    let early = named("Twice");
    add(store, &late).await?;
    add(store, &early).await?;
    let found = store.find_event_by_name("Twice").await?;
    ensure!(
        found.as_ref() == Some(&early),
        "the earliest of a name was not the one found"
    );
    ensure!(
        store.find_event_by_name("twice").await?.is_none(),
        "a name in another case was found"
    );
    Ok(())
}

async fn cancelled(store: &dyn Store, mut record: EventRecord) -> Result<(), Failure> {
    let before = record.version;
    record.version = before.next();
    record.event.cancelled = true;
    store.replace_event(&record, before, Attached::nothing()).await?;
    ensure!(
        store.find_event(&record.event.id).await?.as_ref() == Some(&record),
        "a cancelled event is not found by id"
    );
    ensure!(
        store.find_event_by_name("Die Entführung").await?.is_none(),
        "a cancelled event is found by name"
    );
    let listed = all_events(store, &EventFilter::default(), 10).await?;
    ensure!(
        listed.iter().all(|listed| listed.event.id != record.event.id),
        "a cancelled event is in the list"
    );
    let filter = EventFilter {
        with_cancelled: true,
        ..EventFilter::default()
    };
    let listed = all_events(store, &filter, 10).await?;
    ensure!(
        listed.contains(&record),
        "a cancelled event is missing where cancelled ones were asked for"
    );
    Ok(())
}

async fn locations(store: &dyn Store) -> Result<(), Failure> {
    let mut record = fixture::location_record(fixture::location(vec![fixture::hall("a", 10)]));
    record.owner = Some(fixture::text(OWNER));
    let id = record.location.id.clone();
    ensure!(
        store.find_location(&id).await?.is_none(),
        "an unknown location was found"
    );
    let added = store.add_location(&record, Attached::nothing()).await?;
    ensure!(added.value == Inserted::New, "the first add was not new");
    let again = store.add_location(&record, Attached::nothing()).await?;
    ensure!(
        again.value == Inserted::Existing(record.clone()),
        "the same location again was answered {:?}",
        again.value
    );
    let mut other = record.clone();
    other.fingerprint = fixture::fingerprint("another request");
    let refused = store.add_location(&other, Attached::nothing()).await;
    ensure!(
        refused.is_err_and(|error| error.kind() == ErrorKind::Conflict),
        "a location's id with another fingerprint was not refused"
    );
    let mut ids = vec![id.clone()];
    for _ in 0..6 {
        let more = fixture::location_record(fixture::location(Vec::new()));
        store.add_location(&more, Attached::nothing()).await?;
        ids.push(more.location.id);
    }
    ids.sort();
    ensure!(
        listed_locations(store).await? == ids,
        "the list of locations is not complete and by id"
    );
    record.version = record.version.next();
    record.deleted = true;
    store
        .replace_location(&record, Version::FIRST, Attached::nothing())
        .await?;
    let stale = store
        .replace_location(&record, Version::FIRST, Attached::nothing())
        .await;
    ensure!(
        stale.is_err_and(|error| error.kind() == ErrorKind::Precondition),
        "a location was replaced by an old picture"
    );
    let unknown = fixture::location_record(fixture::location(Vec::new()));
    let unknown = store
        .replace_location(&unknown, Version::FIRST, Attached::nothing())
        .await;
    ensure!(
        unknown.is_err_and(|error| error.kind() == ErrorKind::NotFound),
        "a location that is not there was replaced"
    );
    ids.retain(|listed| *listed != id);
    ensure!(
        listed_locations(store).await? == ids,
        "a deleted location is still in the list"
    );
    ensure!(
        store.find_location(&id).await? == Some(record),
        "a deleted location is not kept"
    );
    Ok(())
}

async fn listed_locations(store: &dyn Store) -> Result<Vec<LocationId>, Failure> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = store.list_locations(after.as_ref(), 3).await?;
        ids.extend(page.items.into_iter().map(|record| record.location.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(ids),
        }
    }
}

async fn users(store: &dyn Store) -> Result<(), Failure> {
    let record = fixture::user_record("Ada", "Lovelace");
    let id = record.user.id.clone();
    ensure!(store.find_user(&id).await?.is_none(), "an unknown user was found");
    ensure!(
        store.add_user(&record).await? == Inserted::New,
        "the first add was not new"
    );
    ensure!(
        store.add_user(&record).await? == Inserted::Existing(record.clone()),
        "the same user again was not answered with the stored one"
    );
    let mut other = record.clone();
    other.fingerprint = fixture::fingerprint("another request");
    ensure!(
        store
            .add_user(&other)
            .await
            .is_err_and(|error| error.kind() == ErrorKind::Conflict),
        "a user's id with another fingerprint was not refused"
    );
    ensure!(
        store.find_user(&id).await?.as_ref() == Some(&record),
        "the user came back unlike they were added"
    );
    removed(store, &id).await
}

async fn removed(store: &dyn Store, user: &UserId) -> Result<(), Failure> {
    let event = super::tools::open_event(store, Some(10)).await?;
    let limits = PersonLimits {
        seats: None,
        bookings: Some(1),
    };
    let mut request = fixture::limited_request(&event, 2, "ada", limits);
    request.booking.user = Some(user.clone());
    request.booking.name = Some(fixture::text("Ada"));
    request.booking.email = Some(fixture::text("ada@example.org"));
    super::tools::book(store, &request).await?;
    ensure!(
        store.remove_user(user, None).await?,
        "the user was not there to remove"
    );
    ensure!(
        !store.remove_user(user, None).await?,
        "the user was removed twice"
    );
    ensure!(store.find_user(user).await?.is_none(), "a removed user is found");
    let mut expected = request.booking.clone();
    expected.forget_person();
    let booking = store.find_booking(&request.booking.id).await?;
    ensure!(
        booking.as_ref() == Some(&expected),
        "the booking of a removed user is {booking:?}"
    );
    // One that waited while its person was removed.
    let mut late = request.clone();
    late.booking.id = fixture::booking_id();
    late.message = fixture::message("event.booked", &late.booking.id.to_string());
    super::tools::book(store, &late).await?;
    let late = store.find_booking(&late.booking.id).await?;
    ensure!(
        late.as_ref().is_some_and(|late| late.user.is_none()
            && late.name.is_none()
            && late.email.is_none()
            && late.person.is_none()),
        "a booking brought a removed person back: {late:?}"
    );
    let of_user = BookingFilter::all_of(BookingOwner::User(user.clone()));
    let listed = store.list_bookings(&of_user, None, 10).await?;
    ensure!(listed.items.is_empty(), "a removed user still has bookings");
    super::tools::at_rest(store, &event).await?;
    Ok(())
}
