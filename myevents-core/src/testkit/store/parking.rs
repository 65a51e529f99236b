//! S11b and S12b: rows set aside for good, what tokens guard, and what closing gives back.

use std::sync::Arc;
use std::time::Duration;

use super::StoreBed;
use super::tools::{LEASE, PAST_ALL_LEASES, claim_all, drain, join};
use crate::domain::Version;
use crate::error::ErrorKind;
use crate::ports::{Attached, BookOptions, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

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
        .add_event(&record, Attached::announcement(messages[0].clone()))
        .await?;
    ensure!(
        first.leased.len() == 1,
        "the first message of an entity was not born leased"
    );
    for message in &messages[1..] {
        let later = store
            .announce_event(&id, Version(1), Attached::announcement(message.clone()))
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
