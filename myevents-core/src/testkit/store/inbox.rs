//! S14: the inbox hands a message to one holder at a time, and only completed ones are done.

use std::sync::Arc;
use std::time::Duration;

use super::StoreBed;
use super::tools::{PAST_ALL_LEASES, drain, join, pair};
use crate::domain::{AuditAction, UnixMillis, Version};
use crate::error::ErrorKind;
use crate::ports::{Attached, AuditFilter, Begin, InboxToken, Inserted, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

const LEASE: Duration = Duration::from_secs(60);
const CONSUMER: &str = "bookings";

fn fresh(begin: Begin) -> Result<InboxToken, Failure> {
    match begin {
        Begin::Fresh(token) => Ok(token),
        other => Err(Failure::new(format!("expected fresh, got {other:?}"))),
    }
}

/// 64 begins of one message at once give one `Fresh`; abandoned → `Fresh` again; completed → `Done`, for good.
///
/// # Errors
/// What does not hold.
pub async fn s14_inbox(bed: &dyn StoreBed) -> CaseResult {
    let second = bed.second().await?;
    let stores = pair(&bed.store(), second.as_ref());
    let store = stores[0].as_ref();
    let message = fixture::message_id();
    let tasks = (0..64)
        .map(|task| {
            let store = Arc::clone(&stores[task % 2]);
            let message = message.clone();
            tokio::spawn(async move { Ok::<_, Failure>(store.begin(CONSUMER, &message, LEASE).await?) })
        })
        .collect();
    let mut tokens = Vec::new();
    for begin in join(tasks).await? {
        match begin {
            Begin::Fresh(token) => tokens.push(token),
            Begin::InProgress => {}
            Begin::Done => return Err(Failure::new("a message was done before anybody completed it")),
        }
    }
    let [token] = tokens.as_slice() else {
        return Err(Failure::new(format!("{} of 64 begins were fresh", tokens.len())));
    };
    let elsewhere = store.begin("another consumer", &message, LEASE).await?;
    ensure!(matches!(elsewhere, Begin::Fresh(_)), "consumers share marks");
    ensure!(store.abandon(token).await?, "the holder could not abandon");
    ensure!(!store.abandon(token).await?, "it was abandoned twice");
    ensure!(!store.complete(token).await?, "an abandoned token completed");
    let overslept = fresh(stores[1].begin(CONSUMER, &message, LEASE).await?)?;
    ensure!(overslept != *token, "a later holder has the same token");
    bed.pass(PAST_ALL_LEASES).await;
    let holder = fresh(store.begin(CONSUMER, &message, LEASE).await?)?;
    ensure!(
        !store.complete(&overslept).await? && !store.abandon(&overslept).await?,
        "a token that was taken over still works"
    );
    let meanwhile = stores[1].begin(CONSUMER, &message, LEASE).await?;
    ensure!(
        meanwhile == Begin::InProgress,
        "while it is held it was answered {meanwhile:?}"
    );
    ensure!(store.complete(&holder).await?, "the holder could not complete");
    ensure!(
        !store.abandon(&holder).await? && !store.abandon(&overslept).await?,
        "done was undone"
    );
    for _ in 0..2 {
        let done = stores[1].begin(CONSUMER, &message, LEASE).await?;
        ensure!(done == Begin::Done, "a completed message was answered {done:?}");
        bed.pass(PAST_ALL_LEASES).await;
    }
    forgetting(store).await?;
    Ok(Finding::passed())
}

async fn forgetting(store: &dyn Store) -> Result<(), Failure> {
    let held = fixture::message_id();
    fresh(store.begin("forgetting", &held, LEASE).await?)?;
    let message = fixture::message_id();
    let token = fresh(store.begin("forgetting", &message, LEASE).await?)?;
    store.complete(&token).await?;
    store.forget_completed_before(UnixMillis(1)).await?;
    ensure!(
        store.begin("forgetting", &message, LEASE).await? == Begin::Done,
        "a young mark was forgotten"
    );
    let forgotten = store.forget_completed_before(UnixMillis(i64::MAX / 2)).await?;
    ensure!(forgotten >= 1, "no old mark was forgotten");
    fresh(store.begin("forgetting", &message, LEASE).await?)?;
    let held = store.begin("forgetting", &held, LEASE).await?;
    ensure!(
        held == Begin::InProgress,
        "a mark in progress was forgotten: {held:?}"
    );
    Ok(())
}

/// With an atomic inbox a write carries the mark: both or neither. Without, it is refused.
///
/// # Errors
/// What does not hold.
pub async fn s14a_mark_with_effect(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    let message = fixture::message_id();
    let token = fresh(store.begin(CONSUMER, &message, LEASE).await?)?;
    let record = fixture::event_record(fixture::event("effect"));
    let attached = Attached {
        messages: fixture::announce(&record.event.id).messages,
        mark: Some(token.clone()),
        audit: Some(fixture::audit(AuditAction::EVENT_CREATED, &record.event.id)),
    };
    let written = store.add_event(&record, attached.clone()).await;
    if !store.capabilities().atomic_inbox {
        ensure!(
            written.is_err_and(|error| error.kind() == ErrorKind::Unsupported),
            "a mark was taken without an atomic inbox"
        );
        ensure!(
            store.find_event(&record.event.id).await?.is_none(),
            "what was refused is stored"
        );
        return Ok(Finding::counted("refused: the inbox is not atomic"));
    }
    store.release(&written?.leased).await?;
    let done = store.begin(CONSUMER, &message, LEASE).await?;
    ensure!(
        done == Begin::Done,
        "after the effect the message was answered {done:?}"
    );
    let messages = drain(store).await?.len();
    ensure!(messages == 1, "{messages} messages of one effect");

    // A handler that overslept: its write is refused whole.
    let message = fixture::message_id();
    let overslept = fresh(store.begin(CONSUMER, &message, LEASE).await?)?;
    bed.pass(PAST_ALL_LEASES).await;
    let holder = fresh(store.begin(CONSUMER, &message, LEASE).await?)?;
    let late = Attached {
        messages: fixture::announce(&record.event.id).messages,
        mark: Some(overslept),
        audit: Some(fixture::audit(AuditAction::EVENT_CREATED, &record.event.id)),
    };
    let other = fixture::event_record(fixture::event("late effect"));
    let location = fixture::location_record(fixture::location(Vec::new()));
    let stored_location = fixture::location_record(fixture::location(Vec::new()));
    store.add_location(&stored_location, Attached::nothing()).await?;
    let mut newer = record.clone();
    newer.version = Version(2);
    let refusals = [
        store.add_event(&other, late.clone()).await.err(),
        store
            .replace_event(&newer, Version::FIRST, late.clone())
            .await
            .err(),
        store
            .announce_event(&record.event.id, Version::FIRST, late.clone())
            .await
            .err(),
        store.add_location(&location, late.clone()).await.err(),
        store
            .replace_location(&stored_location, Version::FIRST, late)
            .await
            .err(),
    ];
    for refusal in refusals {
        ensure!(
            refusal
                .as_ref()
                .is_some_and(|error| error.kind() == ErrorKind::Precondition),
            "an overslept handler's write was answered {refusal:?}"
        );
    }
    ensure!(
        store.find_event(&other.event.id).await?.is_none()
            && store.find_location(&location.location.id).await?.is_none()
            && store.find_event(&record.event.id).await?.as_ref() == Some(&record),
        "an overslept handler's write was stored"
    );
    ensure!(
        drain(store).await?.is_empty(),
        "an overslept handler's message was stored"
    );
    let lines = store.list_audit(&AuditFilter::default(), None, 10).await?.items;
    ensure!(
        lines.len() == 1,
        "{} lines of the audit log about one write that was taken",
        lines.len()
    );
    // The holder finds the effect done by itself before: the mark is stored, no message again.
    let again = Attached {
        messages: fixture::announce(&record.event.id).messages,
        mark: Some(holder),
        audit: Some(fixture::audit(AuditAction::EVENT_CREATED, &record.event.id)),
    };
    let existing = store.add_event(&record, again).await?;
    ensure!(
        matches!(existing.value, Inserted::Existing(_)) && existing.leased.is_empty(),
        "a repeated effect was answered {existing:?}"
    );
    ensure!(
        drain(store).await?.is_empty(),
        "a repeated effect was announced again"
    );
    let done = store.begin(CONSUMER, &message, LEASE).await?;
    ensure!(
        done == Begin::Done,
        "after the repeated effect it was answered {done:?}"
    );
    Ok(Finding::passed())
}
