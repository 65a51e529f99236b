//! `Relay`: what is started when, one step, and the loop until the stop.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::observe::Observer;
use crate::ports::{Clock, EventEmitter, Outbox, OutboxRow};
use crate::relay::backoff::Rest;
use crate::relay::jobs::{self, Job};
use crate::relay::lanes::Lanes;
use crate::relay::{HandoverReceiver, RelayOptions, RelayOutcome};

/// Takes messages from one outbox to one broker. Several relays may share an outbox: each row is held by one of them.
///
/// * Messages of an entity are published in the order of its writes, one open at a time.
/// * A row is confirmed only after the broker took its message; a crash in between repeats the message.
/// * A broker that is away costs nothing but time: nothing is parked, nothing is lost.
pub struct Relay {
    pub(super) outbox: Arc<dyn Outbox>,
    emitter: Arc<dyn EventEmitter>,
    handover: HandoverReceiver,
    pub(super) options: RelayOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
    batch: usize,
    pub(super) lanes: Lanes,
    pub(super) jobs: FuturesUnordered<Job>,
    pub(super) to_confirm: Vec<OutboxRow>,
    /// Messages at the broker, and rows on their way to be parked.
    pub(super) in_flight: usize,
    pub(super) releasing: usize,
    pub(super) claiming: bool,
    pub(super) confirming: bool,
    pub(super) extending: bool,
    /// The broker did not answer: until when it is left alone.
    pub(super) away: Option<Rest>,
    /// A writer said that something waits behind a message that was not confirmed: each confirm may set it free.
    pub(super) expecting: bool,
    /// Something changed while a claim was open, whose answer may not know of it.
    pub(super) changed: bool,
    /// Rows were held when the claim started: what is behind them could not be claimed.
    pub(super) obstructed: bool,
    pub(super) store_away: Option<Rest>,
    pub(super) confirm_at: Option<Rest>,
    pub(super) poll_at: Instant,
    pub(super) last_poll: Instant,
    extend_at: Instant,
    /// When the depth is read next; `None` while it is being read, or never.
    pub(super) depth_at: Option<Instant>,
    pub(super) outcome: RelayOutcome,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("held", &self.lanes.len())
            .field("in_flight", &self.in_flight)
            .field("away", &self.away)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// A relay that has not started. `handover` is the receiving side of what the outbox's writers offer to.
    #[must_use]
    pub fn new(
        outbox: Arc<dyn Outbox>,
        emitter: Arc<dyn EventEmitter>,
        handover: HandoverReceiver,
        options: RelayOptions,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let batch = options
            .max_batch
            .unwrap_or(if emitter.capabilities().name == "local" {
                1
            } else {
                100
            })
            .max(1);
        let now = Instant::now();
        Self {
            outbox,
            emitter,
            handover,
            batch,
            clock,
            observer,
            lanes: Lanes::default(),
            jobs: FuturesUnordered::new(),
            to_confirm: Vec::new(),
            in_flight: 0,
            releasing: 0,
            claiming: false,
            confirming: false,
            extending: false,
            away: None,
            expecting: true,
            changed: false,
            obstructed: false,
            store_away: None,
            confirm_at: None,
            poll_at: now,
            last_poll: now,
            extend_at: now + options.lease / 3,
            depth_at: options.report_depth.as_ref().map(|_| now),
            options,
            outcome: RelayOutcome::default(),
        }
    }

    /// One step: takes what was handed over and claims once, hands it to the broker, and settles every answer. Waits
    /// for no backoff. Returns when nothing that it started is open any more.
    pub async fn relay_once(&mut self) -> RelayOutcome {
        self.outcome = RelayOutcome::default();
        self.poll_at = Instant::now();
        self.confirm_at = None;
        self.lanes.wake_rested(Instant::now(), true);
        let mut polls = 1;
        loop {
            let now = Instant::now();
            // A second claim is the next step's.
            self.pump(now, polls > 0, true);
            if self.claiming {
                polls = 0;
            }
            match self.jobs.next().await {
                Some(answer) => self.settle(answer),
                None if self.confirm_at.is_some() => break,
                None if self.to_confirm.is_empty() => break,
                None => {}
            }
        }
        self.outcome
    }

    /// Runs until `shutdown` is cancelled. Then nothing more is taken, what waits is released, open emits and their
    /// confirms are waited for up to [`RelayOptions::shutdown_timeout`], and what is still held is released.
    pub async fn run(mut self, shutdown: CancellationToken) {
        self.poll_at = Instant::now();
        while !shutdown.is_cancelled() {
            let now = Instant::now();
            let next_rest = self.lanes.wake_rested(now, false);
            if self.depth_at.is_some_and(|at| at <= now) {
                self.depth_at = None;
                self.jobs.push(jobs::depth(self.outbox.clone()));
            }
            self.pump(now, true, false);
            let wake_at = self.next_timer(next_rest);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(answer) = self.jobs.next() => self.settle(answer),
                () = self.handover.notified() => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
            // Answers that came together are settled together: their confirms become one.
            for _ in 0..self.options.max_in_flight {
                match self.jobs.next().now_or_never() {
                    Some(Some(answer)) => self.settle(answer),
                    _ => break,
                }
            }
        }
        self.stop().await;
    }

    fn next_timer(&self, next_rest: Option<Instant>) -> Instant {
        let mut at = if self.claiming {
            self.extend_at
        } else {
            self.poll_at.min(self.extend_at)
        };
        // While a confirm is open its rest is over, and waiting for it would be no waiting.
        let confirm_at = self.confirm_at.filter(|_| !self.confirming).map(Rest::until);
        for other in [next_rest, self.depth_at, confirm_at].into_iter().flatten() {
            at = at.min(other);
        }
        at
    }

