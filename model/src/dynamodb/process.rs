//! A process of the model of DynamoDB: its desk, how it decides a batch, and what it answers.

use super::store::{self, Answer, Reasons};
use super::{After, Ballot, Booking, Call, Config, Counter, Fault, Mutation, State, Told};

/// What a process does at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// No batch in the store.
    #[default]
    Idle,
    /// Next it reads the counter.
    Counter,
    /// Nobody fits this counter: next it looks the ids up, and refuses by it.
    LookUp(Counter),
    /// A transaction is on its way.
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
    /// Token and item of the whole batch; only where a mutation keeps them.
    pub kept: Option<(u8, u8)>,
    /// What an early look-up found; empty unless a mutation looks up too early.
    pub found: Vec<Option<Booking>>,
}

impl State {
    /// The queue becomes the batch; an id that is in it already waits for its first.
    pub(super) fn start(&mut self, config: &Config, process: usize) {
        let desk = &mut self.processes[process];
        for ballot in std::mem::take(&mut desk.queue) {
            let id = config.request(ballot).id;
            if desk.batch.iter().any(|other| config.request(*other).id == id) {
                desk.queue.push(ballot);
            } else {
                desk.batch.push(ballot);
            }
        }
        if config.is(Mutation::SameToken) || config.is(Mutation::SameItem) {
            self.processes[process].kept = Some((self.draw(process), self.draw(process)));
        }
        self.read_next(config, process);
        if !config.is(Mutation::BookingsBeforeCounter) {
            self.read_counter(config, process);
        }
    }

    pub(super) fn read_counter(&mut self, config: &Config, process: usize) {
        for ballot in &self.processes[process].batch {
            self.clients[ballot.client as usize].note_ended(*ballot);
        }
        let seen = self.counter;
        self.decide(config, process, &seen);
    }

    /// Commits what fits; if nothing does, looks up who may be refused.
    fn decide(&mut self, config: &Config, process: usize, seen: &Counter) {
        let mut left = seen.available.unwrap_or(0);
        let mut granted: Vec<Ballot> = Vec::new();
        for ballot in self.processes[process].batch.clone() {
            let request = config.request(ballot);
            let person_in = config.limit.is_some()
                && granted
                    .iter()
                    .any(|other| config.request(*other).person == request.person);
            let sold_blind = seen.available.is_none() && config.allow_unknown;
            let over = config.is(Mutation::LimitOnlyRead)
                && config
                    .limit
                    .is_some_and(|limit| self.holders[request.person as usize] + request.seats > limit);
            if (sold_blind || seen.available.is_some() && left >= request.seats) && !person_in && !over {
                left -= request.seats;
                granted.push(ballot);
            }
        }
        if granted.is_empty() {
            self.processes[process].phase = Phase::LookUp(*seen);
        } else {
            self.send(config, process, granted, seen.epoch, seen.available.is_none());
        }
    }

    fn send(&mut self, config: &Config, process: usize, ballots: Vec<Ballot>, epoch: u8, unknown: bool) {
        let fresh = self.draw(process);
        let kept = self.processes[process].kept;
        let keep = |rule, kept: Option<u8>| kept.filter(|_| config.is(rule)).unwrap_or(fresh);
        self.processes[process].phase = Phase::Commit(Call::Commit {
            token: keep(Mutation::SameToken, kept.map(|kept| kept.0)),
            item: keep(Mutation::SameItem, kept.map(|kept| kept.1)),
            ballots,
            epoch,
            unknown,
        });
    }

    /// Looks every id of the batch up and refuses who does not fit.
    pub(super) fn look_up(&mut self, config: &Config, process: usize, seen: &Counter) {
        for ballot in self.processes[process].batch.clone() {
            let id = config.request(ballot).id;
            let stored = if config.is(Mutation::BookingsBeforeCounter) {
                self.processes[process].found[id as usize]
            } else {
                self.booking(id)
            };
            match stored.filter(|_| !config.is(Mutation::RefuseWithoutLookUp)) {
                Some(booking) => self.exists(config, process, ballot, &booking),
                None => self.refuse_by(config, process, ballot, seen),
            }
        }
        self.next_round(config, process);
    }

    /// The answer to somebody whose id is stored.
    fn exists(&mut self, config: &Config, process: usize, ballot: Ballot, booking: &Booking) {
        let same = config.request(booking.by).fingerprint == config.request(ballot).fingerprint;
        if same || config.is(Mutation::NoFingerprint) {
            if !same {
                self.fault(Fault::ForeignBooking);
            }
            self.answer(process, ballot, Told::Existing);
        } else {
            self.refuse(config, process, ballot, Told::KeyReused);
        }
    }

    /// Refuses somebody whose id is not stored, if this counter is a reason to.
    fn refuse_by(&mut self, config: &Config, process: usize, ballot: Ballot, seen: &Counter) {
        let request = config.request(ballot);
        match seen.available {
            None if !config.allow_unknown => self.refuse(config, process, ballot, Told::CapacityUnknown),
            Some(available) if available < request.seats => {
                self.refuse(config, process, ballot, Told::SoldOut);
            }
            _ if config.is(Mutation::LimitOnlyRead)
                && config
                    .limit
                    .is_some_and(|limit| self.holders[request.person as usize] + request.seats > limit) =>
            {
                self.refuse(config, process, ballot, Told::LimitReached);
            }
            _ => {}
        }
    }

