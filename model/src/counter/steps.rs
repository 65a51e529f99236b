//! The steps of the counter model, and what must hold after each of them.

use stateright::{Expectation, Model, Property};

use super::store;
use super::{
    Ballot, Call, Client, Config, Counter, Fault, Guard, Handler, Mutation, Phase, Process, State, Told,
};

/// A step of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client asks, or asks again, whether or not it heard of its first try.
    Ask {
        /// Who.
        client: u8,
        /// Where.
        process: u8,
    },
    /// A desk makes a batch of its queue.
    Start {
        /// Which desk.
        process: u8,
        /// It grants from the counter it remembers.
        from_memory: bool,
    },
    /// A process reads the counter.
    ReadCounter(u8),
    /// A process looks the ids up and decides.
    LookUp(u8),
    /// A process raises the epoch, to refuse by the clock or by the copy.
    Fence(u8),
    /// A process's commit applies or fails, and it hears of it.
    Commit(u8),
    /// A process hears nothing of its commit.
    LoseCommit {
        /// Which process.
        process: u8,
        /// It finds out, rather than saying 503.
        again: bool,
    },
    /// A process dies and is started again.
    Crash(u8),
    /// Somebody sends the cancel of a booking; nothing says when it arrives.
    Cancel(u8),
    /// A change's handler reads the counter.
    ReadChange(u8),
    /// A change's handler changes the counter.
    Follow(u8),
    /// A change's handler writes the copy of the event.
    Copy(u8),
    /// A change's handler hears nothing of its call; the message comes again.
    LoseFollow(u8),
    /// A call that nobody waits for takes effect.
    Late(u8),
    /// The sale ends.
    SaleEnds,
}

impl Config {
    fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Ask { client, process } => {
                let about = &mut state.clients[client as usize];
                let ballot = Ballot {
                    client,
                    attempt: about.tries,
                };
                state.retries -= about.tries;
                about.tries += 1;
                let request = self.request(ballot);
                if state.bookings[request.id as usize].is_some_and(|b| b.fingerprint == request.fingerprint) {
                    about.booked |= ballot.bit();
                }
                state.processes[process as usize].queue.push(ballot);
            }
            Action::Start { process, from_memory } => state.start(self, process as usize, from_memory),
            Action::ReadCounter(process) => {
                state.processes[process as usize].phase = Phase::Bookings(state.counter);
                state.note_ended(process as usize);
            }
            Action::LookUp(process) => {
                if let Phase::Bookings(seen) = state.processes[process as usize].phase {
                    state.decide(self, process as usize, &seen);
                }
            }
            Action::Fence(process) => state.fence(process as usize),
            Action::Commit(process) => {
                if let Phase::Commit(call) = std::mem::take(&mut state.processes[process as usize].phase) {
                    state.commit_answered(self, process as usize, &call);
                }
            }
            Action::LoseCommit { process, again } => {
                state.lost -= 1;
                if let Phase::Commit(call) = std::mem::take(&mut state.processes[process as usize].phase) {
                    state.commit_lost(self, process as usize, call, again);
                }
            }
            Action::Crash(process) => {
                state.crashes -= 1;
                state.crash(process as usize);
            }
            Action::Cancel(id) => {
                state.cancels -= 1;
                let unknown = state.counter.available.is_none();
                state.send_late(Call::Cancel { id, unknown });
            }
            Action::ReadChange(change) => {
                if self.is(Mutation::CopyBeforeCounter) {
                    state.copy = state.copy.max(change + 1);
                }
                state.handlers[change as usize] = Handler::Seen(state.counter);
            }
            Action::Follow(change) => self.follow(state, change),
            Action::Copy(change) => {
                state.copy = state.copy.max(change + 1);
                state.handlers[change as usize] = Handler::Done;
            }
            Action::LoseFollow(change) => {
                state.lost -= 1;
                let before = std::mem::replace(&mut state.handlers[change as usize], Handler::Waiting);
                if let Handler::Seen(seen) = before {
                    state.send_late(Call::Follow { change, seen });
                }
            }
            Action::Late(index) => {
                let call = state.late.remove(index as usize);
                store::apply(self, state, &call, true);
            }
            Action::SaleEnds => state.sale_over = true,
        }
    }

    /// A change that failed is done if the counter follows a newer version, and tried again otherwise.
    fn follow(&self, state: &mut State, change: u8) {
        let Handler::Seen(seen) = state.handlers[change as usize] else {
            return;
        };
        let applied = store::apply(self, state, &Call::Follow { change, seen }, false);
        let done = applied || state.counter.version > change;
        let copies = self.has_copy() && !self.is(Mutation::CopyBeforeCounter);
        state.handlers[change as usize] = match (done, copies) {
            (true, true) => Handler::Followed,
            (true, false) => Handler::Done,
            (false, _) => Handler::Waiting,
        };
    }

    fn settled(state: &State) -> bool {
        state.processes.iter().all(|process| {
            process.queue.is_empty() && process.batch.is_empty() && process.phase == Phase::Idle
        }) && state.handlers.iter().all(|handler| *handler == Handler::Done)
            && state.clients.iter().all(Client::settled)
    }

    fn followed(&self, state: &State) -> bool {
        let Some(newest) = self.changes.last() else {
            return true;
        };
        state.handlers.iter().any(|handler| *handler != Handler::Done)
            || state.counter.capacity == newest.capacity && state.counter.open != newest.cancelled
    }
}

