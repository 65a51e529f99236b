//! What queues at a desk, and whom to answer.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::{BookingRequest, CancelOutcome, CancelRequest, Outcome};

/// Where a waiter gets its answer.
pub(super) type Reply<T> = oneshot::Receiver<Result<T>>;

/// A wish with its waiter. An answer nobody waits for any more is dropped; the work is done all the same.
#[derive(Debug)]
pub(super) enum Job {
    /// Seats are wanted.
    Book {
        request: Box<BookingRequest>,
        reply: oneshot::Sender<Result<Outcome>>,
        since: Instant,
    },
    /// Seats are given back.
    Cancel {
        request: Box<CancelRequest>,
        reply: oneshot::Sender<Result<CancelOutcome>>,
        since: Instant,
    },
}

impl Job {
    /// When it queued.
    pub(super) fn since(&self) -> Instant {
        match self {
            Self::Book { since, .. } | Self::Cancel { since, .. } => *since,
        }
    }

    /// Until when it may enter a batch.
    pub(super) fn deadline(&self) -> Instant {
        match self {
            Self::Book { request, .. } => request.deadline,
            Self::Cancel { request, .. } => request.deadline,
        }
    }

    /// Answers that nothing was tried and a repeat may help.
    pub(super) fn refuse(self, message: &'static str) {
        let error = Error::new(ErrorKind::Overloaded, "queue booking", message);
        match self {
            Self::Book { reply, .. } => drop(reply.send(Err(error))),
            Self::Cancel { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}
