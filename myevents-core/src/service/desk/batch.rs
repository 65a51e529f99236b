//! Decides one batch of one event: rules of sale first, then the store, then answers and messages.
//!
//! The copy of the event is remembered between batches. A remembered one lets wishes pass, as the store compares its
//! version with the counter's in the commit; nobody is refused by it before it was read again.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::domain::{EventId, EventRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{Observation, Observer};
use crate::ports::{
    BookOptions, BookingRequest, CancelOutcome, CancelRequest, Clock, Committed, DatabaseHandler, Outcome,
};
use crate::relay::Handover;
use crate::service::desk::DeskOptions;
use crate::service::desk::job::Job;

/// What deciding needs.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) store: Arc<dyn DatabaseHandler>,
    pub(super) handover: Handover,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) options: DeskOptions,
    pub(super) copies: Copies,
}

/// Copies of events as they were last read, the most used ones.
pub(super) type Copies = moka::sync::Cache<EventId, Arc<EventRecord>>;

/// How many copies are remembered.
const COPIES: u64 = 1_024;

/// Room for copies, none in it.
pub(super) fn copies() -> Copies {
    moka::sync::Cache::new(COPIES)
}

/// Where the copy of an event comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Read for an earlier batch: it may let wishes pass, never refuse.
    Remembered,
    /// Read for this one.
    Fresh,
}

type Booker = (BookingRequest, oneshot::Sender<Result<Outcome>>);
type Refused = (BookingRequest, oneshot::Sender<Result<Outcome>>, Outcome);
type Canceller = (CancelRequest, oneshot::Sender<Result<CancelOutcome>>);

impl Batch {
    /// Decides `jobs` in their order: runs of bookings as one batch each, runs of cancels side by side.
    pub(super) async fn decide(&self, event: &EventId, jobs: Vec<Job>) {
        self.observer
            .observe(&Observation::DeskBatch { size: jobs.len() });
        let mut bookers = Vec::with_capacity(jobs.len());
        let mut cancellers = Vec::new();
        for job in jobs {
            match job {
                Job::Book { request, reply, .. } => {
                    self.cancel(std::mem::take(&mut cancellers)).await;
                    bookers.push((*request, reply));
                }
                Job::Cancel { request, reply, .. } => {
                    self.book(event, std::mem::take(&mut bookers)).await;
                    cancellers.push((*request, reply));
                }
            }
        }
        self.book(event, bookers).await;
        self.cancel(cancellers).await;
    }

    async fn cancel(&self, cancellers: Vec<Canceller>) {
        join_all(cancellers.into_iter().map(|(request, reply)| async move {
            let outcome = self.store.cancel_booking(&request).await;
            drop(reply.send(outcome.map(|committed| {
                if matches!(committed.value, CancelOutcome::Cancelled(_)) {
                    self.handover.offer(committed.leased);
                }
                committed.value
            })));
        }))
        .await;
    }

    /// Decides bookings; a second one with the same id waits for the first and is decided in a further round.
    async fn book(&self, event: &EventId, mut bookers: Vec<Booker>) {
        while !bookers.is_empty() {
            let mut seen = HashSet::with_capacity(bookers.len());
            let (round, later): (Vec<_>, Vec<_>) = bookers
                .into_iter()
                .partition(|(request, _)| seen.insert(request.booking.id.clone()));
            let again = match self.copies.get(event) {
                Some(copy) => {
                    self.book_round(event, Some(&copy), Source::Remembered, round)
                        .await
                }
                None => round,
            };
            if !again.is_empty() {
                self.book_by_fresh_copy(event, again).await;
            }
            bookers = later;
        }
    }

    async fn book_by_fresh_copy(&self, event: &EventId, round: Vec<Booker>) {
        let copy = match self.store.find_event(event).await {
            Ok(copy) => copy.map(Arc::new),
            Err(error) => {
                for (_, reply) in round {
                    drop(reply.send(Err(error.duplicate())));
                }
                return;
            }
        };
        match &copy {
            Some(copy) => self.copies.insert(event.clone(), Arc::clone(copy)),
            None => self.copies.invalidate(event),
        }
        let changing = self
            .book_round(event, copy.as_deref(), Source::Fresh, round)
            .await;
        for (_, reply) in changing {
            drop(reply.send(Err(Error::new(
                ErrorKind::Unavailable,
                "decide booking",
                "the event is being changed",
            ))));
        }
    }

