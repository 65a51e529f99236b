//! S11: a message is in the outbox if and only if its write can be read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::StoreBed;
use super::tools::{PAST_ALL_LEASES, audit_of, drain, join, open_event, pair};
use crate::contract::{Envelope, MessageId};
use crate::domain::{AuditAction, Version};
use crate::error::ErrorKind;
use crate::ports::{Attached, BookOptions, Outcome, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

/// Each write's messages are there exactly once if the write is, and not at all if it was refused, given up or raced.
///
/// # Errors
/// What does not hold.
pub async fn s11_messages_with_writes(bed: &dyn StoreBed) -> CaseResult {
    let second = bed.second().await?;
    let stores = pair(&bed.store(), second.as_ref());
    let refused = every_write(stores[0].as_ref()).await?;
    racing_versions(&stores).await?;
    let given_up = given_up(bed, &stores[0]).await?;
    Ok(Finding::counted(format!(
        "{refused} refused writes left none; {given_up} of 200 given-up writes were stored"
    )))
}

/// Keeps count of what must be in the outbox.
#[derive(Default)]
struct Expected {
    stored: HashMap<MessageId, Envelope>,
    refused: usize,
}

impl Expected {
    /// An attached message, which is expected if the write is.
    fn attach(&mut self, key: &str, written: bool) -> Attached {
        Attached::announcement(self.message(key, written))
    }

    fn message(&mut self, key: &str, written: bool) -> Envelope {
        let message = fixture::message("event.updated", key);
        if written {
            self.stored.insert(message.id().clone(), message.clone());
        } else {
            self.refused += 1;
        }
        message
    }
}

async fn every_write(store: &dyn Store) -> Result<usize, Failure> {
    let mut expected = Expected::default();
    let record = fixture::event_record(fixture::event("written"));
    let id = record.event.id.clone();
    let key = id.to_string();
    let mut leased = Vec::new();
    let two = Attached {
        messages: vec![expected.message(&key, true), expected.message("another", true)],
        ..Attached::default()
    };
    leased.extend(store.add_event(&record, two).await?.leased);
    let existing = store.add_event(&record, expected.attach(&key, false)).await?;
    ensure!(existing.leased.is_empty(), "an existing event was announced");
    let mut other = record.clone();
    other.fingerprint = fixture::fingerprint("other");
    ensure!(
        store
            .add_event(&other, expected.attach(&key, false))
            .await
            .is_err(),
        "no conflict"
    );
    let mut newer = record.clone();
    newer.version = Version(2);
    leased.extend(
        store
            .replace_event(&newer, Version(1), expected.attach(&key, true))
            .await?
            .leased,
    );
    ensure!(
        store
            .replace_event(&newer, Version(1), expected.attach(&key, false))
            .await
            .is_err(),
        "an old picture was taken"
    );
    leased.extend(
        store
            .announce_event(&id, Version(2), expected.attach(&key, true))
            .await?
            .leased,
    );
    ensure!(
        store
            .announce_event(&id, Version(1), expected.attach(&key, false))
            .await
            .is_err(),
        "an old picture was announced"
    );
    let mut location = fixture::location_record(fixture::location(Vec::new()));
    let key = location.location.id.to_string();
    leased.extend(
        store
            .add_location(&location, expected.attach(&key, true))
            .await?
            .leased,
    );
    store
        .add_location(&location, expected.attach(&key, false))
        .await?;
    location.version = Version(2);
    leased.extend(
        store
            .replace_location(&location, Version(1), expected.attach(&key, true))
            .await?
            .leased,
    );
    ensure!(
        store
            .replace_location(&location, Version(1), expected.attach(&key, false))
            .await
            .is_err(),
        "an old picture of a location was taken"
    );
    leased.extend(bookings(store, &mut expected).await?);
    for row in &leased {
        ensure!(
            expected.stored.get(row.envelope.id()) == Some(&row.envelope),
            "a message was leased that no write stored"
        );
    }
    let depth = store.depth().await?;
    ensure!(
        depth.rows == expected.stored.len() as u64 && depth.parked == 0 && depth.oldest.is_some(),
        "{depth:?} for {} messages",
        expected.stored.len()
    );
    store.release(&leased).await?;
    let found = drain(store).await?;
    let unique: HashSet<_> = found.iter().map(|message| message.id().clone()).collect();
    ensure!(
        unique.len() == found.len(),
        "{} messages are there twice",
        found.len() - unique.len()
    );
    for message in &found {
        ensure!(
            expected.stored.get(message.id()) == Some(message),
            "a refused write left {message:?}, or it came back changed"
        );
    }
    ensure!(
        found.len() == expected.stored.len(),
        "{} messages of {}",
        found.len(),
        expected.stored.len()
    );
    let depth = store.depth().await?;
    ensure!(
        depth.rows == 0 && depth.oldest.is_none(),
        "after all was confirmed: {depth:?}"
    );
    Ok(expected.refused)
}

async fn bookings(
    store: &dyn Store,
    expected: &mut Expected,
) -> Result<Vec<crate::ports::OutboxRow>, Failure> {
    let event = open_event(store, Some(5)).await?;
    let mut leased = Vec::new();
    let first = fixture::booking_request(&event, 3);
    let mut reused = first.clone();
    reused.booking.fingerprint = fixture::fingerprint("other");
    let batch = [
        (first.clone(), true),
        (fixture::booking_request(&event, 3), false),
        (first.clone(), false),
        (reused, false),
        (fixture::booking_request(&event, 2), true),
        (fixture::booking_request(&event, 1), false),
    ];
    let mut requests = Vec::new();
    for (mut request, written) in batch {
        request.message = expected.message(&request.booking.id.to_string(), written);
        requests.push(request);
    }
    for (index, answer) in store
        .book(&event, &requests, BookOptions::default())
        .await
        .into_iter()
        .enumerate()
    {
        let committed = answer?;
        let booked = matches!(committed.value, Outcome::Booked(_));
        ensure!(
            booked == (index == 0 || index == 4),
            "wish {index} was answered {:?}",
            committed.value
        );
        ensure!(
            booked || committed.leased.is_empty(),
            "a wish that was not booked leased a message"
        );
        leased.extend(committed.leased);
    }
    for (id, written) in [
        (first.booking.id.clone(), true),
        (first.booking.id, false),
        (fixture::booking_id(), false),
    ] {
        let mut cancel = fixture::cancel_request(&event, &id);
        cancel.message = expected.message(&id.to_string(), written);
        leased.extend(store.cancel_booking(&cancel).await?.leased);
    }
    Ok(leased)
}

/// 32 writers replace one version: one wins, and one message is there.
async fn racing_versions(stores: &[Arc<dyn Store>; 2]) -> Result<(), Failure> {
    let record = fixture::event_record(fixture::event("raced"));
    stores[0].add_event(&record, Attached::nothing()).await?;
    let tasks = (0..32)
        .map(|task| {
            let store = Arc::clone(&stores[task % 2]);
            let mut newer = record.clone();
            newer.version = Version(2);
            newer.event.name = crate::domain::Name::from_stored(&format!("raced by {task}"));
            let message = fixture::message("event.updated", &record.event.id.to_string());
            let audit = fixture::audit(AuditAction::EVENT_UPDATED, &record.event.id);
            tokio::spawn(async move {
                let attached = Attached::change(message.clone(), audit.clone());
                match store.replace_event(&newer, Version::FIRST, attached).await {
                    Ok(committed) => {
                        store.release(&committed.leased).await?;
                        Ok::<_, Failure>(Some((newer, message, audit)))
                    }
                    Err(error) if error.kind() == ErrorKind::Precondition => Ok(None),
                    Err(error) => Err(error.into()),
                }
            })
        })
        .collect();
    let won: Vec<_> = join(tasks).await?.into_iter().flatten().collect();
    let [(newer, message, audit)] = won.as_slice() else {
        return Err(Failure::new(format!(
            "{} of 32 writers of one version won",
            won.len()
        )));
    };
    let found = stores[0].find_event(&record.event.id).await?;
    ensure!(
        found.as_ref() == Some(newer),
        "the winner's write is not the one stored"
    );
    let messages = drain(stores[0].as_ref()).await?;
    ensure!(
        messages.as_slice() == std::slice::from_ref(message),
        "{} messages of 32 racing writers",
        messages.len()
    );
    let lines = audit_of(stores[1].as_ref(), (&record.event.id).into()).await?;
    ensure!(
        lines.as_slice() == std::slice::from_ref(audit),
        "of 32 racing writers the audit log says {lines:?}"
    );
    Ok(())
}

/// How often it is looked for the messages of writes that land late.
const ROUNDS_FOR_LATE_WRITES: usize = 50;

/// Writes whose callers give up: whatever becomes of them, state and message agree.
async fn given_up(bed: &dyn StoreBed, store: &Arc<dyn Store>) -> Result<usize, Failure> {
    let mut written = Vec::new();
    for index in 0..200 {
        let record = fixture::event_record(fixture::event("given up"));
        let message = fixture::message("event.created", &record.event.id.to_string());
        let attached = Attached::announcement(message.clone());
        let mut write = store.add_event(&record, attached);
        for _ in 0..index % 4 {
            if futures_util::poll!(&mut write).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(write);
        written.push((record.event.id, message));
    }
    // What was started is carried out behind the caller's back, perhaps after the time has passed: its message is born
    // leased then, and found a round later. A write that is waited for lets most of them go first.
    let last = fixture::event_record(fixture::event("waited for"));
    store.add_event(&last, Attached::nothing()).await?;
    let mut before = HashSet::new();
    let mut messages = HashSet::new();
    for _ in 0..ROUNDS_FOR_LATE_WRITES {
        bed.pass(PAST_ALL_LEASES).await;
        before.clear();
        for (id, message) in &written {
            if store.find_event(id).await?.is_some() {
                before.insert(message.id().clone());
            }
        }
        let found = drain(store.as_ref()).await?;
        messages.extend(found.into_iter().map(|message| message.id().clone()));
        if !messages.is_empty() && before.is_subset(&messages) {
            break;
        }
    }
    for (id, message) in &written {
        let in_outbox = messages.contains(message.id());
        ensure!(
            in_outbox || !before.contains(message.id()),
            "a given-up write can be read and has no message"
        );
        ensure!(
            !in_outbox || store.find_event(id).await?.is_some(),
            "a given-up write has a message and can't be read"
        );
    }
    ensure!(
        (1..=150).contains(&messages.len()),
        "{} of 150 started and 50 unstarted writes were stored",
        messages.len()
    );
    Ok(messages.len())
}
