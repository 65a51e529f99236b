//! What happened, for metrics: the crate reports observations, a handed-over observer counts them.

use std::fmt::Debug;
use std::time::Duration;

use crate::contract::MessageName;
use crate::domain::{EventId, UnixMillis};
use crate::ports::OutboxDepth;

/// Something worth counting. Holds no name of a person, no address, no booking id.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Observation<'a> {
    /// A request was answered.
    HttpRequest {
        /// The method.
        method: &'a str,
        /// The route's template, such as `/events/{id}`; `unmatched` where none fits.
        route: &'a str,
        /// The status.
        status: u16,
        /// From the request's head to the response's head.
        elapsed: Duration,
    },
    /// A booking was accepted (a new one, not a replay).
    BookingAccepted {
        /// The event.
        event: &'a EventId,
        /// Its name.
        event_name: &'a str,
        /// The seats.
        seats: u32,
    },
    /// A booking was refused, with the stable word for why.
    BookingRefused {
        /// `sold-out`, `cancelled`, …
        reason: &'static str,
    },
    /// A booking was cancelled.
    BookingCancelled {
        /// The seats given back.
        seats: u32,
    },
    /// A desk handed a batch of this many jobs to the store.
    DeskBatch {
        /// Jobs in it.
        size: usize,
    },
    /// The broker took a message.
    MessageEmitted {
        /// Its name.
        name: &'a MessageName,
    },
    /// The broker did not take a message; it stays in the outbox.
    EmitFailed {
        /// Its name.
        name: &'a MessageName,
        /// The error kind's word.
        reason: &'static str,
    },
    /// The broker took a message that nobody subscribes to.
    MessageUnrouted {
        /// Its name.
        name: &'a MessageName,
    },
    /// A handler finished a message.
    MessageHandled {
        /// The consumer group.
        consumer: &'a str,
        /// Its name.
        name: &'a MessageName,
        /// How long the handler ran.
        elapsed: Duration,
    },
    /// A message nobody handles was acknowledged.
    MessageIgnored {
        /// The consumer group.
        consumer: &'a str,
        /// Its name.
        name: &'a MessageName,
    },
    /// A handler failed and the message will be tried again.
    MessageRetried {
        /// The consumer group.
        consumer: &'a str,
        /// Its name.
        name: &'a MessageName,
    },
    /// A message went to the dead letters.
    MessageDeadLettered {
        /// The consumer group.
        consumer: &'a str,
        /// Its name.
        name: &'a MessageName,
    },
    /// The broker did not take note of how far a consumer has come: it goes on, and what it handled since the last success
    /// comes again if it ends.
    CommitFailed {
        /// The consumer group.
        consumer: &'a str,
    },
    /// How much waits in the outbox now.
    Outbox {
        /// The service the outbox belongs to.
        service: &'a str,
        /// The depth.
        depth: OutboxDepth,
        /// Now, to tell the age of the oldest row.
        now: UnixMillis,
    },
    /// The files of a listener's HTTPS had changed.
    TlsReload {
        /// The service whose listener it is.
        service: &'a str,
        /// `taken` or `refused`.
        outcome: &'static str,
    },
    /// A certificate is in force.
    TlsCertificate {
        /// The service whose listener has it.
        service: &'a str,
        /// The last second in which it is valid, in Unix time.
        until: i64,
    },
    /// A TLS handshake came to nothing.
    TlsHandshakeFailed {
        /// The service whose listener it was.
        service: &'a str,
        /// One of a few words.
        reason: &'static str,
    },
    /// A connection with a request waited too long for its turn, see `max_connections_active` of the server's limits.
    ConnectionRefused {
        /// The name of the listener.
        listener: &'static str,
    },
    /// A mail to a holder was handed to the mail server, or was not.
    Mail {
        /// What it is about: `event.booked`, `booking.cancelled` or `event.cancelled`.
        about: &'static str,
        /// `sent`; `refused` for good; `retried`, as the server is away or asks to come back; `unknown`, as its answer was lost.
        outcome: &'static str,
    },
    /// How many records of a store hold lines of the audit log that should be in the log since minutes.
    AuditUnmoved {
        /// The service whose store it is.
        service: &'a str,
        /// The records; expected 0.
        records: u64,
    },
    /// A counter was held against its bookings.
    CounterDrift {
        /// The sum of all drifts found in this round; expected 0.
        drift: i64,
    },
}

/// Counts observations. Called on hot paths: it must not block or panic.
pub trait Observer: Debug + Send + Sync + 'static {
    /// Takes note.
    fn observe(&self, observation: &Observation<'_>);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _observation: &Observation<'_>) {}
}