impl Model for Config {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let ids = self
            .requests
            .iter()
            .map(|request| request.id as usize + 1)
            .max()
            .unwrap_or(0);
        let counter = Counter {
            open: true,
            version: 0,
            capacity: self.capacity,
            sold: 0,
            available: self.capacity,
            epoch: 0,
        };
        vec![State {
            counter,
            bookings: vec![None; ids],
            late: Vec::new(),
            clients: vec![Client::default(); self.requests.len()],
            processes: vec![Process::default(); self.processes as usize],
            handlers: vec![Handler::Waiting; self.changes.len()],
            sale_over: false,
            copy: 0,
            fault: None,
            lost: self.lost,
            crashes: self.crashes,
            retries: self.retries,
            cancels: self.cancels,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        for (client, about) in (0..).zip(&state.clients) {
            if about.may_ask(state.retries) {
                actions.extend((0..self.processes).map(|process| Action::Ask { client, process }));
            }
        }
        for (process, desk) in (0..).zip(&state.processes) {
            match desk.phase {
                Phase::Idle if !desk.queue.is_empty() => {
                    actions.push(Action::Start {
                        process,
                        from_memory: false,
                    });
                    if desk.memory.is_some() {
                        actions.push(Action::Start {
                            process,
                            from_memory: true,
                        });
                    }
                }
                Phase::Idle => {}
                Phase::Counter => actions.push(Action::ReadCounter(process)),
                Phase::Bookings(_) => actions.push(Action::LookUp(process)),
                Phase::Fence => actions.push(Action::Fence(process)),
                Phase::Commit(_) => {
                    actions.push(Action::Commit(process));
                    if state.lost > 0 {
                        actions.push(Action::LoseCommit {
                            process,
                            again: false,
                        });
                        actions.push(Action::LoseCommit { process, again: true });
                    }
                }
            }
            if state.crashes > 0 && desk.phase != Phase::Idle {
                actions.push(Action::Crash(process));
            }
        }
        for (id, booking) in (0..).zip(&state.bookings) {
            if state.cancels > 0 && booking.is_some_and(|booking| booking.confirmed) {
                actions.push(Action::Cancel(id));
            }
        }
        for (change, handler) in (0..).zip(&state.handlers) {
            match handler {
                Handler::Waiting => actions.push(Action::ReadChange(change)),
                Handler::Seen(_) => {
                    actions.push(Action::Follow(change));
                    if state.lost > 0 {
                        actions.push(Action::LoseFollow(change));
                    }
                }
                Handler::Followed => actions.push(Action::Copy(change)),
                Handler::Done => {}
            }
        }
        actions.extend((0..state.late.len() as u8).map(Action::Late));
        if self.sale_ends && !state.sale_over {
            actions.push(Action::SaleEnds);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        state.note_shortage(self);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn holds(name: &'static str, condition: fn(&Config, &State) -> bool) -> Property<Config> {
            Property {
                expectation: Expectation::Always,
                name,
                condition,
            }
        }
        let mut properties = vec![
            holds("granted within the capacity", |_, s| {
                s.fault != Some(Fault::Oversold)
            }),
            holds("no booking of a cancelled event", |_, s| {
                s.fault != Some(Fault::BookedWhileCancelled)
            }),
            holds("no booking after a refusal", |_, s| {
                s.fault != Some(Fault::BookedAfterRefusal)
            }),
            holds("no refusal beside a booking", |_, s| {
                s.fault != Some(Fault::RefusedThoughBooked)
            }),
            holds("a lost answer is found again", |_, s| {
                s.fault != Some(Fault::BookingNotFound)
            }),
            holds("sold out means too few seats", |_, s| {
                s.fault != Some(Fault::RefusedWithoutGrounds)
            }),
            holds("nobody gets a foreign booking", |_, s| {
                s.fault != Some(Fault::ForeignBooking)
            }),
            holds("the limit per person holds", |_, s| {
                s.fault != Some(Fault::OverLimit)
            }),
            holds("counter and bookings agree", |_, s| {
                let confirmed: i8 = s.confirmed().map(|booking| booking.seats).sum();
                let counter = &s.counter;
                counter.sold == confirmed && counter.available == counter.capacity.map(|all| all - confirmed)
            }),
            holds("the newest version wins", Config::followed),
            holds("nothing is stuck", |config, s| {
                let mut actions = Vec::new();
                config.actions(s, &mut actions);
                !actions.is_empty() || s.fault.is_some() || Config::settled(s)
            }),
        ];
        let mut sometimes = |wanted: bool, name, condition: fn(&Config, &State) -> bool| {
            if wanted {
                properties.push(Property::sometimes(name, condition));
            }
        };
        let races = self.lost > 0;
        sometimes(true, "somebody is booked", |_, s| s.told(Told::Booked));
        sometimes(self.scarce(), "somebody is refused for seats", |_, s| {
            s.told(Told::SoldOut)
        });
        sometimes(races, "a commit applies late", |_, s| {
            s.confirmed().any(|booking| booking.late)
        });
        sometimes(races && self.retries > 0, "a retry finds its booking", |_, s| {
            s.told(Told::Existing)
        });
        sometimes(
            races && self.retries > 0,
            "a late call is left after a refusal",
            |_, s| {
                s.clients.iter().any(|client| client.forbidden & 1 != 0)
                    && s.late.iter().any(|call| matches!(call, Call::Commit { .. }))
            },
        );
        sometimes(self.cancels > 0, "a booking is cancelled", |_, s| {
            s.bookings.iter().flatten().any(|booking| !booking.confirmed)
        });
        sometimes(
            self.cancels > 0 && self.retries > 0 && self.scarce(),
            "refused first, booked later",
            |_, s| {
                s.clients
                    .iter()
                    .any(|client| client.told == [Some(Told::SoldOut), Some(Told::Booked)])
            },
        );
        sometimes(self.crashes > 0, "a process crashes at work", |config, s| {
            s.crashes < config.crashes && !s.late.is_empty()
        });
        sometimes(
            self.changes.iter().any(|change| change.cancelled),
            "refused as cancelled",
            |_, s| s.told(Told::EventCancelled),
        );
        let unknown = self.capacity.is_none() || self.changes.iter().any(|change| change.capacity.is_none());
        sometimes(unknown && !self.allow_unknown, "refused as unknown", |_, s| {
            s.told(Told::CapacityUnknown)
        });
        sometimes(unknown && self.allow_unknown, "sold while unknown", |_, s| {
            s.counter.capacity.is_none() && s.counter.sold > 0
        });
        sometimes(
            unknown && self.allow_unknown && self.changes.iter().any(|c| c.capacity.is_some()),
            "known",
            |_, s| s.counter.version > 0 && s.counter.available.is_some() && s.counter.sold > 0,
        );
        sometimes(self.limit.is_some(), "refused for the limit", |_, s| {
            s.told(Told::LimitReached)
        });
        let disallowed = self.changes.iter().any(|change| !change.allowed);
        sometimes(disallowed, "refused by the copy", |_, s| s.told(Told::NotAllowed));
        sometimes(
            disallowed && self.guard == Guard::Version,
            "decided by an outdated copy",
            |_, s| {
                s.processes.iter().any(|process| {
                    matches!(process.phase, Phase::Commit(_)) && process.rules < s.counter.version
                })
            },
        );
        sometimes(self.sale_ends, "refused as over", |_, s| s.told(Told::SaleOver));
        sometimes(self.reuses_id(), "a key is reused", |_, s| {
            s.told(Told::KeyReused)
        });
        properties
    }
}
