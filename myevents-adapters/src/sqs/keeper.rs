//! Keeps what is held hidden from others: from the receive until it is settled, as long as this process lives.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};
use futures_util::future::join_all;
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep};

use super::batch::Batcher;
use super::error::{entry, is_gone, repeatable, unbuilt};
use super::outlet::{by_place, for_all};
use super::queues::Queues;

/// The longest that a message can be hidden.
const MOST_HIDDEN: Duration = Duration::from_secs(43_200);

/// What is asked of SQS for a message that was received.
#[derive(Debug)]
struct Change {
    handle: Arc<str>,
    seconds: i32,
}

/// The messages of one queue that are held here.
#[derive(Debug)]
pub(super) struct Keeper {
    held: Mutex<HashMap<u64, Held>>,
    next: AtomicU64,
    hidden: Duration,
    changes: Batcher<Change>,
    deletes: Batcher<Arc<str>>,
}

#[derive(Debug, Clone)]
struct Held {
    handle: Arc<str>,
    /// Others may get it after this.
    until: Instant,
    /// Held while its time is being changed: a late answer must not undo a later change.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// A message that is settled now: nothing extends its time any more.
#[derive(Debug)]
pub(super) struct Taken {
    handle: Arc<str>,
    /// Others may have it after this.
    until: Instant,
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl Taken {
    /// Whether its time is over: another may have it, and the handle is of no use.
    pub(super) fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }
}

impl Keeper {
    /// Looks after what is held until nobody needs it any more.
    pub(super) fn start(queues: &Arc<Queues>, queue: &str) -> Arc<Self> {
        let config = &queues.config;
        let (changing, deleting) = (Arc::clone(queues), Arc::clone(queues));
        let (of_change, of_delete): (Arc<str>, Arc<str>) = (queue.into(), queue.into());
        let keeper = Arc::new(Self {
            held: Mutex::default(),
            next: AtomicU64::new(0),
            hidden: config.visibility_timeout,
            changes: Batcher::new("hide message", usize::MAX, config.open_requests, move |batch| {
                let (queues, queue) = (Arc::clone(&changing), Arc::clone(&of_change));
                Box::pin(async move { change(&queues, &queue, batch).await })
            }),
            deletes: Batcher::new("delete message", usize::MAX, config.open_requests, move |batch| {
                let (queues, queue) = (Arc::clone(&deleting), Arc::clone(&of_delete));
                Box::pin(async move { delete(&queues, &queue, batch).await })
            }),
        });
        let (watched, pause) = (Arc::downgrade(&keeper), keeper.hidden / 6);
        tokio::spawn(async move {
            loop {
                sleep(pause).await;
                let Some(keeper) = watched.upgrade() else {
                    return;
                };
                keeper.extend_what_needs_it();
            }
        });
        keeper
    }

    /// Looks after a message that came at this time.
    pub(super) fn hold(&self, handle: &str, at: Instant) -> u64 {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let held = Held {
            handle: handle.into(),
            until: at + self.hidden,
            gate: Arc::default(),
        };
        self.held.lock().insert(key, held);
        key
    }

    /// Begins each extension in a task of its own, so that a slow one delays no other.
    fn extend_what_needs_it(self: &Arc<Self>) {
        let now = Instant::now();
        let soon = now + self.hidden * 2 / 3;
        let held = self.held.lock();
        for (key, one) in held.iter() {
            // One whose time is over may be another's by now.
            if one.until > now
                && one.until < soon
                && let Ok(guard) = Arc::clone(&one.gate).try_lock_owned()
            {
                let (keeper, key, handle) = (Arc::clone(self), *key, Arc::clone(&one.handle));
                let hidden = self.hidden;
                tokio::spawn(async move {
                    if let Err(error) = keeper.hide(key, handle, hidden, guard).await {
                        tracing::debug!(%error, "a message in our hands may be given to another");
                    }
                });
            }
        }
    }

    async fn hide(
        &self,
        key: u64,
        handle: Arc<str>,
        time: Duration,
        guard: OwnedMutexGuard<()>,
    ) -> Result<()> {
        let asked = Instant::now();
        let seconds = seconds(time);
        self.changes.perform(Change { handle, seconds }, 0).await?;
        if let Some(one) = self.held.lock().get_mut(&key) {
            one.until = asked + time;
        }
        drop(guard);
        Ok(())
    }

