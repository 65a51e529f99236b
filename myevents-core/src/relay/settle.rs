//! What follows from each answer: the next message, a confirm, a release, a parked row, a rest.

use std::collections::HashSet;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::observe::Observation;
use crate::ports::{Claim, OutboxDepth, OutboxRow, RowId};
use crate::relay::backoff::Rest;
use crate::relay::engine::Relay;
use crate::relay::jobs::{self, Answer};
use crate::relay::lanes::OpenRow;

/// Whether the broker refuses this very message, whenever it is sent.
fn is_permanent(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Rejected | ErrorKind::TooLarge | ErrorKind::Invalid | ErrorKind::Malformed
    )
}

/// Whether the broker as a whole did not do its part.
fn is_away(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unavailable | ErrorKind::OutcomeUnknown | ErrorKind::Closed | ErrorKind::Overloaded
    )
}

impl Relay {
    pub(super) fn settle(&mut self, answer: Answer) {
        match answer {
            Answer::Emitted(results) => self.emitted(results),
            Answer::Claimed(claim) => self.claimed(claim),
            Answer::Confirmed(rows, result) => self.confirmed(rows, result),
            Answer::Released(count) => {
                self.releasing -= 1;
                self.outcome.released += count;
            }
            Answer::Parked(open, result) => self.parked(open, result),
            Answer::Extended { asked, held } => self.extended(&asked, held),
            Answer::Depth(depth) => self.depth(depth),
        }
    }

    fn emitted(&mut self, results: Vec<(OpenRow, Result<()>)>) {
        self.in_flight -= results.len();
        let answered = results
            .iter()
            .any(|(_, result)| result.as_ref().err().is_none_or(|error| !is_away(error.kind())));
        let mut released = Vec::new();
        for (open, result) in results {
            match result {
                Ok(()) => {
                    self.outcome.emitted += 1;
                    self.observer.observe(&Observation::MessageEmitted {
                        name: open.held.row.envelope.name(),
                    });
                    self.lanes.taken(&open.key);
                    self.to_confirm.push(open.held.row);
                }
                Err(error) => self.not_emitted(open, &error, answered, &mut released),
            }
        }
        if answered {
            // The broker answers: what was released while it did not is found at once.
            if self.away.take().is_some() {
                self.poll_by(Instant::now());
                tracing::info!("the broker is back");
            }
        }
        self.release(released);
    }

    fn not_emitted(&mut self, open: OpenRow, error: &Error, answered: bool, released: &mut Vec<OutboxRow>) {
        self.outcome.failed += 1;
        let envelope = &open.held.row.envelope;
        self.observer.observe(&Observation::EmitFailed {
            name: envelope.name(),
            reason: error.kind().as_str(),
        });
        let options = &self.options;
        if is_permanent(error.kind()) {
            tracing::error!(message = %envelope.id(), name = %envelope.name(), %error, "the broker refuses a message for good; it is parked");
            self.in_flight += 1;
            self.jobs
                .push(jobs::park(self.outbox.clone(), open, error.to_string()));
            return;
        }
        if is_away(error.kind()) && !answered {
            // Emits that were open together fail together: they are one failure, not one each.
            if self.away.is_none_or(|rest| rest.is_over(Instant::now())) {
                tracing::warn!(%error, "the broker is away; messages stay in the outbox");
                let rest = Rest::after(self.away, options.backoff_first, options.backoff_most);
                self.poll_at = rest.until();
                self.away = Some(rest);
                released.extend(self.lanes.drain_waiting());
            }
        } else {
            tracing::warn!(message = %envelope.id(), name = %envelope.name(), %error, "a message was not taken; it stays in the outbox");
            let (first, most) = (options.backoff_first, options.backoff_most);
            self.lanes.rest(&open.key, first, most);
        }
        released.extend(self.lanes.let_go(open));
    }

