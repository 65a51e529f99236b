//! The steps of the outbox of items.

use stateright::{Model, Property};

use super::{
    Change, Config, Fault, Hold, Item, Lease, Message, Mutation, Part, Progress, State, Write, properties,
};

/// A step of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A write reads the pointers of its records.
    Read(u8),
    /// A write takes effect, unless a pointer moved; its item is born leased to this relay, or free.
    Write {
        /// Which write, and so which item.
        item: u8,
        /// Who gets it in memory.
        relay: Option<u8>,
    },
    /// A relay claims an item.
    Claim(u8, u8),
    /// A relay hands a message to the broker.
    Emit(u8, u8),
    /// The broker takes it, and the relay hears of it.
    Accept(u8, u8),
    /// The relay hears nothing; the broker takes it later, or never.
    LoseEmit(u8, u8),
    /// The broker will never take it.
    RefuseForGood(u8, u8),
    /// A relay puts a message aside.
    Park(u8, u8),
    /// A relay confirms an item: deletes it, or writes back what is left.
    Confirm(u8, u8),
    /// A relay confirms an item and hears nothing.
    LoseConfirm(u8, u8),
    /// A relay lets an item go.
    Release(u8, u8),
    /// The broker takes a message that nobody waits for.
    AcceptLate(u8),
    /// A change of an item that nobody waits for takes effect.
    Late(Change),
    /// The time of a lease runs out.
    Expire(u8),
    /// An operator sends a parked message again.
    Resend(u8),
    /// A relay dies and is started again.
    Crash(u8),
}

