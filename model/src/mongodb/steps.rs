//! The steps of the model of MongoDB.

use stateright::{Model, Property};

use super::process::{Phase, Process};
use super::roll::Stepped;
use super::{
    Ballot, Call, Canceller, Client, Config, Counter, Entry, Handler, Mutation, Roll, State, Work,
    properties, store,
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
    /// A desk makes a batch of its queue and reads the counter, or grants from the one it remembers.
    Start {
        /// Which desk.
        process: u8,
        /// It grants from memory.
        from_memory: bool,
    },
    /// A process does its next step, and hears of it.
    Step(u8, &'static str),
    /// A process hears nothing of its call.
    Lose {
        /// Which process.
        process: u8,
        /// It finds out, rather than saying 503.
        again: bool,
    },
    /// A process dies and is started again.
    Crash(u8),
    /// Somebody wants a confirmed booking cancelled.
    Cancel(u8),
    /// A cancel does its next step.
    CancelStep(u8, &'static str),
    /// A cancel hears nothing of its push, and looks again.
    LoseCancel(u8),
    /// Nobody goes on with a cancel; its call stays on its way.
    CrashCancel(u8),
    /// The helper reads a pending entry.
    See(u8),
    /// The helper does the next step.
    Help,
    /// A change's handler reads the counter.
    ReadChange(u8),
    /// A change's handler changes the counter.
    Follow(u8),
    /// A call that nobody waits for takes effect.
    Late(Call),
    /// What could not be inserted can be from now on.
    Mend,
    /// The sale ends.
    SaleEnds,
    /// A member that is no longer the primary keeps the counter of this moment: only where a mutation reads there.
    Depose,
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
            Action::Start { process, from_memory } => state.start(self, process as usize, from_memory),
            Action::Step(process, _) => self.process_step(state, process as usize),
            Action::Lose { process, again } => {
                state.lost -= 1;
                state.lose(self, process as usize, again);
            }
            Action::Crash(process) => {
                state.crashes -= 1;
                state.crash(self, process as usize);
            }
            Action::Cancel(id) => {
                state.cancels -= 1;
                let token = state.draw(self.processes as usize);
                state.cancellers.push(Canceller {
                    id,
                    token,
                    work: Work::Push,
                });
            }
            Action::CancelStep(index, _) => {
                let canceller = state.cancellers.remove(index as usize);
                self.cancel_step(state, canceller);
            }
            Action::LoseCancel(index) => {
                state.lost -= 1;
                let mut canceller = state.cancellers.remove(index as usize);
                state.late_cancel(self, &canceller);
                if !self.is(Mutation::IntentTokenReused) {
                    canceller.token = state.draw(self.processes as usize);
                    canceller.work = Work::Look;
                }
                state.cancellers.push(canceller);
            }
            Action::CrashCancel(index) => {
                state.crashes -= 1;
                let canceller = state.cancellers.remove(index as usize);
                state.late_cancel(self, &canceller);
            }
            Action::See(index) => {
                let unknown = state.counter.available.is_none();
                state.helper = Some(Roll::new(&state.counter.pending[index as usize], unknown));
            }
            Action::Help => {
                if let Some(mut roll) = state.helper.take() {
                    let stepped = state.roll(self, &mut roll);
                    state.helper = Some(roll).filter(|_| !matches!(stepped, Stepped::Done | Stepped::Stuck));
                }
            }
            Action::ReadChange(change) => {
                state.handlers[change as usize] = Handler::Seen(Call::Follow {
                    change,
                    capacity: state.counter.capacity,
                    sold: state.counter.sold,
                });
            }
            Action::Follow(change) => {
                let place = &mut state.handlers[change as usize];
                if let Handler::Seen(call) = std::mem::replace(place, Handler::Waiting)
                    && (store::apply(self, state, &call) || state.counter.version > change)
                {
                    state.handlers[change as usize] = Handler::Done;
                }
            }
            Action::Late(call) => {
                if let Some(place) = state.late.iter().position(|other| *other == call) {
                    state.late.remove(place);
                }
                store::apply(self, state, &call);
            }
            Action::Mend => state.mended = true,
            Action::SaleEnds => state.sale_over = true,
            Action::Depose => state.previous = Some(state.counter.clone()),
        }
    }

    fn process_step(&self, state: &mut State, process: usize) {
        match std::mem::take(&mut state.processes[process].phase) {
            Phase::Idle => {}
            Phase::Counter => state.read_counter(process),
            Phase::LookUp(seen) => state.decide(self, process, &seen),
            Phase::Fence => state.fence(process),
            Phase::Reserve { push, next, pending } => state.reserve(self, process, push, next, pending),
            Phase::Reread(mut push) => {
                if let Call::Push { epoch, .. } = &mut push {
                    *epoch = state.counter.epoch;
                }
                state.processes[process].phase = Phase::Push(push);
            }
            Phase::Sweep(sweep) => state.sweep(self, process, sweep),
            Phase::Push(call) => state.push(self, process, &call),
            Phase::Roll { roll, own } => state.roll_on(self, process, roll, own),
        }
    }

    fn cancel_step(&self, state: &mut State, mut canceller: Canceller) {
        let (id, token) = (canceller.id, canceller.token);
        canceller.work = match canceller.work {
            Work::Look => match state.booking(id) {
                Some(booking) if booking.cancelled.is_none() => Work::Push,
                _ => return,
            },
            Work::Push if self.is(Mutation::CancelBookingFirst) => {
                if !store::apply(self, state, &Call::Mark { id, token }) {
                    return;
                }
                Work::Give
            }
            Work::Push => {
                let entry = Entry::Cancel { token, id };
                let roll = Roll::new(&entry, state.counter.available.is_none());
                store::apply(self, state, &push_intent(entry));
                Work::Roll(roll)
            }
            Work::Roll(mut roll) => match state.roll(self, &mut roll) {
                Stepped::Done | Stepped::Stuck => return,
                _ => Work::Roll(roll),
            },
            Work::Give => {
                if let Some(call) = state.give_call(self, &canceller) {
                    store::apply(self, state, &call);
                }
                return;
            }
        };
        state.cancellers.push(canceller);
        state.cancellers.sort();
    }
}

