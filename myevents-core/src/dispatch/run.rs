//! `Dispatch`: takes deliveries, starts a worker for each, and drains when it is told to stop.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::contract::MessageName;
use crate::dispatch::builder::Route;
use crate::dispatch::held::Held;
use crate::dispatch::keyed::{Lines, Place};
use crate::dispatch::worker::{End, work};
use crate::dispatch::{DispatchBuilder, DispatchOptions};
use crate::error::Result;
use crate::observe::Observer;
use crate::ports::{
    BrokerCapabilities, Clock, DeadLetters, Delivery, DeliveryStream, EventListener, MessageOrder,
    Subscription,
};

/// How long a stop waits for the broker to take back what was not begun.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Hands the messages of one consumer group to their handlers.
#[derive(Debug)]
pub struct Dispatch {
    core: Arc<Core>,
}

/// What every worker shares.
pub(super) struct Core {
    pub(super) group: String,
    pub(super) routes: BTreeMap<MessageName, Route>,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) options: DispatchOptions,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) permits: Semaphore,
    away: AtomicUsize,
    back: Notify,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("group", &self.group)
            .field("routes", &self.routes)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// While one is alive, nothing more is taken from the broker.
pub(super) struct Away<'a>(&'a Core);

impl Core {
    /// Our own store does not answer: stops taking until this is dropped.
    pub(super) fn away(&self) -> Away<'_> {
        self.away.fetch_add(1, Ordering::AcqRel);
        Away(self)
    }

    fn takes(&self) -> bool {
        self.away.load(Ordering::Acquire) == 0
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.0.away.fetch_sub(1, Ordering::AcqRel);
        self.0.back.notify_one();
    }
}

/// What a run shares with its workers beside the core.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) core: Arc<Core>,
    pub(super) capabilities: Arc<BrokerCapabilities>,
    /// Nothing new is started.
    pub(super) stop: CancellationToken,
    /// Handlers are not waited for any more.
    pub(super) deadline: CancellationToken,
}

impl Run {
    pub(super) fn in_order(&self) -> bool {
        self.capabilities.order != MessageOrder::None
    }
}

impl Dispatch {
    /// Starts to build the dispatch of a consumer group.
    #[must_use]
    pub fn builder(group: impl Into<String>) -> DispatchBuilder {
        DispatchBuilder::new(group.into())
    }

    pub(super) fn new(builder: DispatchBuilder, dead_letters: Arc<dyn DeadLetters>) -> Self {
        Self {
            core: Arc::new(Core {
                permits: Semaphore::new(builder.options.concurrency.max(1)),
                group: builder.group,
                routes: builder.routes,
                dead_letters,
                options: builder.options,
                observer: builder.observer,
                clock: builder.clock,
                away: AtomicUsize::new(0),
                back: Notify::new(),
            }),
        }
    }

