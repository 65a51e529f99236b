//! The steps of the outbox model, and what must hold after each of them.

use stateright::{Model, Property};

use super::{Config, Fault, Hold, Lease, Mutation, Progress, Row, State};

/// A step of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next message of the script is written by this process.
    Write(u8),
    /// A relay claims what it can, up to so many rows.
    Claim {
        /// Which relay.
        relay: u8,
        /// How many rows at most.
        limit: usize,
    },
    /// A relay sends a row.
    Emit(u8, u8),
    /// The broker takes the row, and the relay hears of it.
    Accept(u8, u8),
    /// The broker refuses the row for now.
    Refuse(u8, u8),
    /// The broker refuses the row for good.
    RefuseForGood(u8, u8),
    /// The relay hears nothing; the row is still on its way.
    LoseEmit(u8, u8),
    /// A row that nobody waits for reaches the broker.
    AcceptLate(u8),
    /// A relay confirms a row.
    Confirm(u8, u8),
    /// The confirm is lost.
    LoseConfirm(u8, u8),
    /// A relay puts a row aside.
    Park(u8, u8),
    /// A row is put aside that nobody waits for.
    ParkLate(u8),
    /// An operator sends a parked row again.
    Resend(u8),
    /// The time of a claim runs out.
    Expire(u8),
    /// A relay extends its claim.
    Extend {
        /// Which relay.
        relay: u8,
        /// Which claim.
        token: u8,
    },
    /// A process dies and is started again.
    Crash(u8),
}

impl Config {
    fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Write(process) => self.write(state, process as usize),
            Action::Claim { relay, limit } => {
                let token = state.next_token;
                state.next_token += 1;
                for row in self.claimable(state, relay as usize, limit) {
                    state.rows[row as usize].lease = Some(Lease { token, live: true });
                    state.hold(relay as usize, row, token);
                }
            }
            Action::Emit(relay, row) => {
                state.progress(relay, row, Progress::Open);
                if self.is(Mutation::ConfirmWhenSent) {
                    state.confirm(row);
                }
            }
            Action::Accept(relay, row) => {
                state.publish(row);
                state.progress(relay, row, Progress::Accepted);
            }
            Action::Refuse(relay, row) => {
                state.failures -= 1;
                state.let_go(
                    self,
                    relay as usize,
                    row,
                    self.is(Mutation::KeepLaterAfterFailure),
                );
            }
            Action::RefuseForGood(relay, row) => {
                state.permanent -= 1;
                if self.is(Mutation::FlowBeforePark) {
                    let token = state.drop_hold(relay, row);
                    state.parking.push((row, token));
                } else {
                    state.progress(relay, row, Progress::Parking);
                }
            }
            Action::LoseEmit(relay, row) => {
                state.lost -= 1;
                state.fly(row);
                state.let_go(
                    self,
                    relay as usize,
                    row,
                    self.is(Mutation::KeepLaterAfterFailure),
                );
            }
            Action::AcceptLate(index) => {
                let row = state.airborne.remove(index as usize);
                state.publish(row);
            }
            Action::Confirm(relay, row) => {
                state.confirm(row);
                state.drop_hold(relay, row);
            }
            Action::LoseConfirm(relay, row) => {
                state.lost -= 1;
                state.drop_hold(relay, row);
            }
            Action::Park(relay, row) => {
                let token = state.drop_hold(relay, row);
                if !state.park(self, row, token) {
                    // Somebody else has the row and may not have published it yet.
                    state.let_go(
                        self,
                        relay as usize,
                        row,
                        self.is(Mutation::KeepLaterAfterLostPark),
                    );
                }
            }
            Action::ParkLate(index) => {
                let (row, token) = state.parking.remove(index as usize);
                state.park(self, row, token);
            }
            Action::Resend(row) => {
                state.resends -= 1;
                state.rows[row as usize].parked = false;
            }
            Action::Expire(token) => {
                let alive = state.relays.iter().flatten().any(|hold| hold.token == token);
                state.oversleeps -= u8::from(alive);
                for lease in state.rows.iter_mut().filter_map(|row| row.lease.as_mut()) {
                    lease.live &= lease.token != token;
                }
                for hold in state.relays.iter_mut().flatten() {
                    hold.live &= hold.token != token;
                }
            }
            Action::Extend { relay, token } => self.extend(state, relay as usize, token),
            Action::Crash(relay) => {
                state.crashes -= 1;
                for hold in std::mem::take(&mut state.relays[relay as usize]) {
                    if hold.progress == Progress::Open {
                        state.fly(hold.row);
                    }
                }
            }
        }
    }

    /// The write itself says whether the message may be handed over in memory; there is no second look.
    fn write(&self, state: &mut State, process: usize) {
        let entity = self.script[state.rows.len()];
        let earlier = state
            .rows
            .iter()
            .any(|row| row.entity == entity && !row.gone && !row.parked);
        let row = state.rows.len() as u8;
        let fast =
            (!earlier || self.is(Mutation::FastPathAlways)) && state.relays[process].len() < self.handover;
        let mut lease = None;
        if fast {
            let token = state.next_token;
            state.next_token += 1;
            lease = Some(Lease { token, live: true });
            state.hold(process, row, token);
        }
        state.rows.push(Row {
            entity,
            lease,
            published: 0,
            parked: false,
            was_parked: false,
            gone: false,
        });
    }

    /// Extends what the token still holds. What it no longer holds belongs to somebody else, who may not have
    /// published it yet: so nothing later of that entity may leave from here.
    fn extend(&self, state: &mut State, relay: usize, token: u8) {
        let mine: Vec<u8> = state.relays[relay]
            .iter()
            .filter(|hold| hold.token == token)
            .map(|hold| hold.row)
            .collect();
        for row in mine {
            let lease = &mut state.rows[row as usize].lease;
            if lease.is_some_and(|lease| lease.token == token) || self.is(Mutation::ExtendWithoutToken) {
                *lease = Some(Lease { token, live: true });
                for hold in state.relays[relay].iter_mut().filter(|hold| hold.row == row) {
                    hold.live = true;
                }
            } else if state.relays[relay]
                .iter()
                .any(|hold| hold.row == row && hold.progress == Progress::Waiting)
            {
                state.let_go(self, relay, row, self.is(Mutation::KeepLaterAfterLostLease));
            }
        }
    }
}