fn push_intent(entry: Entry) -> Call {
    Call::Push {
        entry,
        epoch: 0,
        unknown: false,
    }
}

impl State {
    /// What a cancel that goes on no more has on its way.
    fn late_cancel(&mut self, config: &Config, canceller: &Canceller) {
        let (id, token) = (canceller.id, canceller.token);
        let call = match &canceller.work {
            Work::Look => None,
            Work::Push if config.is(Mutation::CancelBookingFirst) => Some(Call::Mark { id, token }),
            Work::Push => Some(push_intent(Entry::Cancel { token, id })),
            Work::Roll(roll) => roll.call(config),
            Work::Give => self.give_call(config, canceller),
        };
        if let Some(call) = call {
            self.send_late(call);
        }
    }

    /// Whoever pushed the entry rolls it forward.
    fn at_work(&self, entry: &Entry) -> bool {
        let owns = |process: &Process| matches!(&process.phase, Phase::Roll { roll, own: true } if roll.entry == *entry);
        let cancels = |other: &Canceller| matches!(&other.work, Work::Roll(roll) if roll.entry == *entry);
        self.processes.iter().any(owns) || self.cancellers.iter().any(cancels)
    }

    fn give_call(&self, config: &Config, canceller: &Canceller) -> Option<Call> {
        self.booking(canceller.id).map(|booking| Call::Settle {
            token: canceller.token,
            give: config.request(booking.by).seats,
            cancel: true,
            unknown: self.counter.available.is_none(),
        })
    }
}

fn step_name(phase: &Phase) -> Option<&'static str> {
    Some(match phase {
        Phase::Idle => return None,
        Phase::Counter => "reads the counter",
        Phase::LookUp(_) => "looks up the ids and decides",
        Phase::Fence => "raises the epoch to refuse by the clock",
        Phase::Reserve { .. } => "reserves in the holder record",
        Phase::Reread(_) => "reads the epoch",
        Phase::Sweep(sweep) => sweep.name(),
        Phase::Push(_) => "pushes the entry",
        Phase::Roll { roll, own: true } => roll_name(roll),
        Phase::Roll { own: false, .. } => "rolls somebody's entry forward",
    })
}

