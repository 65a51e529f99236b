//! Finishing what others left half-done: a process that died between its commit and the insert leaves an entry behind.

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::doc;
use mongodb::options::FindOptions;
use myevents_core::Result;

use super::codec::Fields;
use super::counters::entries_of;
use super::rollforward::Rolled;
use super::store::Inner;

/// How many events of one round: more are found by the next.
const MOST: i64 = 100;

/// Every how many rounds lines of the audit log are looked for that whoever wrote them did not move.
const SWEPT_EACH: u32 = 12;

/// Looks again and again, until it is stopped.
pub(super) async fn run(inner: Arc<Inner>) {
    let every = inner.config.recovery;
    let mut rounds: u32 = 0;
    loop {
        tokio::time::sleep(every).await;
        rounds = rounds.wrapping_add(1);
        match round(&inner, every).await {
            Ok(0) => {}
            Ok(finished) => tracing::info!(
                finished,
                "bookings and cancels that others left half-done were finished"
            ),
            Err(error) => tracing::warn!(%error, "what others left half-done can't be finished now"),
        }
        // Behind the seats. Whoever lists the log does this too, so it is only that records don't carry lines for ever.
        if rounds.is_multiple_of(SWEPT_EACH)
            && let Err(error) = inner.sweep_audit().await
        {
            tracing::warn!(%error, "lines of the audit log can't be moved out of their records now");
        }
    }
}

/// Finishes entries older than `older_than`; younger ones are left to whoever is at work on them.
pub(super) async fn round(inner: &Inner, older_than: Duration) -> Result<usize> {
    let link = &inner.link;
    let age = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
    let oldest = inner.now().0.saturating_sub(age);
    let mut options = FindOptions::default();
    options.projection = Some(doc! { "pending": 1 });
    options.limit = Some(MOST);
    let filter = doc! { "pending.at": { "$lte": oldest } };
    let found = link
        .find(
            "look for unfinished bookings",
            &link.inventory,
            filter,
            options,
            usize::MAX,
            |document| {
                let fields = Fields(document);
                Ok(Some((fields.event_id("_id")?, entries_of(fields)?)))
            },
        )
        .await?;
    let mut finished = 0;
    for (event, entries) in found {
        let desk = inner.desks.of(&event);
        for entry in entries.iter().filter(|entry| entry.at <= oldest) {
            match inner.roll_forward(&desk, &event, entry).await {
                Ok(Rolled::Settled) => finished += 1,
                Ok(Rolled::Stuck) => {}
                // One event that fails must not keep the others waiting.
                Err(error) => tracing::debug!(%event, %error, "an entry stays for the next round"),
            }
        }
    }
    Ok(finished)
}
