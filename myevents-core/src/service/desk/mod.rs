//! The desks: one queue a hot event and process. What queues while one batch is in the store becomes the next batch.
//!
//! There are no timers: a lone request goes straight through, a crowd shares one commit. A desk lives in a task of its
//! own, never in a request's future, so a booking is carried through whether its client still waits or not; it goes
//! away when its queue is empty, under the same lock that enqueues.

mod batch;
mod job;

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use crate::domain::EventId;
use crate::error::{Error, ErrorKind, Result};
use crate::observe::Observer;
use crate::ports::{
    BookingRequest, CancelOutcome, CancelRequest, Clock, DatabaseHandler, Outcome, UnknownCapacity,
};
use crate::relay::Handover;
use crate::service::SalesRules;

use batch::Batch;
use job::{Job, Reply};

/// The bounds and rules of the desks.
#[derive(Debug, Clone, Copy)]
pub struct DeskOptions {
    /// Rules of sale.
    pub sales: SalesRules,
    /// What to do while a capacity is unknown.
    pub unknown_capacity: UnknownCapacity,
    /// Who waited longer than this is refused as retryable before entering a batch.
    pub wait: Duration,
    /// The most jobs that queue for one event.
    pub max_queue: usize,
    /// The most jobs that queue in all.
    pub max_total: usize,
}

impl Default for DeskOptions {
    fn default() -> Self {
        Self {
            sales: SalesRules::default(),
            unknown_capacity: UnknownCapacity::default(),
            wait: Duration::from_secs(2),
            max_queue: 4_096,
            max_total: 32_768,
        }
    }
}

/// All desks of one process. They work on the runtime on which they were made, whichever their callers are on: where that is another
/// one than serves the clients, no crowd of requests keeps a batch from its turn.
#[derive(Debug, Clone)]
pub struct Desks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queues: Mutex<Queues>,
    tasks: TaskTracker,
    /// None where they were made outside of any: then that of the caller.
    runtime: Option<Handle>,
    batch: Batch,
    max_batch: usize,
    options: DeskOptions,
}

#[derive(Debug, Default)]
struct Queues {
    by_event: HashMap<EventId, VecDeque<Job>>,
    total: usize,
    closed: bool,
}

impl Desks {
    /// Desks that decide by `store` and hand the messages of what they granted to the relay.
    #[must_use]
    pub fn new(
        store: Arc<dyn DatabaseHandler>,
        handover: Handover,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        options: DeskOptions,
    ) -> Self {
        let max_batch = store.capabilities().max_batch.max(1);
        let batch = Batch {
            store,
            handover,
            clock,
            observer,
            options,
            copies: batch::copies(),
        };
        Self(Arc::new(Shared {
            queues: Mutex::default(),
            tasks: TaskTracker::new(),
            runtime: Handle::try_current().ok(),
            batch,
            max_batch,
            options,
        }))
    }

    /// Queues a wish for seats and waits for its outcome, until its deadline.
    ///
    /// # Errors
    /// `Overloaded` when a queue is full, the wish waited too long or the desks are closing (nothing was tried);
    /// `OutcomeUnknown` when the deadline passed meanwhile; whatever the store answers.
    pub async fn book(&self, event: &EventId, request: BookingRequest) -> Result<Outcome> {
        let deadline = request.deadline;
        let (reply, answer) = oneshot::channel();
        self.enqueue(
            event,
            Job::Book {
                request: Box::new(request),
                reply,
                since: Instant::now(),
            },
        )?;
        wait(deadline, answer).await
    }

    /// Queues a cancel behind the bookings of its event and waits for its outcome, until its deadline.
    ///
    /// # Errors
    /// As [`book`](Self::book).
    pub async fn cancel(&self, request: CancelRequest) -> Result<CancelOutcome> {
        let deadline = request.deadline;
        let (reply, answer) = oneshot::channel();
        let event = request.event.clone();
        self.enqueue(
            &event,
            Job::Cancel {
                request: Box::new(request),
                reply,
                since: Instant::now(),
            },
        )?;
        wait(deadline, answer).await
    }

