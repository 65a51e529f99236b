//! A process of the model of MongoDB: its desk, how it decides a batch, and what it answers.

use super::roll::Stepped;
use super::{
    Ballot, Booking, Call, Config, Counter, Entry, Fault, Mutation, Roll, State, Sweep, Told, store,
};

/// What a process does at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// No batch in the store.
    #[default]
    Idle,
    /// Next it reads the counter.
    Counter,
    /// Next it looks the ids up, and decides by this counter.
    LookUp(Counter),
    /// Next it raises the epoch, to refuse by the clock.
    Fence,
    /// Next it reserves for, or renews the token of, one of those it grants.
    Reserve {
        /// The push that follows.
        push: Call,
        /// Whose turn it is.
        next: u8,
        /// What was pending in the counter that decides.
        pending: Vec<Entry>,
    },
    /// Next it reads the epoch: only where a mutation reads it that late.
    Reread(Call),
    /// It looks whether somebody's limit is used up by bookings that nobody finds.
    Sweep(Sweep),
    /// Next it pushes an entry.
    Push(Call),
    /// It rolls an entry forward.
    Roll {
        /// Which.
        roll: Roll,
        /// It pushed that entry itself, and waits for its answer.
        own: bool,
    },
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
    /// The epoch was raised since everybody in the batch arrived.
    pub fenced: bool,
    /// Entries that this batch found not to be insertable.
    pub failed: Vec<u8>,
    /// The token under which a try is in the holder record.
    pub reserved: Vec<(Ballot, u8)>,
    /// What an early look-up found; empty unless a mutation looks up too early.
    pub found: Vec<Option<Booking>>,
    /// What a roll-forward has to be followed by; empty unless a mutation refuses by an old counter.
    pub doomed: Vec<(Ballot, Told)>,
}

/// What looking at everybody in the batch came to.
#[derive(Default)]
struct Sorted {
    granted: Vec<Ballot>,
    refused: Vec<(Ballot, Told)>,
    wanted_pending: bool,
    fence: bool,
}

impl State {
    /// The queue becomes the batch; an id that is in it already waits for its first.
    pub(super) fn start(&mut self, config: &Config, process: usize, from_memory: bool) {
        let desk = &mut self.processes[process];
        desk.fenced = false;
        desk.failed.clear();
        for ballot in std::mem::take(&mut desk.queue) {
            let id = config.request(ballot).id;
            if desk.batch.iter().any(|other| config.request(*other).id == id) {
                desk.queue.push(ballot);
            } else {
                desk.batch.push(ballot);
            }
        }
        let memory = desk.memory.take().filter(|_| from_memory);
        self.read_next(config, process);
        if let Some(seen) = memory {
            let mut left = seen.available.unwrap_or(0);
            let mut granted = Vec::new();
            for ballot in &self.processes[process].batch {
                let seats = config.request(*ballot).seats;
                if left >= seats {
                    left -= seats;
                    granted.push(*ballot);
                }
            }
            if !granted.is_empty() {
                self.grant(config, process, granted, &seen);
            }
        } else if !config.is(Mutation::BookingsBeforeCounter) {
            self.read_counter(process);
        }
    }

    pub(super) fn read_counter(&mut self, process: usize) {
        let stale = self.previous.take();
        self.stale -= u8::from(stale.is_some());
        self.processes[process].phase = Phase::LookUp(stale.unwrap_or_else(|| self.counter.clone()));
        // What refuses after a fence is the fence: whoever ended after it may have seen the raised epoch.
        if !self.processes[process].fenced {
            self.note_ended(process);
        }
    }

    fn note_ended(&mut self, process: usize) {
        for ballot in &self.processes[process].batch {
            self.clients[ballot.client as usize].note_ended(*ballot);
        }
    }

    /// Raises the epoch and reads the counter in one call.
    pub(super) fn fence(&mut self, process: usize) {
        self.counter.epoch += 1;
        self.note_ended(process);
        let desk = &mut self.processes[process];
        desk.fenced = true;
        desk.phase = Phase::LookUp(self.counter.clone());
    }

    /// Looks every id of the batch up and decides: answers, commits what is granted, leaves the rest for a next round.
    pub(super) fn decide(&mut self, config: &Config, process: usize, seen: &Counter) {
        let sorted = self.sort(config, process, seen);
        let failed = &self.processes[process].failed;
        let open = seen
            .pending
            .iter()
            .find(|entry| !failed.contains(&entry.token()))
            .cloned();
        let full = seen.pending.len() >= config.pending;
        if !sorted.granted.is_empty() && !full {
            return self.grant(config, process, sorted.granted, seen);
        }
        let refuses = !sorted.refused.is_empty();
        let unseen = config.is(Mutation::RefuseBeforeRollForward)
            || config.is(Mutation::FenceWithoutRollForward) && self.processes[process].fenced;
        let forward = sorted.wanted_pending || full || refuses && !unseen;
        if let Some(entry) = open.filter(|_| forward) {
            if config.is(Mutation::RefuseByTheOldCounter) {
                self.processes[process].doomed = sorted.refused;
            }
            let roll = Roll::new(&entry, seen.available.is_none());
            self.processes[process].phase = Phase::Roll { roll, own: false };
            return;
        }
        for (ballot, told) in sorted.refused {
            self.refuse(config, process, ballot, told);
        }
        if sorted.fence {
            self.processes[process].phase = Phase::Fence;
        } else {
            self.processes[process].memory = Some(seen.clone()).filter(|_| config.memory);
            self.next_round(config, process);
        }
    }

