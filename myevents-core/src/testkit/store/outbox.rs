//! S11: a message is in the outbox if and only if its write can be read; parking; what closing gives back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::StoreBed;
use super::tools::{LEASE, PAST_ALL_LEASES, claim_all, drain, join, open_event, pair};
use crate::contract::{Envelope, MessageId};
use crate::domain::Version;
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
        Attached::message(self.message(key, written))
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
        mark: None,
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
            tokio::spawn(async move {
                let attached = Attached::message(message.clone());
                match store.replace_event(&newer, Version::FIRST, attached).await {
                    Ok(committed) => {
                        store.release(&committed.leased).await?;
                        Ok::<_, Failure>(Some((newer, message)))
                    }
                    Err(error) if error.kind() == ErrorKind::Precondition => Ok(None),
                    Err(error) => Err(error.into()),
                }
            })
        })
        .collect();
    let won: Vec<_> = join(tasks).await?.into_iter().flatten().collect();
    let [(newer, message)] = won.as_slice() else {
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
    Ok(())
}

/// Writes whose callers give up: whatever becomes of them, state and message agree.
async fn given_up(bed: &dyn StoreBed, store: &Arc<dyn Store>) -> Result<usize, Failure> {
    let mut written = Vec::new();
    for index in 0..200 {
        let record = fixture::event_record(fixture::event("given up"));
        let message = fixture::message("event.created", &record.event.id.to_string());
        let attached = Attached::message(message.clone());
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
    // What was started is carried out behind the caller's back; a write that is waited for comes after it in a store
    // that writes in order, so that no message is born leased after the time has passed.
    let last = fixture::event_record(fixture::event("waited for"));
    store.add_event(&last, Attached::nothing()).await?;
    bed.pass(PAST_ALL_LEASES).await;
    let mut before = HashSet::new();
    for (id, message) in &written {
        if store.find_event(id).await?.is_some() {
            before.insert(message.id().clone());
        }
    }
    let messages: HashSet<_> = drain(store.as_ref())
        .await?
        .into_iter()
        .map(|message| message.id().clone())
        .collect();
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

/// Parked rows let later ones flow, are listed, sent again, discarded; tokens guard release, extend and park.
///
/// # Errors
/// What does not hold.
pub async fn s11b_parking(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    let record = fixture::event_record(fixture::event("parked"));
    let id = record.event.id.clone();
    let key = id.to_string();
    let messages: Vec<_> = (0..4).map(|_| fixture::message("event.updated", &key)).collect();
    let first = store
        .add_event(&record, Attached::message(messages[0].clone()))
        .await?;
    ensure!(
        first.leased.len() == 1,
        "the first message of an entity was not born leased"
    );
    for message in &messages[1..] {
        let later = store
            .announce_event(&id, Version(1), Attached::message(message.clone()))
            .await?;
        ensure!(
            later.leased.is_empty(),
            "a later message was born leased while an earlier one waits"
        );
    }
    ensure!(
        claim_all(store).await?.is_empty(),
        "a live lease does not block its entity"
    );
    let held = store.extend(&first.leased, LEASE).await?;
    ensure!(
        held == [first.leased[0].id.clone()],
        "a held lease was not extended"
    );
    let parked = store.park(&first.leased, "refused: ' \u{fffd}").await?;
    ensure!(parked == held, "{parked:?} were parked of {held:?}");
    let depth = store.depth().await?;
    ensure!(
        depth.rows == 3 && depth.parked == 1,
        "after one was parked: {depth:?}"
    );
    let page = store.parked(None, 10).await?;
    ensure!(
        page.next.is_none()
            && page.items.len() == 1
            && page.items[0].envelope == messages[0]
            && page.items[0].reason == "refused: ' \u{fffd}",
        "the parked message is listed as {page:?}"
    );
    let claim = store.claim(10, LEASE).await?;
    let order: Vec<_> = claim.rows.iter().map(|row| row.envelope.clone()).collect();
    ensure!(
        order == messages[1..],
        "later messages don't flow in order past a parked one"
    );
    token_guards(bed, store, &claim.rows).await?;
    let rows = claim_all(store).await?;
    ensure!(rows.len() == 3, "{} of 3 rows came back", rows.len());
    store.park(&rows, "all").await?;
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = store.parked(after.as_ref(), 1).await?;
        listed.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let order: Vec<_> = listed.iter().map(|parked| parked.envelope.clone()).collect();
    ensure!(
        order == messages,
        "parked rows are not listed oldest first, once each"
    );
    let ids: Vec<_> = listed.iter().map(|parked| parked.id.clone()).collect();
    ensure!(
        store.discard(&ids[..1]).await? == 1,
        "a parked row was not discarded"
    );
    ensure!(
        store.resend(&ids).await? == 3,
        "3 parked rows were not sent again"
    );
    ensure!(store.resend(&ids).await? == 0, "rows were sent again twice");
    ensure!(store.discard(&ids).await? == 0, "a row that waits was discarded");
    let again = drain(store).await?;
    ensure!(
        again == messages[1..],
        "{} of 3 rows came back in order after the resend",
        again.len()
    );
    let depth = store.depth().await?;
    ensure!(depth.rows == 0 && depth.parked == 0, "at the end: {depth:?}");
    Ok(Finding::passed())
}

async fn token_guards(
    bed: &dyn StoreBed,
    store: &dyn Store,
    old: &[crate::ports::OutboxRow],
) -> Result<(), Failure> {
    bed.pass(PAST_ALL_LEASES).await;
    let new = claim_all(store).await?;
    ensure!(new.len() == old.len(), "expired leases don't come back");
    ensure!(
        new.iter()
            .zip(old)
            .all(|(new, old)| new.token != old.token && new.id == old.id),
        "a later claim has the same token, or other rows"
    );
    store.release(old).await?;
    let parked = store.park(old, "overslept").await?;
    ensure!(parked.is_empty(), "an old token parked {parked:?}");
    let extended = store.extend(old, LEASE).await?;
    ensure!(extended.is_empty(), "an old token extended {extended:?}");
    ensure!(
        claim_all(store).await?.is_empty(),
        "an old token released rows that another claim holds"
    );
    ensure!(
        store.depth().await?.parked == 1,
        "an old token parked rows that another claim holds"
    );
    // A half lease, extended, is alive after three quarters.
    let half = LEASE / 2;
    ensure!(
        store.extend(&new, LEASE).await?.len() == new.len(),
        "held rows were not extended"
    );
    bed.pass(half).await;
    ensure!(
        store.extend(&new, LEASE).await?.len() == new.len(),
        "held rows were not extended again"
    );
    bed.pass(half + half / 2).await;
    ensure!(
        claim_all(store).await?.is_empty(),
        "an extended lease ended at its old time"
    );
    store.release(&new).await?;
    Ok(())
}

/// Closing gives the instance's leases back at once, and no others; later calls answer `Closed`.
///
/// # Errors
/// What does not hold.
pub async fn s12b_close_gives_back(bed: &dyn StoreBed) -> CaseResult {
    let Some(second) = bed.second().await? else {
        let store = bed.store();
        closed(&store).await?;
        return Ok(Finding::counted(
            "one instance only: what it gives back was not looked at",
        ));
    };
    let store = bed.store();
    let born = fixture::event_record(fixture::event("born"));
    let claimed = fixture::event_record(fixture::event("claimed"));
    let of_other = fixture::event_record(fixture::event("other"));
    let committed = store
        .add_event(&claimed, fixture::announce(&claimed.event.id))
        .await?;
    store.release(&committed.leased).await?;
    store.claim(10, Duration::from_secs(600)).await?;
    store.add_event(&born, fixture::announce(&born.event.id)).await?;
    let other = second
        .add_event(&of_other, fixture::announce(&of_other.event.id))
        .await?;
    ensure!(
        claim_all(second.as_ref()).await?.is_empty(),
        "a second instance took leased rows"
    );
    closed(&store).await?;
    let back = claim_all(second.as_ref()).await?;
    ensure!(back.len() == 2, "{} of 2 leases were given back", back.len());
    let held = second.extend(&other.leased, LEASE).await?;
    ensure!(held.len() == 1, "closing gave back a lease of another instance");
    Ok(Finding::passed())
}

async fn closed(store: &Arc<dyn Store>) -> Result<(), Failure> {
    let tasks = (0..10)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { Ok::<_, Failure>(store.close().await?) })
        })
        .collect();
    join(tasks).await?;
    let record = fixture::event_record(fixture::event("too late"));
    let event = fixture::event_id();
    let request = fixture::booking_request(&event, 1);
    let mut booked = store.book(&event, &[request], BookOptions::default()).await;
    let refusals = [
        store.ping().await.err(),
        store.add_event(&record, Attached::nothing()).await.err(),
        store.find_event(&event).await.err(),
        store.claim(1, LEASE).await.err(),
        store.begin("c", &fixture::message_id(), LEASE).await.err(),
        booked.pop().and_then(Result::err),
    ];
    for refusal in refusals {
        ensure!(
            refusal
                .as_ref()
                .is_some_and(|error| error.kind() == ErrorKind::Closed),
            "after the close a call was answered {refusal:?}"
        );
    }
    Ok(())
}