    /// Sees to it that a message stays hidden this long from now.
    pub(super) async fn extend(&self, key: u64, time: Duration) -> Result<()> {
        let one = self.held.lock().get(&key).cloned();
        let Some(one) = one else { return Ok(()) };
        let now = Instant::now();
        if one.until <= now {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "extend",
                "the time of the message was over; another may have it",
            ));
        }
        // It is kept hidden anyway; only what looks further ahead is asked for.
        if time <= self.hidden || now + time <= one.until {
            return Ok(());
        }
        let guard = Arc::clone(&one.gate).lock_owned().await;
        self.hide(key, one.handle, time, guard).await
    }

    /// The message is settled by whoever takes it, once.
    pub(super) fn take(&self, key: u64) -> Option<Taken> {
        let held = self.held.lock().remove(&key)?;
        Some(Taken {
            handle: held.handle,
            until: held.until,
            gate: held.gate,
        })
    }

    /// The message is handled.
    pub(super) async fn delete(&self, taken: Taken) -> Result<()> {
        self.deletes.perform(taken.handle, 0).await
    }

    /// Others may get the message after `delay`. If they may already, that is no failure: it comes again. A repeat finds it
    /// so whose first request was heard and whose answer was lost.
    pub(super) async fn give_back(&self, taken: Taken, delay: Duration) -> Result<()> {
        let _guard = taken.gate.lock().await;
        let change = Change {
            handle: Arc::clone(&taken.handle),
            seconds: seconds(delay),
        };
        match self.changes.perform(change, 0).await {
            Err(error) if is_gone(&error) => {
                tracing::debug!(%error, "a message was out of our hands when it was given back");
                Ok(())
            }
            answer => answer,
        }
    }
}

/// Whole seconds, and none too few.
fn seconds(time: Duration) -> i32 {
    let whole = time.min(MOST_HIDDEN);
    let seconds = whole.as_secs() + u64::from(whole.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

async fn change(queues: &Arc<Queues>, queue: &str, batch: Vec<Change>) -> Vec<Result<()>> {
    let count = batch.len();
    let changing = async {
        let url = queues.group(queue).await?;
        let entries = batch.into_iter().enumerate().map(|(place, change)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(change.handle.as_ref())
                .visibility_timeout(change.seconds)
                .build()
                .map_err(unbuilt)
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        let request = queues.clients.again.change_message_visibility_batch();
        request
            .queue_url(url.as_ref())
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| repeatable("hide message", error))
    };
    match changing.await {
        Ok(done) => by_place(
            count,
            done.successful.iter().map(|changed| changed.id.as_str()),
            done.failed
                .iter()
                .map(|failed| (failed.id.as_str(), entry("hide message", failed))),
        ),
        Err(error) => for_all(count, &error),
    }
}

async fn delete(queues: &Arc<Queues>, queue: &str, batch: Vec<Arc<str>>) -> Vec<Result<()>> {
    let deleting = async {
        let url = queues.group(queue).await?;
        delete_at(queues, &url, &batch).await
    };
    match deleting.await {
        Ok(results) => results,
        Err(error) => for_all(batch.len(), &error),
    }
}

/// Deletes up to ten messages of the queue at `url`.
pub(super) async fn delete_at(queues: &Queues, url: &str, handles: &[Arc<str>]) -> Result<Vec<Result<()>>> {
    let entries = handles.iter().enumerate().map(|(place, handle)| {
        DeleteMessageBatchRequestEntry::builder()
            .id(place.to_string())
            .receipt_handle(handle.as_ref())
            .build()
            .map_err(unbuilt)
    });
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let request = queues.clients.again.delete_message_batch();
    let done = request
        .queue_url(url)
        .set_entries(Some(entries))
        .send()
        .await
        .map_err(|error| repeatable("delete message", error))?;
    Ok(by_place(
        handles.len(),
        done.successful.iter().map(|deleted| deleted.id.as_str()),
        done.failed
            .iter()
            .map(|failed| (failed.id.as_str(), entry("delete message", failed))),
    ))
}

/// Shows up to ten messages of the queue at `url` to others again.
pub(super) async fn show_at(queues: &Queues, url: &str, handles: &[Arc<str>]) -> Result<()> {
    let entries = handles.iter().enumerate().map(|(place, handle)| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(place.to_string())
            .receipt_handle(handle.as_ref())
            .visibility_timeout(0)
            .build()
            .map_err(unbuilt)
    });
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let request = queues.clients.again.change_message_visibility_batch();
    request
        .queue_url(url)
        .set_entries(Some(entries))
        .send()
        .await
        .map(drop)
        .map_err(|error| repeatable("hide message", error))
}

/// Deletes many messages and fails if one was not.
pub(super) async fn delete_all(queues: &Queues, url: &str, handles: &[Arc<str>]) -> Result<()> {
    let parts = handles.chunks(super::batch::MOST_ENTRIES);
    for results in join_all(parts.map(|part| delete_at(queues, url, part))).await {
        results?.into_iter().collect::<Result<()>>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_never_shortened_and_never_longer_than_sqs_takes() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_millis(2_001)), 3);
        assert_eq!(seconds(Duration::from_secs(1_000_000)), 43_200);
    }
}