    /// Polls no later than `at`, unless the broker or the store is to be left alone.
    pub(super) fn poll_by(&mut self, at: Instant) {
        if self.away.is_none() && self.store_away.is_none() {
            self.poll_at = self.poll_at.min(at);
        }
    }

    /// Polls soon after a confirm: at once where something is known to wait, else now and then.
    pub(super) fn poll_after_confirm(&mut self) {
        self.changed = true;
        let gap = if self.expecting {
            self.options.poll_gap
        } else {
            (self.options.poll_gap * 10).min(self.options.poll_interval)
        };
        self.poll_by(self.last_poll + gap);
    }

    pub(super) fn release(&mut self, rows: Vec<OutboxRow>) {
        if !rows.is_empty() {
            self.releasing += 1;
            self.jobs.push(jobs::release(self.outbox.clone(), rows));
        }
    }

    /// Starts whatever may start now.
    fn pump(&mut self, now: Instant, may_poll: bool, forced: bool) {
        self.take_handover(now, forced);
        self.start_emits(forced);
        if !self.confirming
            && !self.to_confirm.is_empty()
            && self.confirm_at.is_none_or(|rest| rest.is_over(now))
        {
            self.confirming = true;
            let rows = std::mem::take(&mut self.to_confirm);
            self.jobs.push(jobs::confirm(self.outbox.clone(), rows));
        }
        if may_poll {
            self.start_claim(now, forced);
        }
        if now >= self.extend_at {
            self.extend_at = now + self.options.lease / 6;
            if !self.extending {
                let rows = self.lanes.older_than(self.options.lease / 3, now);
                if !rows.is_empty() {
                    self.extending = true;
                    self.jobs
                        .push(jobs::extend(self.outbox.clone(), rows, self.options.lease));
                }
            }
        }
    }

    fn take_handover(&mut self, now: Instant, forced: bool) {
        if self.handover.take_woken() {
            self.expecting = true;
            self.changed = true;
            self.poll_by(self.last_poll + self.options.poll_gap);
        }
        let (mut rows, mut surplus) = self.handover.take();
        if rows.is_empty() && surplus.is_empty() {
            return;
        }
        self.outcome.handed_over += rows.len();
        if self.away.is_some() && !forced {
            // They wait in the outbox like everything else until a probe finds the broker back.
            surplus.append(&mut rows);
        }
        let room = self.options.max_held.saturating_sub(self.lanes.len());
        if rows.len() > room {
            surplus.extend(rows.split_off(room));
        }
        self.lanes.admit(rows, now);
        self.release(surplus);
    }

    fn start_emits(&mut self, forced: bool) {
        let away = self.away.is_some() && !forced;
        if away && (self.in_flight > 0 || self.away.is_some_and(|rest| !rest.is_over(Instant::now()))) {
            return;
        }
        loop {
            let room = self.options.max_in_flight.saturating_sub(self.in_flight);
            let batch = if away {
                self.options.probe_batch
            } else {
                self.batch
            };
            let open = self.lanes.open(batch.min(room));
            if open.is_empty() {
                return;
            }
            self.in_flight += open.len();
            self.jobs.push(jobs::emit(self.emitter.clone(), open));
            if away {
                // One batch asks whether it is back.
                return;
            }
        }
    }

    fn start_claim(&mut self, now: Instant, forced: bool) {
        if self.claiming || (now < self.poll_at && !forced) {
            return;
        }
        // Rows that are being released can't be claimed yet; the answer would say that nothing waits.
        let away = self.away.is_some() && !forced;
        if self.releasing > 0 || (away && self.in_flight > 0) {
            self.poll_at = now + self.options.poll_gap;
            return;
        }
        let room = self.options.max_held.saturating_sub(self.lanes.len());
        let limit = if away {
            self.options.probe_batch
        } else {
            self.options.claim_limit
        };
        if room == 0 {
            self.poll_at = now + self.options.poll_gap;
            return;
        }
        self.claiming = true;
        self.changed = false;
        self.obstructed = self.lanes.len() > 0;
        self.last_poll = now;
        self.jobs.push(jobs::claim(
            self.outbox.clone(),
            limit.min(room),
            self.options.lease,
        ));
    }

    async fn stop(mut self) {
        let waiting = self.lanes.drain_waiting();
        self.release(waiting);
        let (mut rows, surplus) = self.handover.take();
        rows.extend(surplus);
        self.release(rows);
        let timeout = self.options.shutdown_timeout;
        let drain = async {
            loop {
                // Whatever a late claim or answer brings back is not started any more.
                let waiting = self.lanes.drain_waiting();
                self.release(waiting);
                if !self.confirming && !self.to_confirm.is_empty() && self.confirm_at.is_none() {
                    self.confirming = true;
                    let rows = std::mem::take(&mut self.to_confirm);
                    self.jobs.push(jobs::confirm(self.outbox.clone(), rows));
                }
                match self.jobs.next().await {
                    Some(answer) => self.settle(answer),
                    None => break,
                }
            }
        };
        if tokio::time::timeout(timeout, drain).await.is_err() {
            tracing::warn!(
                open = self.in_flight,
                "messages were still at the broker at the stop; they may come twice"
            );
        }
        let held = self.lanes.drain_all();
        if !held.is_empty()
            && let Err(error) = self.outbox.release(&held).await
        {
            tracing::debug!(%error, "rows of the outbox were not released; their lease runs out");
        }
    }
}
