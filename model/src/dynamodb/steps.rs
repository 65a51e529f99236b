//! The steps of the model of DynamoDB, and what must hold after each of them.

use stateright::{Expectation, Model, Property};

use super::process::{Phase, Process};
use super::store::{self, Answer};
use super::{Ballot, Call, Client, Config, Counter, Fault, Handler, State, Told};

/// What a process does that hears nothing of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It sends the same once more.
    Resend,
    /// It says 503 to everybody in it.
    EndAll,
    /// It says 503 to the first, whose time is up, and goes on with the others.
    EndFirst,
}

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
    /// A desk makes a batch of its queue, reads the counter and decides.
    Start(u8),
    /// A process reads the counter and decides.
    ReadCounter(u8),
    /// A process looks the ids up, to refuse.
    LookUp(u8),
    /// A process's transaction applies or fails, and it hears of it.
    Commit(u8),
    /// A process hears nothing of its transaction.
    Lose(u8, After),
    /// A process's transaction is turned down as a whole.
    Reject(u8),
    /// A process dies and is started again.
    Crash(u8),
    /// Somebody sends the cancel of a booking; nothing says when it arrives.
    Cancel(u8),
    /// A change's handler reads the counter.
    ReadChange(u8),
    /// A change's handler changes the counter.
    Follow(u8),
    /// A call that nobody waits for takes effect.
    Late(Call),
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
                if state.bookings[request.id as usize]
                    .is_some_and(|booking| self.request(booking.by).fingerprint == request.fingerprint)
                {
                    about.booked |= ballot.bit();
                }
                state.processes[process as usize].queue.push(ballot);
            }
            Action::Start(process) => state.start(self, process as usize),
            Action::ReadCounter(process) => state.read_counter(self, process as usize),
            Action::LookUp(process) => {
                if let Phase::LookUp(seen) = state.processes[process as usize].phase {
                    state.look_up(self, process as usize, &seen);
                }
            }
            Action::Commit(process) => {
                if let Phase::Commit(call) = std::mem::take(&mut state.processes[process as usize].phase) {
                    state.commit(self, process as usize, &call);
                }
            }
            Action::Lose(process, after) => {
                state.lost -= 1;
                if let Phase::Commit(call) = std::mem::take(&mut state.processes[process as usize].phase) {
                    state.lose(self, process as usize, call, after);
                }
            }
            Action::Reject(process) => {
                state.rejects -= 1;
                if let Phase::Commit(call) = std::mem::take(&mut state.processes[process as usize].phase) {
                    state.rejected(self, process as usize, &call);
                }
            }
            Action::Crash(process) => {
                state.crashes -= 1;
                state.crash(process as usize);
            }
            Action::Cancel(id) => {
                state.cancels -= 1;
                let item = state.draw(self.processes as usize);
                let unknown = state.counter.available.is_none();
                state.send_late(Call::Cancel { item, id, unknown });
            }
            Action::ReadChange(change) => {
                state.handlers[change as usize] = Handler::Seen(state.counter);
            }
            Action::Follow(change) => {
                let place = &mut state.handlers[change as usize];
                if let Handler::Seen(seen) = std::mem::replace(place, Handler::Waiting) {
                    let call = Call::Follow { change, seen };
                    if store::apply(self, state, &call, false) == Answer::Done
                        || state.counter.version > change
                    {
                        state.handlers[change as usize] = Handler::Done;
                    }
                }
            }
            Action::Late(call) => {
                if let Some(place) = state.late.iter().position(|other| *other == call) {
                    state.late.remove(place);
                }
                store::apply(self, state, &call, true);
            }
        }
    }
}

fn settled(state: &State) -> bool {
    state
        .processes
        .iter()
        .all(|process| process.queue.is_empty() && process.batch.is_empty() && process.phase == Phase::Idle)
        && state.handlers.iter().all(|handler| *handler == Handler::Done)
        && state.clients.iter().all(Client::settled)
}

