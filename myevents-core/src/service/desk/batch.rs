//! Decides one batch of one event: rules of sale first, then the store, then answers and messages.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::Instant;

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
}

type Booker = (BookingRequest, oneshot::Sender<Result<Outcome>>);
type Refused = (BookingRequest, oneshot::Sender<Result<Outcome>>, Outcome);
type Canceller = (CancelRequest, oneshot::Sender<Result<CancelOutcome>>);

impl Batch {
    /// Decides `jobs` in their order: runs of bookings as one batch each, runs of cancels side by side.
    pub(super) async fn decide(&self, event: &EventId, jobs: Vec<Job>) {
        self.observer
            .observe(&Observation::DeskBatch { size: jobs.len() });
        let now = Instant::now();
        let mut bookers = Vec::with_capacity(jobs.len());
        let mut cancellers = Vec::new();
        for job in jobs {
            if now.duration_since(job.since()) > self.options.wait || now >= job.deadline() {
                job.refuse("it waited too long for its turn");
                continue;
            }
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
        if bookers.is_empty() {
            return;
        }
        let record = match self.store.find_event(event).await {
            Ok(record) => record,
            Err(error) => {
                for (_, reply) in bookers {
                    drop(reply.send(Err(error.duplicate())));
                }
                return;
            }
        };
        while !bookers.is_empty() {
            let mut seen = HashSet::with_capacity(bookers.len());
            let (round, later): (Vec<_>, Vec<_>) = bookers
                .into_iter()
                .partition(|(request, _)| seen.insert(request.booking.id.clone()));
            self.book_round(event, record.as_ref(), round).await;
            bookers = later;
        }
    }

    async fn book_round(&self, event: &EventId, record: Option<&EventRecord>, round: Vec<Booker>) {
        let mut requests = Vec::with_capacity(round.len());
        let mut replies = Vec::with_capacity(round.len());
        let mut refused = Vec::new();
        let now = self.clock.now().seconds();
        for (mut request, reply) in round {
            // An event that comes between this look and the store's must not be sold without its rules of sale.
            let refusal = match record {
                Some(record) => self.options.sales.refusal(&record.event, &request, now),
                None => Some(Outcome::UnknownEvent),
            };
            if let Some(refusal) = refusal {
                refused.push((request, reply, refusal));
                continue;
            }
            if let Some(record) = record {
                request.limits = record.event.person_limits;
            }
            requests.push(request);
            replies.push(reply);
        }
        self.refuse(event, refused).await;
        if requests.is_empty() {
            return;
        }
        let results = self.decide_by_store(event, &requests).await;
        let (mut booked, mut leased) = (false, Vec::with_capacity(results.len()));
        for (result, reply) in results.into_iter().zip(replies) {
            let outcome = result.map(|committed| {
                leased.extend(committed.leased);
                committed.value
            });
            if let Ok(Outcome::Booked(booking)) = &outcome {
                booked = true;
                let event_name = record.map_or("", |record| record.event.name.as_str());
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
    ) -> Vec<Result<Committed<Outcome>>> {
        let options = BookOptions {
            unknown_capacity: self.options.unknown_capacity,
        };
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
                .all(|result| matches!(result, Err(error) if !error.is_retryable()));
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

fn wrong_count() -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "decide booking",
        "the store answered another number of requests than asked",
    )
}