impl State {
    fn hold(&mut self, relay: usize, row: u8, token: u8) {
        self.relays[relay].push(Hold {
            row,
            token,
            live: true,
            progress: Progress::Waiting,
        });
        self.relays[relay].sort_by_key(|hold| hold.row);
    }

    fn progress(&mut self, relay: u8, row: u8, progress: Progress) {
        for hold in self.relays[relay as usize]
            .iter_mut()
            .filter(|hold| hold.row == row)
        {
            hold.progress = progress;
        }
    }

    fn fly(&mut self, row: u8) {
        self.airborne.push(row);
        self.airborne.sort_unstable();
    }

    /// The relay forgets a row; says by which claim it had it.
    fn drop_hold(&mut self, relay: u8, row: u8) -> u8 {
        let holds = &mut self.relays[relay as usize];
        let place = holds.iter().position(|hold| hold.row == row);
        place.map_or(u8::MAX, |place| holds.remove(place).token)
    }

    /// Puts a row aside if the token still holds.
    fn park(&mut self, config: &Config, row: u8, token: u8) -> bool {
        let row = &mut self.rows[row as usize];
        let mine =
            row.lease.is_some_and(|lease| lease.token == token) || config.is(Mutation::ParkWithoutToken);
        if mine && !row.gone {
            row.parked = true;
            row.was_parked = true;
            row.lease = None;
        }
        mine
    }
}