    fn sort(&mut self, config: &Config, process: usize, seen: &Counter) -> Sorted {
        let mut sorted = Sorted::default();
        let mut left = seen.available.unwrap_or(0);
        let blind = config.is(Mutation::FenceWithoutRollForward) && self.processes[process].fenced;
        for ballot in self.processes[process].batch.clone() {
            let request = *config.request(ballot);
            let stored = if config.is(Mutation::BookingsBeforeCounter) {
                self.processes[process].found[request.id as usize]
            } else {
                self.booking(request.id).copied()
            };
            let pending = seen.pending.iter().find(|entry| match entry {
                Entry::Commit { ballots, .. } => ballots
                    .iter()
                    .any(|other| config.request(*other).id == request.id),
                Entry::Cancel { .. } => false,
            });
            let mut refuse = |told| sorted.refused.push((ballot, told));
            if let Some(booking) = stored {
                if config.request(booking.by).fingerprint == request.fingerprint {
                    self.answer(config, process, ballot, Told::Existing);
                } else {
                    self.refuse(config, process, ballot, Told::KeyReused);
                }
            } else if let Some(entry) = pending.filter(|_| !blind) {
                if config.is(Mutation::PendingIsAnswer) {
                    self.answer(config, process, ballot, Told::Existing);
                } else if self.processes[process].failed.contains(&entry.token()) {
                    self.answer(config, process, ballot, Told::Unavailable);
                } else {
                    sorted.wanted_pending = true;
                }
            } else if !seen.open {
                refuse(Told::EventCancelled);
            } else if self.sale_over {
                if self.processes[process].fenced || config.is(Mutation::ClockRefuses) {
                    refuse(Told::SaleOver);
                } else {
                    sorted.fence = true;
                }
            } else if seen.available.is_none() && !config.allow_unknown {
                refuse(Told::CapacityUnknown);
            } else if config.is(Mutation::LimitOnlyRead)
                && config
                    .limit
                    .is_some_and(|limit| self.seats_of(config, request.person) + request.seats > limit)
            {
                refuse(Told::LimitReached);
            } else if seen.available.is_none() || left >= request.seats {
                left -= request.seats;
                sorted.granted.push(ballot);
            } else if seen.available.is_some_and(|available| available < request.seats) {
                refuse(Told::SoldOut);
            }
        }
        sorted
    }

    fn grant(&mut self, config: &Config, process: usize, ballots: Vec<Ballot>, seen: &Counter) {
        let token = self.draw(process);
        let push = Call::Push {
            entry: Entry::Commit { token, ballots },
            epoch: seen.epoch,
            unknown: seen.available.is_none(),
        };
        let limited = config.limit.is_some() && !config.is(Mutation::LimitOnlyRead);
        self.processes[process].phase = if limited {
            Phase::Reserve {
                push,
                next: 0,
                pending: seen.pending.clone(),
            }
        } else {
            Phase::Push(push)
        };
    }

    /// The push applies, or its condition fails, and the process hears of it.
    pub(super) fn push(&mut self, config: &Config, process: usize, call: &Call) {
        if !store::apply(config, self, call) {
            return self.read_next(config, process);
        }
        if let Call::Push { entry, unknown, .. } = call {
            if let (Entry::Commit { ballots, .. }, true) = (entry, config.is(Mutation::AnswerBeforeInsert)) {
                for ballot in ballots {
                    self.answer(config, process, *ballot, Told::Booked);
                }
            }
            let roll = Roll::new(entry, *unknown);
            self.processes[process].phase = Phase::Roll { roll, own: true };
        }
    }

    /// One step of rolling an entry forward, and what follows from it.
    pub(super) fn roll_on(&mut self, config: &Config, process: usize, mut roll: Roll, own: bool) {
        let stepped = self.roll(config, &mut roll);
        let token = roll.entry.token();
        self.processes[process].phase = Phase::Roll { roll, own };
        match stepped {
            Stepped::Stored(ballot, true) if own => self.answer(config, process, ballot, Told::Booked),
            Stepped::Failed(ballot) if own => self.answer(config, process, ballot, Told::Unavailable),
            Stepped::Going | Stepped::Stored(..) | Stepped::Failed(_) => {}
            Stepped::Done | Stepped::Stuck => {
                if stepped == Stepped::Stuck {
                    self.processes[process].failed.push(token);
                }
                for (ballot, told) in std::mem::take(&mut self.processes[process].doomed) {
                    self.refuse(config, process, ballot, told);
                }
                self.next_round(config, process);
            }
        }
    }

