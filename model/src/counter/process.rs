//! A process of the counter model: its desk, how it decides a batch, and what it answers.

use super::store::{self, Booking, Call, Counter};
use super::{Ballot, Config, Fault, Guard, Mutation, State, Told};

/// What a process does at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// No batch in the store.
    #[default]
    Idle,
    /// Next it reads the counter.
    Counter,
    /// Next it looks the ids up, and decides by this counter.
    Bookings(Counter),
    /// Next it raises the epoch, to refuse by the clock or by the copy.
    Fence,
    /// A commit is on its way.
    Commit(Call),
}

/// One process with its desk for the event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Process {
    /// Who waits for the next batch.
    pub queue: Vec<Ballot>,
    /// Who is in the batch and not yet answered.
    pub batch: Vec<Ballot>,
    /// Where the batch is.
    pub phase: Phase,
    /// The counter as it was seen last: may grant, never refuse.
    pub memory: Option<Counter>,
    /// The version of the copy of the event that the batch was begun with.
    pub rules: u8,
    /// The epoch was raised since everybody in the batch arrived.
    pub fenced: bool,
    /// What an early look-up found; empty unless a mutation looks up too early.
    pub found: Vec<Option<Booking>>,
}

impl State {
    /// The queue becomes the batch; an id that is in it already waits for its first.
    pub(super) fn start(&mut self, config: &Config, process: usize, from_memory: bool) {
        let copy = self.copy;
        let desk = &mut self.processes[process];
        desk.rules = copy;
        desk.fenced = false;
        for ballot in std::mem::take(&mut desk.queue) {
            let id = config.request(ballot).id;
            let twice = desk.batch.iter().any(|other| config.request(*other).id == id);
            if twice && !config.is(Mutation::IdTwiceInBatch) {
                desk.queue.push(ballot);
            } else {
                desk.batch.push(ballot);
            }
        }
        let memory = desk.memory.filter(|_| from_memory);
        self.read_counter_next(config, process);
        if let Some(seen) = memory {
            if config.is(Mutation::RefuseFromMemory) {
                self.decide(config, process, &seen);
            } else {
                self.grant_from_memory(config, process, &seen);
            }
        }
    }

    /// Commits what fits the remembered counter; everybody else waits for a fresh one.
    fn grant_from_memory(&mut self, config: &Config, process: usize, seen: &Counter) {
        let mut left = seen.available.unwrap_or(0);
        let mut granted = Vec::new();
        if config.rules(self.processes[process].rules) != (false, true) {
            return;
        }
        for ballot in &self.processes[process].batch {
            let seats = config.request(*ballot).seats;
            if seen.open && !self.sale_over && left >= seats {
                left -= seats;
                granted.push(*ballot);
            }
        }
        if !granted.is_empty() {
            self.send_commit(process, granted, seen);
        }
    }

    /// Looks every id of the batch up and decides: answers, commits what is granted, leaves the rest for a next round.
    pub(super) fn decide(&mut self, config: &Config, process: usize, seen: &Counter) {
        let batch = self.processes[process].batch.clone();
        let mut left = seen.available.unwrap_or(0);
        let (mut granted, mut fence) = (Vec::new(), false);
        let (cancelled, allowed) = config.rules(self.processes[process].rules);
        let fenced = self.processes[process].fenced;
        for ballot in batch {
            let request = *config.request(ballot);
            let stored = if config.is(Mutation::BookingsBeforeCounter) {
                self.processes[process].found[request.id as usize]
            } else {
                self.booking(request.id).copied()
            };
            let refused_first = config.is(Mutation::RefuseBeforeLookup)
                && seen.available.is_some_and(|available| available < request.seats)
                || config.is(Mutation::CancelledBeforeLookup) && !seen.open;
            if let Some(booking) = stored.filter(|_| !refused_first) {
                let same = booking.fingerprint == request.fingerprint;
                if same || config.is(Mutation::NoFingerprint) {
                    if !same {
                        self.fault(Fault::ForeignBooking);
                    }
                    self.answer(process, ballot, Told::Existing);
                } else {
                    self.refuse(config, process, ballot, Told::KeyReused);
                }
            } else if !seen.open || cancelled {
                self.refuse(config, process, ballot, Told::EventCancelled);
            } else if self.sale_over || !allowed {
                // Neither a clock nor a copy is proof that an earlier try can't apply any more; a raised epoch is.
                let bare = if self.sale_over {
                    config.is(Mutation::ClockRefuses)
                } else {
                    config.guard == Guard::Version || config.is(Mutation::CopyRefuses)
                };
                let told = if self.sale_over {
                    Told::SaleOver
                } else {
                    Told::NotAllowed
                };
                if fenced || bare {
                    self.refuse(config, process, ballot, told);
                } else {
                    fence = true;
                }
            } else if seen.available.is_none() && !config.allow_unknown {
                self.refuse(config, process, ballot, Told::CapacityUnknown);
            } else if self.beyond_limit(config, ballot, &granted) {
                if self.beyond_limit(config, ballot, &[]) {
                    self.refuse(config, process, ballot, Told::LimitReached);
                }
            } else if seen.available.is_none() || left >= request.seats {
                left -= request.seats;
                granted.push(ballot);
            } else if seen.available.is_some_and(|available| available < request.seats)
                || config.is(Mutation::RefuseBehindOthers)
            {
                self.refuse(config, process, ballot, Told::SoldOut);
            }
        }
        if !granted.is_empty() {
            self.send_commit(process, granted, seen);
        } else if fence {
            self.processes[process].phase = Phase::Fence;
        } else {
            self.processes[process].memory = Some(*seen);
            self.next_round(config, process, None);
        }
    }