fn roll_name(roll: &Roll) -> &'static str {
    match (&roll.entry, roll.open().is_empty()) {
        (Entry::Commit { .. }, false) => "inserts a booking",
        (Entry::Cancel { .. }, _) if roll.next == 0 => "cancels the booking",
        _ => "settles the entry",
    }
}

impl Model for Config {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let most = |of: fn(&super::Request) -> u8| self.requests.iter().map(of).max().unwrap_or(0) as usize;
        let counter = Counter {
            open: true,
            version: 0,
            capacity: self.capacity,
            sold: 0,
            available: self.capacity,
            epoch: 0,
            pending: Vec::new(),
        };
        vec![State {
            counter,
            bookings: vec![None; most(|request| request.id) + 1],
            holders: vec![Vec::new(); most(|request| request.person) + 1],
            late: Vec::new(),
            clients: vec![Client::default(); self.requests.len()],
            processes: vec![Process::default(); self.processes as usize],
            cancellers: Vec::new(),
            helper: None,
            handlers: vec![Handler::Waiting; self.changes.len()],
            mended: false,
            sale_over: false,
            previous: None,
            fault: None,
            drawn: vec![0; self.processes as usize + 1],
            lost: self.lost,
            crashes: self.crashes,
            retries: self.retries,
            cancels: self.cancels,
            sweeps: self.sweeps,
            stale: u8::from(self.is(Mutation::StaleRead)),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        // Nobody can tell the processes apart before the first request.
        let fresh = state.clients.iter().all(|client| client.tries == 0);
        let processes = if fresh && !self.pinned { 1 } else { self.processes };
        for (client, about) in (0..).zip(&state.clients) {
            if about.may_ask(state.retries) {
                let open =
                    (0..processes).filter(|process| !self.pinned || *process == client % self.processes);
                actions.extend(open.map(|process| Action::Ask { client, process }));
            }
        }
        for (process, desk) in (0..).zip(&state.processes) {
            if let Some(name) = step_name(&desk.phase) {
                actions.push(Action::Step(process, name));
            } else if !desk.queue.is_empty() {
                let start = |from_memory| Action::Start { process, from_memory };
                actions.push(start(false));
                if desk.memory.is_some() {
                    actions.push(start(true));
                }
            }
            let sends = match &desk.phase {
                Phase::Push(_) | Phase::Reserve { .. } => true,
                Phase::Roll { roll, .. } => roll.call(self).is_some(),
                _ => false,
            };
            if state.lost > 0 && sends {
                actions.extend([true, false].map(|again| Action::Lose { process, again }));
            }
            if state.crashes > 0 && desk.phase != Phase::Idle {
                actions.push(Action::Crash(process));
            }
        }
        for (id, booking) in (0..).zip(&state.bookings) {
            if state.cancels > 0 && booking.is_some_and(|booking| booking.cancelled.is_none()) {
                actions.push(Action::Cancel(id));
            }
        }
        for (index, canceller) in (0..).zip(&state.cancellers) {
            let name = match &canceller.work {
                Work::Look => "looks again",
                Work::Push if state.counter.pending.len() >= self.pending => continue,
                Work::Push => "pushes the intent",
                Work::Roll(roll) => roll_name(roll),
                Work::Give => "gives the seats back",
            };
            actions.push(Action::CancelStep(index, name));
            if state.lost > 0 && canceller.work == Work::Push {
                actions.push(Action::LoseCancel(index));
            }
            if state.crashes > 0 && canceller.work != Work::Look {
                actions.push(Action::CrashCancel(index));
            }
        }
        if state.helper.is_some() {
            actions.push(Action::Help);
        } else {
            for (index, entry) in (0..).zip(&state.counter.pending) {
                if self.eager_helper || !state.at_work(entry) {
                    actions.push(Action::See(index));
                }
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
        if self.stubborn.is_some() && !state.mended {
            actions.push(Action::Mend);
        }
        if self.sale_ends && !state.sale_over {
            actions.push(Action::SaleEnds);
        }
        if state.stale > 0 && state.previous.is_none() {
            actions.push(Action::Depose);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        state.note_grounds(self);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }
}
