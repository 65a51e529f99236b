//! What runs beside the requests: holding counters against bookings, forgetting old inbox marks, checking the file.

use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::connect::{OpenStore, StoreTools};
use myevents_core::domain::{EventId, UnixMillis};
use myevents_core::observe::{Observation, Observer};
use myevents_core::ports::{Clock, EventCursor, EventEmitter, EventFilter, Store, SystemClock};
use myevents_core::rest::Readiness;
use myevents_core::runtime::config::ServiceName;
use myevents_core::{ErrorKind, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The first round of each waits, so that a start is not slowed by it.
const SETTLE: Duration = Duration::from_secs(5);
const DRIFT_EVERY: Duration = Duration::from_secs(300);
/// Between two events: the check must never be felt.
const DRIFT_PAUSE: Duration = Duration::from_millis(20);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
const UNMOVED_EVERY: Duration = Duration::from_secs(60);
/// Longer than any broker keeps a message it may deliver again.
const INBOX_KEPT: Duration = Duration::from_secs(15 * 86_400);

/// Before a walk asks again that was refused for visitors' sake.
const BREATH: Duration = Duration::from_secs(1);
/// How often the broker is asked whether it is there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_WITHIN: Duration = Duration::from_secs(2);

/// Lets `readiness` show whether the broker of `service` can be reached, now and from now on.
pub(crate) fn watch_broker(
    tasks: &TaskTracker,
    service: ServiceName,
    emitter: Arc<dyn EventEmitter>,
    readiness: Readiness,
    stop: &CancellationToken,
) {
    spawn(tasks, stop, async move {
        loop {
            let answer = tokio::time::timeout(PING_WITHIN, emitter.ping()).await;
            readiness.set_broker(service.as_str(), matches!(answer, Ok(Ok(()))));
            tokio::time::sleep(PING_EVERY).await;
        }
    });
}

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
    let (tools, seen) = (Arc::clone(&open.tools), Arc::clone(observer));
    spawn(
        tasks,
        stop,
        async move { watch_audit(service, &*tools, &*seen).await },
    );
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

/// Shows how many records keep lines of the audit log to themselves; ends where no store of this kind has such records.
async fn watch_audit(service: ServiceName, tools: &dyn StoreTools, observer: &dyn Observer) {
    loop {
        match tools.unmoved_audit().await {
            Ok(Some(records)) => observer.observe(&Observation::AuditUnmoved {
                service: service.as_str(),
                records,
            }),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%service, %error, "lines of the audit log outside of it could not be counted");
            }
        }
        tokio::time::sleep(UNMOVED_EVERY).await;
    }
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
        let page = loop {
            match store.list_events(&filter, self.after.as_ref(), 200).await {
                // Visitors come first; nobody waits for this walk.
                Err(error) if error.kind() == ErrorKind::Overloaded => tokio::time::sleep(BREATH).await,
                answered => break answered?,
            }
        };
        self.done = page.next.is_none();
        self.after = page.next;
        Ok(Some(
            page.items.into_iter().map(|record| record.event.id).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use async_trait::async_trait;
    use myevents_core::Error;
    use myevents_core::contract::Envelope;
    use myevents_core::ports::{BrokerCapabilities, MessageOrder};

    use super::*;

    /// 0 = there, 1 = says that it is away, 2 = says nothing.
    #[derive(Debug, Default)]
    struct Moody(AtomicU8);

    #[async_trait]
    impl EventEmitter for Moody {
        fn capabilities(&self) -> BrokerCapabilities {
            BrokerCapabilities {
                name: "moody",
                order: MessageOrder::None,
                durable: false,
                replay: false,
                shared: true,
                delayed_nack: false,
                extend: false,
                detects_unroutable: false,
                max_message_bytes: 1_000,
            }
        }

        async fn emit(&self, messages: &[Envelope]) -> Vec<Result<()>> {
            messages.iter().map(|_| Ok(())).collect()
        }

        async fn ping(&self) -> Result<()> {
            match self.0.load(Ordering::SeqCst) {
                0 => Ok(()),
                1 => Err(Error::new(ErrorKind::Unavailable, "ping", "the broker is away")),
                _ => std::future::pending().await,
            }
        }

        async fn close(&self) -> Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn readiness_shows_the_broker_as_it_is_now() {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (broker, readiness) = (Arc::new(Moody::default()), Readiness::new());
        for service in [ServiceName::Event, ServiceName::Booking] {
            let emitter: Arc<dyn EventEmitter> = Arc::<Moody>::clone(&broker);
            watch_broker(&tasks, service, emitter, readiness.clone(), &stop);
        }
        for (mood, shown) in [
            (0, "connected"),
            (1, "away"),
            (0, "connected"),
            (2, "away"),
            (0, "connected"),
        ] {
            broker.0.store(mood, Ordering::SeqCst);
            tokio::time::sleep(PING_EVERY + PING_WITHIN * 2).await;
            let (ready, body) = readiness.check().await;
            assert!(ready, "bookings go on without the broker");
            assert_eq!(body["broker"], shown, "mood {mood}");
            assert_eq!(body["brokers"]["eventservice"], shown);
            assert_eq!(body["brokers"]["bookingservice"], shown);
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