    fn beyond_limit(&self, config: &Config, ballot: Ballot, granted: &[Ballot]) -> bool {
        let request = config.request(ballot);
        let before: i8 = granted
            .iter()
            .map(|other| config.request(*other))
            .filter(|other| other.person == request.person)
            .map(|other| other.seats)
            .sum();
        config
            .limit
            .is_some_and(|limit| self.seats_of(request.person) + before + request.seats > limit)
    }

    fn send_commit(&mut self, process: usize, ballots: Vec<Ballot>, seen: &Counter) {
        let unknown = seen.available.is_none();
        self.processes[process].phase = Phase::Commit(Call::Commit {
            ballots,
            epoch: seen.epoch,
            unknown,
            rules: self.processes[process].rules,
        });
    }

    /// The commit takes effect, or its condition fails, and the process hears of it.
    pub(super) fn commit_answered(&mut self, config: &Config, process: usize, call: &Call) {
        let applied = store::apply(config, self, call, false);
        let Call::Commit { ballots, .. } = call else {
            return;
        };
        if !applied {
            // Nothing that was remembered is worth anything now.
            self.processes[process].memory = None;
            // Perhaps the copy that allowed this is no longer the newest.
            self.processes[process].rules = self.copy;
            self.read_counter_next(config, process);
            return;
        }
        for ballot in ballots {
            self.answer(process, *ballot, Told::Booked);
        }
        self.note_ended(process);
        // The answer carries the counter, seen after everybody in the batch arrived: it may refuse, after a look-up.
        self.processes[process].memory = Some(self.counter);
        self.next_round(config, process, Some(self.counter));
    }

    /// Raises the epoch and reads the counter in one call.
    pub(super) fn fence(&mut self, process: usize) {
        self.counter.epoch += 1;
        self.note_ended(process);
        let counter = self.counter;
        let desk = &mut self.processes[process];
        desk.fenced = true;
        desk.phase = Phase::Bookings(counter);
    }

    /// The process stops waiting for its commit, which stays on its way: either it finds out, or it says 503.
    pub(super) fn commit_lost(&mut self, config: &Config, process: usize, call: Call, again: bool) {
        if let Call::Commit { ballots, .. } = &call
            && !again
        {
            for ballot in ballots {
                if config.is(Mutation::LostIsRefused) {
                    self.refuse(config, process, *ballot, Told::SoldOut);
                } else {
                    self.answer(process, *ballot, Told::Unavailable);
                }
            }
        }
        self.send_late(call);
        self.processes[process].memory = None;
        self.next_round(config, process, None);
    }

    fn next_round(&mut self, config: &Config, process: usize, seen: Option<Counter>) {
        match (self.processes[process].batch.is_empty(), seen) {
            (true, _) => {
                self.processes[process].phase = Phase::Idle;
                self.processes[process].fenced = false;
                self.processes[process].rules = 0;
            }
            (false, Some(counter)) => self.processes[process].phase = Phase::Bookings(counter),
            (false, None) => self.read_counter_next(config, process),
        }
    }

    pub(super) fn read_counter_next(&mut self, config: &Config, process: usize) {
        if config.is(Mutation::BookingsBeforeCounter) {
            self.processes[process].found = self.bookings.clone();
        }
        self.processes[process].phase = Phase::Counter;
    }

    /// The process dies: its calls stay on their way, its tries end without an answer, a fresh one takes over.
    pub(super) fn crash(&mut self, process: usize) {
        let desk = std::mem::take(&mut self.processes[process]);
        for ballot in desk.queue.iter().chain(&desk.batch) {
            self.clients[ballot.client as usize].ended |= ballot.bit();
        }
        if let Phase::Commit(call) = desk.phase {
            self.send_late(call);
        }
    }

    fn answer(&mut self, process: usize, ballot: Ballot, told: Told) {
        self.processes[process].batch.retain(|other| *other != ballot);
        self.clients[ballot.client as usize].end(ballot, told);
    }

    /// Tells the client "no" for good, and remembers what must not happen after that.
    fn refuse(&mut self, config: &Config, process: usize, ballot: Ballot, told: Told) {
        let request = config.request(ballot);
        let stored = self
            .booking(request.id)
            .copied()
            .filter(|b| b.fingerprint == request.fingerprint);
        let client = &mut self.clients[ballot.client as usize];
        let bound = client.forbid(ballot);
        let found_at_arrival = client.booked & ballot.bit() != 0;
        let grounds = client.short & ballot.bit() != 0;
        self.answer(process, ballot, told);
        if found_at_arrival {
            self.fault(Fault::BookingNotFound);
        } else if stored.is_some_and(|b| b.by.client == ballot.client && b.by.bit() & bound != 0) {
            self.fault(Fault::RefusedThoughBooked);
        } else if told == Told::SoldOut && !grounds {
            self.fault(Fault::RefusedWithoutGrounds);
        }
    }
}