    /// The process stops waiting for its call, which stays on its way: either it finds out, or it says 503 to those
    /// it was about.
    pub(super) fn lose(&mut self, config: &Config, process: usize, again: bool) {
        let phase = std::mem::take(&mut self.processes[process].phase);
        let (call, about) = in_flight(config, &phase);
        if let Some(call) = call {
            self.send_late(call);
        }
        if again && config.is(Mutation::TokenReused) && matches!(phase, Phase::Push(_)) {
            self.processes[process].phase = phase;
            return;
        }
        for ballot in about.iter().filter(|_| !again) {
            if self.processes[process].batch.contains(ballot) {
                self.answer(config, process, *ballot, Told::Unavailable);
            }
        }
        self.next_round(config, process);
    }

    pub(super) fn next_round(&mut self, config: &Config, process: usize) {
        if self.processes[process].batch.is_empty() {
            let desk = &mut self.processes[process];
            desk.phase = Phase::Idle;
            desk.fenced = false;
            desk.failed.clear();
        } else {
            self.read_next(config, process);
        }
    }

    pub(super) fn read_next(&mut self, config: &Config, process: usize) {
        if config.is(Mutation::BookingsBeforeCounter) {
            self.processes[process].found = self.bookings.clone();
        }
        self.processes[process].phase = Phase::Counter;
    }

    /// The process dies: its call stays on its way, its tries end without an answer, a fresh one takes over.
    pub(super) fn crash(&mut self, config: &Config, process: usize) {
        let desk = std::mem::take(&mut self.processes[process]);
        for ballot in desk.queue.iter().chain(&desk.batch) {
            self.clients[ballot.client as usize].ended |= ballot.bit();
        }
        if let (Some(call), _) = in_flight(config, &desk.phase) {
            self.send_late(call);
        }
    }

    pub(super) fn answer(&mut self, config: &Config, process: usize, ballot: Ballot, told: Told) {
        let desk = &mut self.processes[process];
        desk.batch.retain(|other| *other != ballot);
        desk.reserved.retain(|(other, _)| *other != ballot);
        self.clients[ballot.client as usize].end(ballot, told);
        let request = config.request(ballot);
        let stored = self
            .booking(request.id)
            .is_some_and(|booking| config.request(booking.by).fingerprint == request.fingerprint);
        if matches!(told, Told::Booked | Told::Existing) && !stored {
            self.fault(Fault::AcceptedNotStored);
        }
    }

    /// Tells the client "no" for good, and remembers what must not happen after that.
    pub(super) fn refuse(&mut self, config: &Config, process: usize, ballot: Ballot, told: Told) {
        let request = *config.request(ballot);
        let stored = self
            .booking(request.id)
            .copied()
            .filter(|booking| config.request(booking.by).fingerprint == request.fingerprint);
        let reserved = self.processes[process]
            .reserved
            .iter()
            .find(|(other, _)| *other == ballot);
        if let Some((_, token)) = reserved.copied()
            && (told != Told::KeyReused || config.is(Mutation::TakeOutAfterKeyReused))
        {
            self.send_late(Call::TakeOut {
                person: request.person,
                id: request.id,
                token: Some(token).filter(|_| !config.is(Mutation::TakeOutWithoutToken)),
            });
        }
        let client = &mut self.clients[ballot.client as usize];
        let bound = client.forbid(ballot);
        let found_at_arrival = client.booked & ballot.bit() != 0;
        let (short, full) = (client.short & ballot.bit() != 0, client.full & ballot.bit() != 0);
        self.answer(config, process, ballot, told);
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

/// The call that the phase waits for, and whose answer depends on it.
fn in_flight(config: &Config, phase: &Phase) -> (Option<Call>, Vec<Ballot>) {
    match phase {
        Phase::Push(call) => match call {
            Call::Push {
                entry: Entry::Commit { ballots, .. },
                ..
            } => (Some(call.clone()), ballots.clone()),
            _ => (Some(call.clone()), Vec::new()),
        },
        Phase::Roll { roll, own } => {
            let about = if *own { roll.open().to_vec() } else { Vec::new() };
            (roll.call(config), about)
        }
        Phase::Reserve { push, next, .. } => match push {
            Call::Push {
                entry: Entry::Commit { token, ballots },
                ..
            } => {
                let ballot = ballots[*next as usize];
                let token = *token;
                (Some(Call::Reserve { ballot, token }), vec![ballot])
            }
            _ => (None, Vec::new()),
        },
        Phase::Sweep(sweep) => (sweep.call(config), Vec::new()),
        Phase::Reread(push) => (Some(push.clone()), Vec::new()),
        Phase::Idle | Phase::Counter | Phase::LookUp(_) | Phase::Fence => (None, Vec::new()),
    }
}