impl Model for Config {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        for (relay, holds) in (0..).zip(&state.relays) {
            if state.rows.len() < self.script.len() {
                actions.push(Action::Write(relay));
            }
            let claimable = self.claimable(state, relay as usize, self.limit).len();
            actions.extend((1..=claimable).map(|limit| Action::Claim { relay, limit }));
            for hold in holds {
                let row = hold.row;
                match hold.progress {
                    Progress::Waiting if self.may_emit(state, relay as usize, row) => {
                        actions.push(Action::Emit(relay, row));
                    }
                    Progress::Waiting => {}
                    Progress::Open => {
                        actions.push(Action::Accept(relay, row));
                        let mut budget = |left: u8, action| {
                            if left > 0 {
                                actions.push(action);
                            }
                        };
                        budget(state.failures, Action::Refuse(relay, row));
                        budget(state.permanent, Action::RefuseForGood(relay, row));
                        budget(state.lost, Action::LoseEmit(relay, row));
                    }
                    Progress::Accepted => {
                        actions.push(Action::Confirm(relay, row));
                        if state.lost > 0 {
                            actions.push(Action::LoseConfirm(relay, row));
                        }
                    }
                    Progress::Parking => actions.push(Action::Park(relay, row)),
                }
                if !hold.live && holds.iter().find(|other| other.token == hold.token) == Some(hold) {
                    actions.push(Action::Extend {
                        relay,
                        token: hold.token,
                    });
                }
            }
            if state.crashes > 0 && !holds.is_empty() {
                actions.push(Action::Crash(relay));
            }
        }
        for token in 0..state.next_token {
            let leased = state
                .rows
                .iter()
                .any(|row| row.lease.is_some_and(|lease| lease.live && lease.token == token));
            let alive = state.relays.iter().flatten().any(|hold| hold.token == token);
            let ends = if alive {
                state.oversleeps > 0
            } else {
                !self.is(Mutation::LeaseForever)
            };
            if leased && ends {
                actions.push(Action::Expire(token));
            }
        }
        actions.extend((0..state.airborne.len() as u8).map(Action::AcceptLate));
        actions.extend((0..state.parking.len() as u8).map(Action::ParkLate));
        for (index, row) in (0..).zip(&state.rows) {
            if row.parked && state.resends > 0 {
                actions.push(Action::Resend(index));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("first published in the order of the writes", |_, s: &State| {
                s.fault != Some(Fault::OutOfOrder)
            }),
            Property::always("no message is lost", |_, s: &State| s.fault != Some(Fault::Lost)),
            Property::always("no row is held by two live claims", |_, s: &State| {
                !s.held_twice()
            }),
            Property::always("the outbox runs empty", |config: &Config, s: &State| {
                let mut actions = Vec::new();
                config.actions(s, &mut actions);
                !actions.is_empty() || s.fault.is_some() || s.settled(config)
            }),
        ];
        let mut sometimes = |wanted: bool, name, condition: fn(&Config, &State) -> bool| {
            if wanted {
                properties.push(Property::sometimes(name, condition));
            }
        };
        sometimes(true, "everything left", |config, s| s.settled(config));
        sometimes(true, "born free behind an open one", |_, s| {
            s.rows.last().is_some_and(|row| row.lease.is_none() && !row.gone)
        });
        sometimes(self.lost > 0, "an emit is taken late", |config, s| {
            s.lost < config.lost
                && s.airborne.is_empty()
                && s.rows.iter().any(|row| row.published > 0 && !row.gone)
        });
        let repeats = self.lost > 0 || self.oversleeps > 0;
        sometimes(repeats, "a message is repeated", |_, s| {
            s.rows.iter().any(|row| row.published > 1)
        });
        sometimes(
            self.oversleeps > 0,
            "an overslept relay holds what another one claimed",
            |_, s| {
                s.relays[0]
                    .iter()
                    .any(|hold| !hold.live && s.relays[1].iter().any(|other| other.row == hold.row))
            },
        );
        sometimes(
            self.permanent > 0,
            "a later message leaves past a parked one",
            |_, s| {
                s.rows[..]
                    .windows(2)
                    .any(|rows| rows[0].parked && rows[1].gone && rows[0].entity == rows[1].entity)
            },
        );
        sometimes(self.resends > 0, "a parked message leaves after all", |_, s| {
            s.rows.iter().any(|row| row.was_parked && row.gone)
        });
        sometimes(self.crashes > 0, "a lease outlives its owner", |config, s| {
            s.crashes < config.crashes
                && s.relays.iter().all(Vec::is_empty)
                && s.rows.iter().any(|r| r.lease.is_some())
        });
        properties
    }
}
