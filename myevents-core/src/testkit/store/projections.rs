//! S10b: what is announced meets copy and counter, each guarded by its own version.

use super::StoreBed;
use super::race::offered;
use super::tools::{at_rest, available, book, open_event};
use crate::domain::{EventRecord, Version};
use crate::ports::{Applied, ApplyMode, Outcome, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

const BOTH: Applied = Applied {
    copy: true,
    counter: true,
};
const NEITHER: Applied = Applied {
    copy: false,
    counter: false,
};

/// Newer replaces, older and equal don't; without version it fills in; a tombstone may come first; locations arrive late.
///
/// # Errors
/// What does not hold.
pub async fn s10b_projections(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    versions(store).await?;
    tombstones(store).await?;
    late_location(store).await?;
    locations(store).await?;
    Ok(Finding::passed())
}

async fn versions(store: &dyn Store) -> Result<(), Failure> {
    let event = open_event(store, Some(10)).await?;
    let mut record = fixture::event_record(fixture::event("renamed"));
    record.event.id = event.clone();
    let same = store
        .project_event(&fixture::projection(record.clone(), 1, Some(99)))
        .await?;
    ensure!(same == NEITHER, "an equal version changed {same:?}");
    let newer = fixture::projection(record.clone(), 5, Some(20));
    let applied = store.project_event(&newer).await?;
    ensure!(applied == BOTH, "a newer version changed only {applied:?}");
    let older = store
        .project_event(&fixture::projection(record.clone(), 4, Some(99)))
        .await?;
    ensure!(older == NEITHER, "an older version changed {older:?}");
    let filled = offered(
        fixture::projection(record.clone(), 0, Some(99)),
        ApplyMode::FillIn,
    );
    let filled = store.project_event(&filled).await?;
    ensure!(
        filled == NEITHER,
        "a message without version overwrote {filled:?}"
    );
    ensure!(
        store.find_event(&event).await?.as_ref() == Some(&newer.record),
        "the copy is not the newest"
    );
    ensure!(
        available(store, &event).await? == Some(20),
        "the counter does not follow the newest"
    );
    let old = fixture::event_record(fixture::event("of an old service"));
    let id = old.event.id.clone();
    let old = offered(fixture::projection(old, 0, Some(7)), ApplyMode::FillIn);
    let applied = store.project_event(&old).await?;
    ensure!(
        applied == BOTH,
        "a message without version did not fill in: {applied:?}"
    );
    let found = store.find_event(&id).await?;
    ensure!(
        found.is_some_and(|found| found.version == Version::NONE),
        "the copy without version was not stored"
    );
    let again = store.project_event(&old).await?;
    ensure!(again == NEITHER, "a repeat without version changed {again:?}");
    at_rest(store, &event).await?;
    Ok(())
}

async fn tombstones(store: &dyn Store) -> Result<(), Failure> {
    let record = fixture::event_record(fixture::event("never opened"));
    let id = record.event.id.clone();
    let unknown = book(store, &fixture::booking_request(&id, 1)).await?;
    ensure!(
        unknown == Outcome::UnknownEvent,
        "an unknown event was answered {unknown:?}"
    );
    let mut cancelled = record.clone();
    cancelled.event.cancelled = true;
    store
        .project_event(&fixture::projection(cancelled, 3, Some(10)))
        .await?;
    for version in 1..=3 {
        let late = fixture::projection(record.clone(), version, Some(10));
        let applied = store.project_event(&late).await?;
        ensure!(
            applied == NEITHER,
            "a late message changed a tombstone: {applied:?}"
        );
    }
    let outcome = book(store, &fixture::booking_request(&id, 1)).await?;
    ensure!(
        outcome == Outcome::EventCancelled,
        "a cancelled event was answered {outcome:?}"
    );
    let found = store.find_event(&id).await?;
    ensure!(
        found.is_some_and(|found| found.event.cancelled),
        "the tombstone is not kept in the copy"
    );
    ensure!(
        available(store, &id).await? == Some(0),
        "a cancelled event shows seats"
    );
    Ok(())
}

async fn late_location(store: &dyn Store) -> Result<(), Failure> {
    let location = fixture::location(vec![fixture::hall("late", 30)]);
    let awaited = fixture::text(&location.id.to_string());
    let mut waiting: Vec<EventRecord> = Vec::new();
    for _ in 0..5 {
        let mut record = fixture::event_record(fixture::event("waiting"));
        record.event.location = None;
        record.awaiting_location = Some(awaited.clone());
        let projection = offered(fixture::projection(record, 0, None), ApplyMode::FillIn);
        store.project_event(&projection).await?;
        waiting.push(projection.record);
    }
    waiting.sort_by(|one, other| one.event.id.cmp(&other.event.id));
    let mut found = store.events_awaiting(&awaited, None, 3).await?;
    let last = found.last().map(|record| record.event.id.clone());
    found.extend(store.events_awaiting(&awaited, last.as_ref(), 3).await?);
    ensure!(
        found == waiting,
        "{} of 5 waiting events, or not by id",
        found.len()
    );
    let nothing = fixture::text("another location");
    ensure!(
        store.events_awaiting(&nothing, None, 3).await?.is_empty(),
        "events wait for a location that none of them named"
    );
    let id = waiting[0].event.id.clone();
    let outcome = book(store, &fixture::booking_request(&id, 1)).await?;
    ensure!(
        outcome == Outcome::CapacityUnknown,
        "an event that waits was answered {outcome:?}"
    );
    ensure!(
        available(store, &id).await?.is_none(),
        "an unknown capacity shows seats"
    );
    let mut filled = waiting[0].clone();
    filled.event.location = Some(location);
    filled.awaiting_location = None;
    let projection = offered(
        fixture::projection(filled.clone(), 0, Some(30)),
        ApplyMode::FillIn,
    );
    let applied = store.project_event(&projection).await?;
    ensure!(applied == BOTH, "a late location filled in only {applied:?}");
    let again = store.project_event(&projection).await?;
    ensure!(
        again == NEITHER,
        "a late location came twice and changed {again:?}"
    );
    ensure!(
        store.find_event(&id).await? == Some(filled),
        "the copy did not get its location"
    );
    ensure!(
        available(store, &id).await? == Some(30),
        "the counter did not get its capacity"
    );
    let rest = store.events_awaiting(&awaited, None, 10).await?;
    ensure!(rest == waiting[1..], "{} events still wait, not 4", rest.len());
    stale_location(store, &waiting[1]).await
}

/// A location that was looked up for one version does not fill in a later one.
async fn stale_location(store: &dyn Store, waiting: &EventRecord) -> Result<(), Failure> {
    let id = &waiting.event.id;
    let mut newer = waiting.clone();
    newer.awaiting_location = Some(fixture::text("moved"));
    store.project_event(&fixture::projection(newer, 2, None)).await?;
    let mut filled = waiting.clone();
    filled.event.location = Some(fixture::location(vec![fixture::hall("old", 9)]));
    filled.awaiting_location = None;
    let late = offered(fixture::projection(filled, 0, Some(9)), ApplyMode::FillIn);
    let applied = store.project_event(&late).await?;
    ensure!(
        applied == NEITHER,
        "the location of an older version filled in {applied:?}"
    );
    ensure!(
        available(store, id).await?.is_none(),
        "the capacity of an older version was taken"
    );
    Ok(())
}

async fn locations(store: &dyn Store) -> Result<(), Failure> {
    let mut record = fixture::location_record(fixture::location(vec![fixture::hall("a", 1)]));
    record.version = Version(3);
    let id = record.location.id.clone();
    ensure!(
        store.project_location(&record, ApplyMode::Newer).await?,
        "a new location was not taken"
    );
    for (version, mode) in [
        (3, ApplyMode::Newer),
        (2, ApplyMode::Newer),
        (0, ApplyMode::FillIn),
        (9, ApplyMode::FillIn),
    ] {
        let mut other = record.clone();
        other.version = Version(version);
        other.location.halls.clear();
        ensure!(
            !store.project_location(&other, mode).await?,
            "version {version} offered as {mode:?} replaced version 3"
        );
    }
    let mut deleted = record.clone();
    deleted.version = Version(4);
    deleted.deleted = true;
    ensure!(
        store.project_location(&deleted, ApplyMode::Newer).await?,
        "a newer location was not taken"
    );
    ensure!(
        store.find_location(&id).await? == Some(deleted),
        "the location is not the newest"
    );
    let old = fixture::location_record(fixture::location(Vec::new()));
    ensure!(
        store.project_location(&old, ApplyMode::FillIn).await?
            && !store.project_location(&old, ApplyMode::FillIn).await?,
        "a location without version does not fill in once"
    );
    Ok(())
}