    fn claimed(&mut self, claim: Result<Claim>) {
        self.claiming = false;
        let now = Instant::now();
        self.poll_at = now + self.options.poll_interval;
        match claim {
            Ok(claim) => {
                self.outcome.claimed += claim.rows.len();
                let found = !claim.rows.is_empty();
                // Only a claim that nothing of ours stood in the way of tells that nothing waits.
                self.expecting = found || (self.expecting && (self.changed || self.obstructed));
                if (found || (self.expecting && self.changed)) && self.away.is_none() {
                    // There may be more: beyond the limit, or set free while the claim was open. What is behind a
                    // message that is still open is asked for when that is confirmed.
                    self.poll_at = now + self.options.poll_gap;
                }
                if let Some(rest) = self.away {
                    self.poll_at = rest.until();
                    if claim.rows.is_empty() {
                        // Nothing to ask with, so the next message that is written asks.
                        self.poll_at = now + self.options.poll_interval;
                    }
                }
                self.lanes.admit(claim.rows, now);
            }
            Err(error) => {
                tracing::warn!(%error, "the outbox can't be read");
                let rest = Rest::after(
                    self.store_away,
                    self.options.backoff_first,
                    self.options.backoff_most,
                );
                self.poll_at = rest.until();
                self.store_away = Some(rest);
                return;
            }
        }
        self.store_away = None;
    }

    fn confirmed(&mut self, rows: Vec<OutboxRow>, result: Result<()>) {
        self.confirming = false;
        match result {
            Ok(()) => {
                self.outcome.confirmed += rows.len();
                self.lanes.forget(&rows);
                self.confirm_at = None;
                // Messages born free behind these may go now.
                self.poll_after_confirm();
            }
            Err(error) => {
                tracing::warn!(%error, "the outbox did not take a confirm; it is repeated");
                let mut rows = rows;
                rows.append(&mut self.to_confirm);
                self.to_confirm = rows;
                let rest = Rest::after(
                    self.confirm_at,
                    self.options.backoff_first,
                    self.options.backoff_most,
                );
                self.confirm_at = Some(rest);
            }
        }
    }

    fn parked(&mut self, open: OpenRow, result: Result<bool>) {
        self.in_flight -= 1;
        match result {
            Ok(true) => {
                self.outcome.parked += 1;
                self.lanes.taken(&open.key);
                self.lanes.forget(std::slice::from_ref(&open.held.row));
                self.poll_after_confirm();
            }
            // Another relay holds it by now; the later ones must not overtake it.
            Ok(false) => {
                let rows = self.lanes.let_go(open);
                self.release(rows);
            }
            Err(error) => {
                tracing::warn!(%error, "a message that the broker refuses was not parked; it is tried again");
                let (first, most) = (self.options.backoff_first, self.options.backoff_most);
                self.lanes.rest(&open.key, first, most);
                let rows = self.lanes.let_go(open);
                self.release(rows);
            }
        }
    }

    fn extended(&mut self, asked: &[OutboxRow], held: Result<HashSet<RowId>>) {
        self.extending = false;
        match held {
            Ok(held) => {
                let lost: HashSet<RowId> = asked
                    .iter()
                    .map(|row| row.id.clone())
                    .filter(|id| !held.contains(id))
                    .collect();
                if !lost.is_empty() {
                    let later = self.lanes.lost(&lost);
                    self.release(later);
                }
            }
            Err(error) => tracing::warn!(%error, "leases of the outbox were not extended"),
        }
    }
}

impl Relay {
    fn depth(&mut self, depth: Result<OutboxDepth>) {
        let Some((service, interval)) = &self.options.report_depth else {
            return;
        };
        self.depth_at = Some(Instant::now() + *interval);
        match depth {
            Ok(depth) => self.observer.observe(&Observation::Outbox {
                service,
                depth,
                now: self.clock.now(),
            }),
            Err(error) => tracing::debug!(%error, "the depth of the outbox can't be read"),
        }
    }
}