    /// The transaction applies, or its conditions fail, and the process hears of it.
    pub(super) fn commit(&mut self, config: &Config, process: usize, call: &Call) {
        let Call::Commit { ballots, item, .. } = call else {
            return;
        };
        match store::apply(config, self, call, false) {
            Answer::Done => {
                for ballot in ballots {
                    self.answer(process, *ballot, Told::Booked);
                }
                if config.is(Mutation::MessagesApart) {
                    self.send_late(Call::Announce(store::announcement(config, *item, ballots)));
                }
                self.next_round(config, process);
            }
            Answer::Mismatch => self.fault(Fault::TokenMismatch),
            Answer::Failed(reasons) => self.failed(config, process, ballots, &reasons),
        }
    }

    /// Reads the reasons by position. They speak of one moment: who has no booking there and does not fit the counter
    /// is refused by that counter.
    fn failed(&mut self, config: &Config, process: usize, ballots: &[Ballot], reasons: &Reasons) {
        for ballot in &self.processes[process].batch {
            self.clients[ballot.client as usize].note_ended(*ballot);
        }
        let (counter, counter_failed) = &reasons.counter;
        let mut all_in = self.processes[process].batch.len() == ballots.len();
        for (place, ballot) in ballots.iter().enumerate() {
            let request = config.request(*ballot);
            let over = reasons.holders[place];
            let short = *counter_failed && counter.available.is_none_or(|left| left < request.seats);
            let first = short && config.is(Mutation::CounterReasonFirst)
                || over && config.is(Mutation::HolderReasonFirst);
            if let Some(booking) = reasons.bookings[place].filter(|_| !first) {
                self.exists(config, process, *ballot, &booking);
            } else if over {
                self.refuse(config, process, *ballot, Told::LimitReached);
            } else if short {
                self.refuse_by(config, process, *ballot, counter);
            }
        }
        all_in &= !self.processes[process].batch.is_empty();
        if all_in && *counter_failed {
            // The old item is as good as a fresh one.
            self.decide(config, process, counter);
        } else {
            self.next_round(config, process);
        }
    }

    /// The store turns the transaction down and does not say what is to blame: half of it is tried alone.
    pub(super) fn rejected(&mut self, config: &Config, process: usize, call: &Call) {
        let Call::Commit {
            ballots,
            epoch,
            unknown,
            ..
        } = call
        else {
            return;
        };
        if let [culprit] = ballots[..] {
            self.answer(process, culprit, Told::Unavailable);
            self.next_round(config, process);
        } else {
            let half = ballots[..ballots.len() / 2].to_vec();
            self.send(config, process, half, *epoch, *unknown);
        }
    }

    /// The process hears nothing of its transaction, which stays on its way.
    pub(super) fn lose(&mut self, config: &Config, process: usize, call: Call, after: After) {
        self.send_late(call.clone());
        let Call::Commit { ballots, .. } = &call else {
            return;
        };
        let ended = match after {
            After::Resend => {
                self.processes[process].phase = Phase::Commit(call);
                return;
            }
            After::EndAll => &ballots[..],
            After::EndFirst => &ballots[..1],
        };
        for ballot in ended {
            if config.is(Mutation::LostIsRefused) {
                self.refuse(config, process, *ballot, Told::SoldOut);
            } else {
                self.answer(process, *ballot, Told::Unavailable);
            }
        }
        self.next_round(config, process);
    }

    fn next_round(&mut self, config: &Config, process: usize) {
        if self.processes[process].batch.is_empty() {
            let desk = &mut self.processes[process];
            desk.phase = Phase::Idle;
            desk.kept = None;
        } else {
            self.read_next(config, process);
        }
    }

    fn read_next(&mut self, config: &Config, process: usize) {
        if config.is(Mutation::BookingsBeforeCounter) {
            self.processes[process].found = self.bookings.clone();
        }
        self.processes[process].phase = Phase::Counter;
    }

    /// The process dies: its call stays on its way, its tries end without an answer, a fresh one takes over.
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
            .filter(|booking| config.request(booking.by).fingerprint == request.fingerprint);
        let client = &mut self.clients[ballot.client as usize];
        let bound = client.forbid(ballot);
        let found_at_arrival = client.booked & ballot.bit() != 0;
        let (short, full) = (client.short & ballot.bit() != 0, client.full & ballot.bit() != 0);
        self.answer(process, ballot, told);
        if found_at_arrival {
            self.fault(Fault::BookingNotFound);
        } else if stored.is_some_and(|b| b.by.client == ballot.client && b.by.bit() & bound != 0) {
            self.fault(Fault::RefusedThoughBooked);
        } else if told == Told::SoldOut && !short {
            self.fault(Fault::RefusedWithoutGrounds);
        } else if told == Told::LimitReached && !full {
            self.fault(Fault::RefusedBelowLimit);
        }
    }
}