    /// The consumer group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.core.group
    }

    /// The names it handles, dotted: what it subscribes to.
    #[must_use]
    pub fn names(&self) -> Vec<MessageName> {
        self.core.routes.keys().cloned().collect()
    }

    /// Takes and handles messages until `shutdown` is cancelled or the listener is closed.
    ///
    /// At the stop nothing more is taken. Handlers at work are waited for up to [`DispatchOptions::shutdown_timeout`], then
    /// they are signalled and dropped, unacknowledged. What was not begun is given back: where the broker keeps order, after
    /// that and in the order in which it came, so that nothing stands before its predecessor; elsewhere at once.
    ///
    /// # Errors
    /// What `subscribe` answers, unless a repeat can help: then it is repeated.
    pub async fn run(&self, listener: Arc<dyn EventListener>, shutdown: CancellationToken) -> Result<()> {
        let Some(mut stream) = self.subscribe(&*listener, &shutdown).await? else {
            return Ok(());
        };
        let run = Run {
            core: Arc::clone(&self.core),
            capabilities: Arc::new(listener.capabilities()),
            stop: shutdown,
            deadline: CancellationToken::new(),
        };
        let mut workers = Workers {
            tasks: JoinSet::new(),
            lines: Lines::default(),
            run: run.clone(),
            taken: 0,
            left: BTreeMap::new(),
        };
        let bound = self.core.options.prefetch.max(1);
        loop {
            tokio::select! {
                biased;
                () = run.stop.cancelled() => break,
                Some(ended) = workers.tasks.join_next() => workers.ended(ended),
                () = self.core.back.notified(), if !self.core.takes() => {}
                next = stream.next(), if self.core.takes() && workers.tasks.len() < bound => match next {
                    Some(delivery) => workers.start(delivery),
                    None => break,
                },
            }
        }
        workers.finish(stream).await;
        Ok(())
    }

    async fn subscribe(
        &self,
        listener: &dyn EventListener,
        shutdown: &CancellationToken,
    ) -> Result<Option<DeliveryStream>> {
        let options = &self.core.options;
        let mut failures = 0;
        loop {
            let subscription = Subscription {
                group: self.core.group.clone(),
                names: self.names(),
                prefetch: options.prefetch.max(1),
                from: options.from,
            };
            match listener.subscribe(subscription).await {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) if error.is_retryable() => {
                    failures += 1;
                    tracing::warn!(group = self.core.group, %error, "can't subscribe yet");
                    tokio::select! {
                        () = tokio::time::sleep(options.away_backoff.delay(failures)) => {}
                        () = shutdown.cancelled() => return Ok(None),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

struct Workers {
    tasks: JoinSet<Ended>,
    lines: Lines,
    run: Run,
    /// Numbers the deliveries as they come.
    taken: u64,
    /// What is to be given back at the end of the run.
    left: BTreeMap<u64, Held>,
}

/// What a worker leaves behind.
struct Ended {
    place: Option<Place>,
    number: u64,
    end: End,
}

impl Workers {
    fn start(&mut self, delivery: Delivery) {
        let held = Held::new(delivery, self.run.core.options.hold, self.run.capabilities.extend);
        let (run, number) = (self.run.clone(), self.taken);
        self.taken += 1;
        if self.run.in_order() && !held.delivery().envelope.key().is_empty() {
            let (place, turn, settled) = self.lines.join(held.delivery().envelope.key());
            self.tasks.spawn(async move {
                let end = work(&run, held, turn).await;
                if matches!(end, End::Settled) {
                    // Nobody may stand behind it.
                    let _ = settled.send(());
                }
                Ended {
                    place: Some(place),
                    number,
                    end,
                }
            });
        } else {
            self.tasks.spawn(async move {
                let end = work(&run, held, None).await;
                Ended {
                    place: None,
                    number,
                    end,
                }
            });
        }
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) {
        match ended {
            Ok(Ended { place, number, end }) => {
                if let Some(place) = place {
                    self.lines.leave(&place);
                }
                if let End::Left(held) = end {
                    self.left.insert(number, held);
                }
            }
            // Handlers are caught where they run; its delivery was dropped and comes again.
            Err(error) => tracing::error!(%error, "a worker of dispatch failed"),
        }
    }

    async fn finish(mut self, stream: DeliveryStream) {
        let within = self.run.core.options.shutdown_timeout;
        let drain = async {
            while let Some(ended) = self.tasks.join_next().await {
                self.ended(ended);
            }
        };
        let drained = tokio::time::timeout(within, drain).await.is_ok();
        // Otherwise what is given back could come to us again, behind what came after it.
        drop(stream);
        if !drained {
            tracing::warn!(
                left = self.tasks.len(),
                "handlers did not finish in time and are dropped unacknowledged"
            );
            self.run.deadline.cancel();
            self.tasks.shutdown().await;
        }
        // Asked in this order; what a broker does not take in time is dropped, and comes again when its hold ends.
        let left = std::mem::take(&mut self.left).into_values();
        let giving_back = join_all(left.map(|held| held.give_back(Duration::ZERO)));
        if tokio::time::timeout(GIVEN_BACK_WITHIN, giving_back)
            .await
            .is_err()
        {
            tracing::warn!("the broker did not take back all that was not handled; it comes again later");
        }
    }
}
