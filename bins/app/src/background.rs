//! What runs beside the requests: holding counters against bookings, forgetting old inbox marks, checking the file.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::connect::OpenStore;
use myevents_core::Result;
use myevents_core::domain::{EventId, UnixMillis};
use myevents_core::observe::{Observation, Observer};
use myevents_core::ports::{Clock, EventCursor, EventFilter, Store, SystemClock};
use myevents_core::runtime::config::ServiceName;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The first round of each waits, so that a start is not slowed by it.
const SETTLE: Duration = Duration::from_secs(5);
const DRIFT_EVERY: Duration = Duration::from_secs(300);
/// Between two events: the check must never be felt.
const DRIFT_PAUSE: Duration = Duration::from_millis(20);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// Longer than any broker keeps a message it may deliver again.
const INBOX_KEPT: Duration = Duration::from_secs(15 * 86_400);

/// Starts what a service needs in the background.
pub(crate) fn start(
    tasks: &TaskTracker,
    service: ServiceName,
    open: &OpenStore,
    observer: &Arc<dyn Observer>,
    stop: &CancellationToken,
) {
    let tools = Arc::clone(&open.tools);
    spawn(tasks, stop, async move {
        tokio::time::sleep(SETTLE).await;
        match tools.quick_check().await {
            Ok(found) if found.sound => tracing::debug!(%service, "the store was checked"),
            Ok(found) => {
                tracing::error!(%service, found = found.report, "the store is damaged: see check-store")
            }
            Err(error) => tracing::error!(%service, %error, "the store can't be checked"),
        }
    });
    let store = Arc::clone(&open.store);
    spawn(tasks, stop, async move {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            let now = SystemClock.now().0;
            let before = now - i64::try_from(INBOX_KEPT.as_millis()).unwrap_or(i64::MAX);
            if let Err(error) = store.forget_completed_before(UnixMillis(before)).await {
                tracing::warn!(%service, %error, "old inbox marks were not forgotten");
            }
        }
    });
    if service == ServiceName::Booking {
        let store = Arc::clone(&open.store);
        let observer = Arc::clone(observer);
        spawn(tasks, stop, async move {
            tokio::time::sleep(SETTLE).await;
            loop {
                match drift(&*store, DRIFT_PAUSE).await {
                    Ok(drift) => {
                        observer.observe(&Observation::CounterDrift { drift });
                        if drift != 0 {
                            tracing::error!(drift, "counters are off: see reconcile");
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the counters could not be checked"),
                }
                tokio::time::sleep(DRIFT_EVERY).await;
            }
        });
    }
}

fn spawn(tasks: &TaskTracker, stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tasks.spawn(async move { stop.run_until_cancelled(work).await });
}

/// The sum of all drifts, one event at a time with a pause between two.
async fn drift(store: &dyn Store, pause: Duration) -> Result<i64> {
    let mut sum: i64 = 0;
    let mut walk = EventWalk::default();
    while let Some(events) = walk.next(store).await? {
        for event in events {
            if let Some(found) = store.reconcile(&event, false).await? {
                sum = sum.saturating_add(found.drift.saturating_abs());
            }
            tokio::time::sleep(pause).await;
        }
    }
    Ok(sum)
}

/// Goes through all events of a store page by page, cancelled ones too.
#[derive(Debug, Default)]
pub(crate) struct EventWalk {
    after: Option<EventCursor>,
    done: bool,
}

impl EventWalk {
    /// The next page; `None` after the last.
    pub(crate) async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<EventId>>> {
        if self.done {
            return Ok(None);
        }
        let filter = EventFilter {
            with_cancelled: true,
            ..EventFilter::default()
        };
        let page = store.list_events(&filter, self.after.as_ref(), 200).await?;
        self.done = page.next.is_none();
        self.after = page.next;
        Ok(Some(
            page.items.into_iter().map(|record| record.event.id).collect(),
        ))
    }
}