    /// Decides a round by the rules of `copy` and by the store. Answers who has to be decided again by a fresh copy:
    /// whom a remembered one would refuse, and whom the store found to come by rules that have changed.
    async fn book_round(
        &self,
        event: &EventId,
        copy: Option<&EventRecord>,
        source: Source,
        round: Vec<Booker>,
    ) -> Vec<Booker> {
        let mut requests = Vec::with_capacity(round.len());
        let mut replies = Vec::with_capacity(round.len());
        let mut refused = Vec::new();
        let mut again = Vec::new();
        let now = self.clock.now().seconds();
        for (mut request, reply) in round {
            // An event that comes between this look and the store's must not be sold without its rules of sale.
            let refusal = match copy {
                Some(copy) => self.options.sales.refusal(&copy.event, &request, now),
                None => Some(Outcome::UnknownEvent),
            };
            match (refusal, source) {
                (Some(_), Source::Remembered) => again.push((request, reply)),
                (Some(refusal), Source::Fresh) => refused.push((request, reply, refusal)),
                (None, _) => {
                    if let Some(copy) = copy {
                        request.limits = copy.event.person_limits;
                    }
                    requests.push(request);
                    replies.push(reply);
                }
            }
        }
        self.refuse(event, refused).await;
        if requests.is_empty() {
            return again;
        }
        let options = BookOptions {
            unknown_capacity: self.options.unknown_capacity,
            seen: copy.map(|copy| copy.version),
        };
        let results = self.decide_by_store(event, &requests, options).await;
        let (mut booked, mut leased) = (false, Vec::with_capacity(results.len()));
        for ((result, reply), request) in results.into_iter().zip(replies).zip(requests) {
            if is_stale(&result) {
                again.push((request, reply));
                continue;
            }
            let outcome = result.map(|committed| {
                leased.extend(committed.leased);
                committed.value
            });
            if let Ok(Outcome::Booked(booking)) = &outcome {
                booked = true;
                let event_name = copy.map_or("", |copy| copy.event.name.as_str());
                let seats = booking.seats.get();
                self.observer.observe(&Observation::BookingAccepted {
                    event,
                    event_name,
                    seats,
                });
            }
            drop(reply.send(outcome));
        }
        // Refusals leave nothing in the outbox, so they wake nobody.
        if booked {
            self.handover.offer(leased);
        }
        again
    }

    /// Answers wishes that the rules of sale refuse. What the clock refuses the counter knows nothing of, so late commits
    /// of earlier tries are fenced off first; the other rules change only with the event, and so does the counter's epoch.
    async fn refuse(&self, event: &EventId, refused: Vec<Refused>) {
        let by_the_clock = |outcome: &Outcome| matches!(outcome, Outcome::NotOnSale);
        let fenced = if refused.iter().any(|(_, _, refusal)| by_the_clock(refusal)) {
            self.store.fence(event).await
        } else {
            Ok(())
        };
        for (request, reply, refusal) in refused {
            let answer = match &fenced {
                Err(error) if by_the_clock(&refusal) => Err(error.duplicate()),
                _ => self.unless_booked_before(&request, refusal).await,
            };
            drop(reply.send(answer));
        }
    }

    /// A client that lost its answer must find its booking, not a rule that holds by now.
    async fn unless_booked_before(&self, request: &BookingRequest, refusal: Outcome) -> Result<Outcome> {
        Ok(match self.store.find_booking(&request.booking.id).await? {
            Some(stored) if stored.fingerprint == request.booking.fingerprint => Outcome::Existing(stored),
            Some(_) => Outcome::KeyReused,
            None => refusal,
        })
    }

    /// Asks the store; a batch that fails as a whole for a reason that time does not cure is narrowed by halving, so
    /// that only the culprit fails.
    async fn decide_by_store(
        &self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
    ) -> Vec<Result<Committed<Outcome>>> {
        let mut results = Vec::with_capacity(requests.len());
        let mut parts = vec![requests];
        while let Some(part) = parts.pop() {
            let decided = self.store.book(event, part, options).await;
            if decided.len() != part.len() {
                results.extend(part.iter().map(|_| Err(wrong_count())));
                continue;
            }
            let hopeless = decided
                .iter()
                .all(|result| matches!(result, Err(error) if !error.is_retryable()) && !is_stale(result));
            if hopeless && part.len() > 1 {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            } else {
                results.extend(decided);
            }
        }
        results
    }
}

/// Whether the store found that the rules of sale may have changed; see [`BookOptions::seen`].
fn is_stale(result: &Result<Committed<Outcome>>) -> bool {
    matches!(result, Err(error) if error.kind() == ErrorKind::Precondition)
}

fn wrong_count() -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "decide booking",
        "the store answered another number of requests than asked",
    )
}