impl Model for Config {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let most = |of: fn(&super::Request) -> u8| self.requests.iter().map(of).max().unwrap_or(0) as usize;
        let counter = Counter {
            version: 0,
            capacity: self.capacity,
            sold: 0,
            available: self.capacity,
            epoch: 0,
        };
        vec![State {
            counter,
            bookings: vec![None; most(|request| request.id) + 1],
            holders: vec![0; most(|request| request.person) + 1],
            outbox: Vec::new(),
            tokens: Vec::new(),
            late: Vec::new(),
            clients: vec![Client::default(); self.requests.len()],
            processes: vec![Process::default(); self.processes as usize],
            handlers: vec![Handler::Waiting; self.changes.len()],
            fault: None,
            drawn: vec![0; self.processes as usize + 1],
            lost: self.lost,
            crashes: self.crashes,
            retries: self.retries,
            cancels: self.cancels,
            rejects: self.rejects,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        // Nobody can tell the processes apart before the first request.
        let fresh = state.clients.iter().all(|client| client.tries == 0);
        let processes = if fresh { 1 } else { self.processes };
        for (client, about) in (0..).zip(&state.clients) {
            if about.may_ask(state.retries) {
                actions.extend((0..processes).map(|process| Action::Ask { client, process }));
            }
        }
        for (process, desk) in (0..).zip(&state.processes) {
            match &desk.phase {
                Phase::Idle if !desk.queue.is_empty() => actions.push(Action::Start(process)),
                Phase::Idle => {}
                Phase::Counter => actions.push(Action::ReadCounter(process)),
                Phase::LookUp(_) => actions.push(Action::LookUp(process)),
                Phase::Commit(call) => {
                    actions.push(Action::Commit(process));
                    let several = matches!(call, Call::Commit { ballots, .. } if ballots.len() > 1);
                    if state.lost > 0 {
                        actions.push(Action::Lose(process, After::Resend));
                        actions.push(Action::Lose(process, After::EndAll));
                        if several {
                            actions.push(Action::Lose(process, After::EndFirst));
                        }
                    }
                    if state.rejects > 0 {
                        actions.push(Action::Reject(process));
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
                Handler::Seen(_) => actions.push(Action::Follow(change)),
                Handler::Done => {}
            }
        }
        let mut before = None;
        for call in &state.late {
            if before != Some(call) {
                actions.push(Action::Late(call.clone()));
            }
            before = Some(call);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        state.note_grounds(self);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn always(name: &'static str, condition: fn(&Config, &State) -> bool) -> Property<Config> {
            Property {
                expectation: Expectation::Always,
                name,
                condition,
            }
        }
        let mut properties = vec![
            always("granted within the capacity", |_, s| {
                s.fault != Some(Fault::Oversold)
            }),
            always("no booking after a refusal", |_, s| {
                s.fault != Some(Fault::BookedAfterRefusal)
            }),
            always("no refusal beside a booking", |_, s| {
                s.fault != Some(Fault::RefusedThoughBooked)
            }),
            always("a lost answer is found again", |_, s| {
                s.fault != Some(Fault::BookingNotFound)
            }),
            always("sold out means too few seats", |_, s| {
                s.fault != Some(Fault::RefusedWithoutGrounds)
            }),
            always("nobody is refused below the limit", |_, s| {
                s.fault != Some(Fault::RefusedBelowLimit)
            }),
            always("nobody gets a foreign booking", |_, s| {
                s.fault != Some(Fault::ForeignBooking)
            }),
            always("the limit per person holds", |_, s| {
                s.fault != Some(Fault::OverLimit)
            }),
            always("a token stands for one request", |_, s| {
                s.fault != Some(Fault::TokenMismatch)
            }),
            always("counter and bookings agree", |config, s| {
                let sold: i8 = s
                    .confirmed()
                    .map(|booking| config.request(booking.by).seats)
                    .sum();
                let counter = &s.counter;
                counter.sold == sold && counter.available == counter.capacity.map(|all| all - sold)
            }),
            always("what is stored is announced", |_, s| {
                (0..).zip(&s.bookings).all(|(id, booking)| {
                    booking.is_none_or(|booking| {
                        s.announced(id, false) && (booking.confirmed || s.announced(id, true))
                    })
                })
            }),
            always("nothing is stuck", |config, s| {
                let mut actions = Vec::new();
                config.actions(s, &mut actions);
                !actions.is_empty() || s.fault.is_some() || settled(s)
            }),
        ];
        let mut sometimes = |wanted: bool, name, condition: fn(&Config, &State) -> bool| {
            if wanted {
                properties.push(Property::sometimes(name, condition));
            }
        };
        let (races, retries) = (self.lost > 0 || self.crashes > 0, self.retries > 0);
        sometimes(true, "somebody is booked", |_, s| s.told(Told::Booked));
        sometimes(self.scarce(), "somebody is refused for seats", |_, s| {
            s.told(Told::SoldOut)
        });
        sometimes(races, "a transaction applies late", |_, s| {
            s.confirmed().any(|booking| booking.late)
        });
        sometimes(
            self.lost > 0 && self.window,
            "a late one is known by its token",
            |_, s| s.late.iter().any(|call| s.tokens.contains(call)),
        );
        sometimes(races && retries, "a retry finds its booking", |_, s| {
            s.told(Told::Existing)
        });
        sometimes(
            races && retries && self.scarce(),
            "one is left after a refusal",
            |_, s| {
                s.clients.iter().any(|client| client.forbidden & 1 != 0)
                    && s.late.iter().any(|call| matches!(call, Call::Commit { .. }))
            },
        );
        sometimes(self.cancels > 0, "a booking is cancelled", |_, s| {
            s.bookings.iter().flatten().any(|booking| !booking.confirmed)
        });
        sometimes(self.rejects > 0, "half a batch is booked", |config, s| {
            s.rejects < config.rejects && s.told(Told::Booked) && s.outbox.len() > 1
        });
        sometimes(self.limit.is_some(), "refused for the limit", |_, s| {
            s.told(Told::LimitReached)
        });
        sometimes(self.reuses_id(), "a key is reused", |_, s| {
            s.told(Told::KeyReused)
        });
        let unknown = self.capacity.is_none() || self.changes.iter().any(|change| change.capacity.is_none());
        sometimes(unknown && self.allow_unknown, "sold while unknown", |_, s| {
            s.counter.capacity.is_none() && s.counter.sold > 0
        });
        properties
    }
}