impl Config {
    fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Read(item) => {
                let records = &self.script[item as usize];
                let pointers = records.iter().map(|record| state.pointers[*record as usize]);
                state.writes[item as usize] = Write::Read(pointers.collect());
            }
            Action::Write { item, relay } => self.write(state, item, relay),
            Action::Claim(relay, id) => {
                let token = state.next_token;
                state.next_token += 1;
                if let Some(item) = state.item_mut(id) {
                    item.lease = Some(Lease { token, live: true });
                    let parts = item.parts.clone();
                    state.hold(relay, id, token, &parts);
                }
            }
            Action::Emit(relay, message) => {
                let progress = if self.is(Mutation::ConfirmWhenSent) {
                    state.airborne.push(message);
                    state.airborne.sort_unstable();
                    Progress::Accepted
                } else {
                    Progress::Open
                };
                state.progress(relay, message, progress);
            }
            Action::Accept(relay, message) => {
                state.progress(relay, message, Progress::Accepted);
                state.publish(message);
            }
            Action::LoseEmit(relay, message) => {
                state.lost -= 1;
                state.progress(relay, message, Progress::Waiting);
                state.airborne.push(message);
                state.airborne.sort_unstable();
            }
            Action::RefuseForGood(relay, message) => {
                state.permanent -= 1;
                state.progress(relay, message, Progress::Parking);
            }
            Action::Park(relay, message) => self.park(state, relay, message),
            Action::Confirm(relay, item) => {
                if let Some(change) = self.confirm(state, relay, item) {
                    self.change(state, &change);
                }
            }
            Action::LoseConfirm(relay, item) => {
                state.lost -= 1;
                if let Some(change) = self.confirm(state, relay, item) {
                    state.late.push(change);
                    state.late.sort();
                }
            }
            Action::Release(relay, item) => {
                if let Some(hold) = state.drop_hold(relay, item)
                    && let Some(item) = state.item_mut(item)
                    && (item.lease.is_some_and(|lease| lease.token == hold.token)
                        || self.is(Mutation::ReleaseWithoutToken))
                {
                    item.lease = None;
                }
            }
            Action::AcceptLate(message) => {
                state.airborne.retain(|other| *other != message);
                state.publish(message);
            }
            Action::Late(change) => {
                state.late.retain(|other| *other != change);
                self.change(state, &change);
            }
            Action::Expire(token) => {
                let alive = state.relays.iter().flatten().any(|hold| hold.token == token);
                state.oversleeps -= u8::from(alive);
                for write in &mut state.writes {
                    if let Write::Written(Some(Item {
                        lease: Some(lease), ..
                    })) = write
                    {
                        lease.live &= lease.token != token;
                    }
                }
                for hold in state.relays.iter_mut().flatten() {
                    hold.live &= hold.token != token;
                }
            }
            Action::Resend(message) => {
                state.resends -= 1;
                let id = state.messages[message as usize].item;
                if let Some(item) = state.item_mut(id) {
                    for part in item.parts.iter_mut().filter(|part| part.message == message) {
                        part.parked = false;
                    }
                }
            }
            Action::Crash(relay) => {
                state.crashes -= 1;
                for hold in std::mem::take(&mut state.relays[relay as usize]) {
                    let open = hold
                        .parts
                        .iter()
                        .filter(|(_, progress)| *progress == Progress::Open);
                    state.airborne.extend(open.map(|(message, _)| *message));
                }
                state.airborne.sort_unstable();
            }
        }
    }

    fn write(&self, state: &mut State, id: u8, relay: Option<u8>) {
        let Write::Read(seen) = state.writes[id as usize].clone() else {
            return;
        };
        let records = &self.script[id as usize];
        let moved = records
            .iter()
            .zip(&seen)
            .any(|(record, seen)| state.pointers[*record as usize] != *seen);
        if moved && !self.is(Mutation::PointerNotCompared) {
            state.writes[id as usize] = Write::Waiting;
            return;
        }
        let mut parts = Vec::new();
        for (record, after) in records.iter().zip(seen) {
            parts.push(Part {
                message: state.messages.len() as u8,
                parked: false,
            });
            state.messages.push(Message {
                record: *record,
                item: id,
                after,
                published: 0,
                was_parked: false,
            });
            let pointer = &mut state.pointers[*record as usize];
            if pointer.is_none() || !self.is(Mutation::PointerKept) {
                *pointer = Some(id);
            }
        }
        let lease = relay.map(|relay| {
            let token = state.next_token;
            state.next_token += 1;
            state.hold(relay, id, token, &parts);
            Lease { token, live: true }
        });
        state.writes[id as usize] = Write::Written(Some(Item { parts, lease }));
    }

    /// What the relay's confirm of this item does; it lets go of the item.
    fn confirm(&self, state: &mut State, relay: u8, item: u8) -> Option<Change> {
        let hold = state.drop_hold(relay, item)?;
        let rest = hold
            .parts
            .iter()
            .filter(|(_, progress)| *progress != Progress::Accepted)
            .map(|(message, progress)| Part {
                message: *message,
                parked: *progress == Progress::Parked,
            });
        Some(Change {
            item,
            token: hold.token,
            rest: if self.is(Mutation::DeleteUnconfirmed) {
                Vec::new()
            } else {
                rest.collect()
            },
            keeps: false,
        })
    }

    /// Writes the item back with one message put aside; whoever has lost the item lets go of it.
    fn park(&self, state: &mut State, relay: u8, message: u8) {
        let id = state.messages[message as usize].item;
        let Some(hold) = state.relays[relay as usize].iter().find(|hold| hold.item == id) else {
            return;
        };
        let rest = hold.parts.iter().map(|(other, progress)| Part {
            message: *other,
            parked: *progress == Progress::Parked || *other == message,
        });
        let change = Change {
            item: id,
            token: hold.token,
            rest: rest.collect(),
            keeps: true,
        };
        if self.change(state, &change) {
            state.messages[message as usize].was_parked = true;
            state.progress(relay, message, Progress::Parked);
        } else {
            state.drop_hold(relay, id);
        }
    }

    /// Applies a change of an item; says whether its condition held.
    fn change(&self, state: &mut State, change: &Change) -> bool {
        let free = if change.keeps {
            self.is(Mutation::ParkWithoutToken)
        } else {
            self.is(Mutation::PutBackWithoutToken)
        };
        let before = state.item(change.item).cloned();
        // What every message of was taken by the broker may go, whoever has it.
        let held = match &before {
            Some(item) => {
                change.rest.is_empty() || free || item.lease.is_some_and(|lease| lease.token == change.token)
            }
            None => !change.rest.is_empty() && self.is(Mutation::PutBackWithoutExistence),
        };
        if !held {
            return false;
        }
        let parts = before.as_ref().map(|item| item.parts.clone()).unwrap_or_default();
        let kept = |message: u8| change.rest.iter().any(|part| part.message == message);
        let left = parts.iter().find(|part| {
            state.messages[part.message as usize].published == 0 && !part.parked && !kept(part.message)
        });
        if left.is_some() {
            state.fault.get_or_insert(Fault::Lost);
        }
        let had = |message: u8| parts.iter().any(|part| part.message == message);
        if change.rest.iter().any(|part| !had(part.message)) {
            state.fault.get_or_insert(Fault::Revived);
        }
        let lease = before.and_then(|item| item.lease).filter(|_| change.keeps);
        let rest = change.rest.clone();
        state.writes[change.item as usize] =
            Write::Written(Some(Item { parts: rest, lease }).filter(|item| !item.parts.is_empty()));
        true
    }

    fn hold_actions(&self, state: &State, relay: u8, hold: &Hold, actions: &mut Vec<Action>) {
        let (mut accepted, mut busy, mut idle) = (false, false, true);
        for (message, progress) in &hold.parts {
            let message = *message;
            match progress {
                Progress::Waiting if self.may_leave(state, message) => {
                    idle = false;
                    actions.push(Action::Emit(relay, message));
                }
                Progress::Waiting | Progress::Parked => {}
                Progress::Open => {
                    busy = true;
                    actions.push(Action::Accept(relay, message));
                    if state.permanent > 0 {
                        actions.push(Action::RefuseForGood(relay, message));
                    }
                    if state.lost > 0 {
                        actions.push(Action::LoseEmit(relay, message));
                    }
                }
                Progress::Accepted => accepted = true,
                Progress::Parking => {
                    busy = true;
                    actions.push(Action::Park(relay, message));
                }
            }
        }
        if accepted && !busy {
            actions.push(Action::Confirm(relay, hold.item));
            if state.lost > 0 {
                actions.push(Action::LoseConfirm(relay, hold.item));
            }
        } else if !busy && (idle || !hold.live) {
            actions.push(Action::Release(relay, hold.item));
        }
    }
}