    /// Takes nothing more and waits until the queues are worked off, for at most `within`; what is left then is refused
    /// as retryable. A batch that is in the store by then goes on.
    pub async fn drain(&self, within: Duration) {
        self.0.queues.lock().closed = true;
        self.0.tasks.close();
        if timeout(within, self.0.tasks.wait()).await.is_err() {
            let mut queues = self.0.queues.lock();
            let left: Vec<Job> = queues.by_event.values_mut().flat_map(std::mem::take).collect();
            queues.total -= left.len();
            drop(queues);
            for job in left {
                job.refuse("the service is stopping");
            }
        }
    }

    fn enqueue(&self, event: &EventId, job: Job) -> Result<()> {
        let mut queues = self.0.queues.lock();
        if queues.closed {
            return Err(overloaded("the service is stopping"));
        }
        if queues.total >= self.0.options.max_total {
            return Err(overloaded("too many bookings are waiting"));
        }
        queues.total += 1;
        if let Some(queue) = queues.by_event.get_mut(event) {
            if queue.len() >= self.0.options.max_queue {
                queues.total -= 1;
                return Err(overloaded("too many bookings are waiting for this event"));
            }
            queue.push_back(job);
        } else {
            queues.by_event.insert(event.clone(), VecDeque::from([job]));
            let desk = Shared::work(Arc::clone(&self.0), event.clone());
            match &self.0.runtime {
                Some(runtime) => self.0.tasks.spawn_on(desk, runtime),
                None => self.0.tasks.spawn(desk),
            };
        }
        Ok(())
    }
}

impl Shared {
    /// A desk: batch after batch until its queue is empty.
    async fn work(self: Arc<Self>, event: EventId) {
        while let Some(jobs) = self.next_batch(&event) {
            // A panic drops the replies of this batch, which its waiters see; the desk goes on.
            if AssertUnwindSafe(self.batch.decide(&event, jobs))
                .catch_unwind()
                .await
                .is_err()
            {
                tracing::error!(%event, "a batch of bookings panicked; its requests are answered as retryable");
            }
            // Callers in this process who were answered and ask again at once may so be in the next batch. Else the few that
            // came meanwhile would go by themselves, and a crowd would take turns with them.
            tokio::task::yield_now().await;
        }
    }

    /// The next batch, or none: then the desk is gone. Who waited too long is refused and takes no place in it, so that
    /// batches stay full, and the store busy, however many more come than it can take.
    fn next_batch(&self, event: &EventId) -> Option<Vec<Job>> {
        let now = Instant::now();
        let is_late =
            |job: &Job| now.duration_since(job.since()) > self.options.wait || now >= job.deadline();
        let mut late = Vec::new();
        let mut queues = self.queues.lock();
        let queue = queues.by_event.get_mut(event)?;
        let mut jobs = Vec::with_capacity(queue.len().min(self.max_batch));
        while jobs.len() < self.max_batch
            && let Some(job) = queue.pop_front()
        {
            if is_late(&job) {
                late.push(job);
            } else {
                jobs.push(job);
            }
        }
        if jobs.is_empty() {
            queues.by_event.remove(event);
        }
        queues.total -= jobs.len() + late.len();
        drop(queues);
        for job in late {
            job.refuse("it waited too long for its turn");
        }
        (!jobs.is_empty()).then_some(jobs)
    }
}

async fn wait<T>(deadline: Instant, answer: Reply<T>) -> Result<T> {
    match timeout_at(deadline, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_dropped)) => Err(Error::new(
            ErrorKind::OutcomeUnknown,
            "decide booking",
            "the desk failed while deciding",
        )),
        Err(_elapsed) => Err(Error::new(
            ErrorKind::OutcomeUnknown,
            "decide booking",
            "it was not decided in time",
        )),
    }
}

fn overloaded(message: &'static str) -> Error {
    Error::new(ErrorKind::Overloaded, "queue booking", message)
}