impl State {
    fn hold(&mut self, relay: u8, item: u8, token: u8, parts: &[Part]) {
        let parts = parts
            .iter()
            .map(|part| {
                let progress = if part.parked {
                    Progress::Parked
                } else {
                    Progress::Waiting
                };
                (part.message, progress)
            })
            .collect();
        let holds = &mut self.relays[relay as usize];
        holds.push(Hold {
            item,
            token,
            live: true,
            parts,
        });
        holds.sort_by_key(|hold| hold.item);
    }

    fn progress(&mut self, relay: u8, message: u8, progress: Progress) {
        let parts = self.relays[relay as usize]
            .iter_mut()
            .flat_map(|hold| &mut hold.parts);
        for (_, place) in parts.filter(|(other, _)| *other == message) {
            *place = progress;
        }
    }

    fn drop_hold(&mut self, relay: u8, item: u8) -> Option<Hold> {
        let holds = &mut self.relays[relay as usize];
        let place = holds.iter().position(|hold| hold.item == item)?;
        Some(holds.remove(place))
    }

    /// The broker takes a message: every earlier one of its record must have been there before, or lost its place.
    fn publish(&mut self, message: u8) {
        let record = self.messages[message as usize].record;
        let waits = self.messages[..message as usize]
            .iter()
            .any(|other| other.record == record && other.published == 0 && !other.was_parked);
        let about = &mut self.messages[message as usize];
        if about.published == 0 && waits {
            self.fault.get_or_insert(Fault::OutOfOrder);
        }
        about.published = (about.published + 1).min(2);
    }
}

impl Model for Config {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let records = self
            .script
            .iter()
            .flatten()
            .max()
            .map_or(0, |most| *most as usize + 1);
        vec![State {
            writes: vec![Write::Waiting; self.script.len()],
            messages: Vec::new(),
            pointers: vec![None; records],
            relays: vec![Vec::new(); self.relays as usize],
            airborne: Vec::new(),
            late: Vec::new(),
            fault: None,
            next_token: 0,
            lost: self.lost,
            permanent: self.permanent,
            oversleeps: self.oversleeps,
            crashes: self.crashes,
            resends: self.resends,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        for (item, write) in (0..).zip(&state.writes) {
            match write {
                Write::Waiting => actions.push(Action::Read(item)),
                Write::Read(_) => {
                    actions.push(Action::Write { item, relay: None });
                    // Nobody can tell the relays apart: the numbers of the items say who writes what.
                    let relay = Some(item % self.relays);
                    actions.push(Action::Write { item, relay });
                }
                Write::Written(_) => {}
            }
        }
        for (relay, holds) in (0..).zip(&state.relays) {
            for (id, item) in state.items() {
                let leased = item.lease.is_some_and(|lease| lease.live);
                let held = holds.iter().any(|hold| hold.item == id);
                // A claim that could do nothing would only go round in circles.
                let useful = item
                    .parts
                    .iter()
                    .any(|part| !part.parked && self.may_leave(state, part.message));
                if (!leased || self.is(Mutation::ClaimIgnoresLease)) && !held && useful {
                    actions.push(Action::Claim(relay, id));
                }
            }
            for hold in holds {
                self.hold_actions(state, relay, hold, actions);
            }
            if state.crashes > 0 && !holds.is_empty() {
                actions.push(Action::Crash(relay));
            }
        }
        for token in 0..state.next_token {
            let leased = state
                .items()
                .any(|(_, item)| item.lease.is_some_and(|lease| lease.live && lease.token == token));
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
        let mut airborne = state.airborne.clone();
        airborne.dedup();
        actions.extend(airborne.into_iter().map(Action::AcceptLate));
        actions.extend(state.late.iter().cloned().map(Action::Late));
        for (_, item) in state.items() {
            for part in item.parts.iter().filter(|part| part.parked && state.resends > 0) {
                actions.push(Action::Resend(part.message));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }
}
