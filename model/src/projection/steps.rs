//! The steps of the projection model, and what must hold after each of them.

use stateright::{Model, Property};

use super::{Config, Copy, Counter, Fault, Message, Mutation, Run, State, Step};

/// A step of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A message arrives, for the first time or after its handler died.
    Start(u8),
    /// A message arrives once more.
    Duplicate(u8),
    /// A rebuild offers what its snapshot has of the event: the state after this message.
    Rebuild(u8),
    /// A rebuild whose snapshot does not have the event yet.
    RebuildWithout,
    /// A handler does its next step.
    Step(usize),
    /// A handler dies.
    Crash(usize),
    /// Somebody buys a seat.
    Book,
}

impl Config {
    fn run(&self, message: u8, rebuild: bool) -> Run {
        let step = match self.messages[message as usize] {
            Message::Location { .. } => Step::StoreLocation,
            Message::Event { .. } if self.is(Mutation::JoinBeforeWrites) => Step::Join,
            Message::Event { .. } => Step::Copy,
        };
        let version = match self.messages[message as usize] {
            Message::Event { version, .. } => version,
            Message::Location { .. } => 0,
        };
        Run {
            message,
            rebuild,
            step,
            version,
            joined: None,
        }
    }

    /// Does the next step of a handler; says what comes after it.
    fn step(&self, state: &mut State, run: &mut Run) -> Option<Step> {
        match self.messages[run.message as usize] {
            Message::Location { id, capacity } => self.location_step(state, run, id, capacity),
            Message::Event {
                capacity,
                location,
                cancelled,
                ..
            } => {
                let event = Copy {
                    version: run.version,
                    cancelled,
                    capacity,
                    location,
                };
                self.event_step(state, run, event)
            }
        }
    }

    /// Write the location first, look for events after: an event that is written later sees the location.
    fn location_step(&self, state: &mut State, run: &mut Run, id: u8, capacity: i8) -> Option<Step> {
        if run.step == Step::StoreLocation {
            state.locations[id as usize] = Some(capacity);
            return (!self.is(Mutation::LocationLooksNotBack)).then_some(Step::FindEvent);
        }
        if run.step == Step::FindEvent {
            let copy = state.copy.filter(|copy| copy.location == id)?;
            if copy.capacity.is_some() && self.is(Mutation::LocationTrustsCopy) {
                return None;
            }
            (run.version, run.joined) = (copy.version, Some(capacity));
            return Some(Step::FillCopy);
        }
        self.fill_step(state, run)
    }

    /// Write the copy and the counter first, read the location after both: a location that is written later finds them.
    fn event_step(&self, state: &mut State, run: &mut Run, mut event: Copy) -> Option<Step> {
        let early = self.is(Mutation::JoinBeforeWrites) || self.is(Mutation::JoinBetweenWrites);
        if early {
            event.capacity = event.capacity.or(run.joined);
        }
        match run.step {
            Step::Copy => {
                let applied = self.offer_copy(state, run, event);
                if self.is(Mutation::JoinBetweenWrites) {
                    Some(Step::Join)
                } else if self.is(Mutation::CounterOnlyWithCopy) && !applied {
                    None
                } else {
                    Some(Step::ReadCounter)
                }
            }
            Step::ReadCounter => Some(Step::Counter(state.counter)),
            Step::Counter(seen) => {
                if !self.offer_counter(state, run, event, seen) {
                    return Some(Step::ReadCounter);
                }
                (!early).then_some(Step::Join)
            }
            Step::Join => {
                let own = event.capacity.is_some() && !self.is(Mutation::LocationWins);
                run.joined = state.locations[event.location as usize].filter(|_| !own);
                if self.is(Mutation::JoinBeforeWrites) {
                    Some(Step::Copy)
                } else if self.is(Mutation::JoinBetweenWrites) && run.joined.is_none() {
                    Some(Step::ReadCounter)
                } else {
                    run.joined.map(|_| Step::FillCopy)
                }
            }
            _ => {
                let next = self.fill_step(state, run);
                // The copy is filled, and the counter has not been written: that is the next thing then.
                if next == Some(Step::ReadFill) && early {
                    Some(Step::ReadCounter)
                } else {
                    next
                }
            }
        }
    }

    fn fill_step(&self, state: &mut State, run: &mut Run) -> Option<Step> {
        let any_version = self.is(Mutation::FillWithoutVersion);
        let overwrites = self.is(Mutation::LocationWins) || any_version;
        match run.step {
            Step::FillCopy => {
                if let Some(copy) = &mut state.copy
                    && (copy.version == run.version || any_version)
                    && (copy.capacity.is_none() || overwrites)
                {
                    copy.capacity = run.joined;
                }
                Some(Step::ReadFill)
            }
            Step::ReadFill => {
                let mine = |counter: &Counter| {
                    (counter.version == run.version || any_version)
                        && (counter.capacity.is_none() || overwrites)
                };
                state
                    .counter
                    .filter(mine)
                    .map(|counter| Step::FillCounter(Some(counter)))
            }
            Step::FillCounter(seen) => {
                if state.counter != seen {
                    return Some(Step::ReadFill);
                }
                if let (Some(counter), Some(capacity)) = (&mut state.counter, run.joined) {
                    counter.capacity = Some(capacity);
                    counter.available = Some(capacity - counter.sold);
                }
                None
            }
            _ => None,
        }
    }

    fn offer_copy(&self, state: &mut State, run: &Run, event: Copy) -> bool {
        let newer = match state.copy {
            None => !(event.cancelled && self.is(Mutation::NoTombstone)),
            Some(_) if event.version == 0 => self.is(Mutation::ZeroOverwrites),
            Some(copy) => {
                event.version > copy.version
                    || self.is(Mutation::CopyWithoutVersion)
                    || run.rebuild && self.is(Mutation::RebuildOverwrites)
            }
        };
        if newer {
            state.copy = Some(event);
        }
        newer
    }

    /// The versioned change of the counter; `false` = it moved since it was read.
    fn offer_counter(&self, state: &mut State, run: &Run, event: Copy, seen: Option<Counter>) -> bool {
        let Copy {
            version,
            cancelled,
            capacity,
            ..
        } = event;
        let fresh = Counter {
            version,
            cancelled,
            capacity,
            available: capacity,
            sold: 0,
        };
        if run.rebuild && self.is(Mutation::RebuildReplacesCounter) {
            state.counter = Some(fresh);
            return true;
        }
        let (Some(old), Some(counter)) = (seen, &mut state.counter) else {
            if seen != state.counter {
                return false;
            }
            if !(cancelled && self.is(Mutation::NoTombstone)) {
                state.counter = Some(fresh);
            }
            return true;
        };
        let newer = version > counter.version
            || version == 0 && self.is(Mutation::ZeroOverwrites)
            || self.is(Mutation::CounterWithoutVersion);
        if !newer {
            return true;
        }
        if counter.capacity != old.capacity {
            return false;
        }
        let absolute = self.is(Mutation::AbsoluteAvailable);
        counter.available = match (old.capacity, capacity) {
            (Some(before), Some(now)) if !absolute => {
                counter.available.map(|available| available + now - before)
            }
            (_, Some(now)) if counter.sold == old.sold || absolute => Some(now - old.sold),
            (_, Some(_)) => return false,
            (_, None) => None,
        };
        (counter.version, counter.cancelled, counter.capacity) = (version, cancelled, capacity);
        true
    }
}

/// What one step must not do to the copy or the counter.
fn compare(before: Option<(u8, bool)>, after: Option<(u8, bool)>) -> Option<Fault> {
    match (before?, after) {
        ((_, true), after) if after.is_none_or(|(_, cancelled)| !cancelled) => Some(Fault::Revived),
        ((version, _), after) if after.is_none_or(|(now, _)| now < version) => Some(Fault::WentBack),
        _ => None,
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
        for (message, what) in (0..).zip(&self.messages) {
            let room = state.runs.len() < self.parallel;
            if room && state.todo[message as usize] {
                actions.push(Action::Start(message));
            } else if room && state.duplicates > 0 {
                actions.push(Action::Duplicate(message));
            }
            if room && state.rebuilds > 0 && matches!(what, Message::Event { .. }) {
                actions.push(Action::Rebuild(message));
            }
        }
        if state.rebuilds > 0 {
            actions.push(Action::RebuildWithout);
        }
        for run in 0..state.runs.len() {
            actions.push(Action::Step(run));
            if state.crashes > 0 {
                actions.push(Action::Crash(run));
            }
        }
        let sells = |counter: &Counter| !counter.cancelled && counter.available.is_some_and(|left| left > 0);
        if state.bookings > 0 && state.counter.as_ref().is_some_and(sells) {
            actions.push(Action::Book);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Start(message) => {
                state.todo[message as usize] = false;
                state.runs.push(self.run(message, false));
            }
            Action::Duplicate(message) => {
                state.duplicates -= 1;
                state.runs.push(self.run(message, false));
            }
            Action::Rebuild(message) => {
                state.rebuilds -= 1;
                state.runs.push(self.run(message, true));
            }
            Action::RebuildWithout => {
                state.rebuilds -= 1;
                if self.is(Mutation::RebuildDeletes) {
                    state.copy = None;
                }
            }
            Action::Step(index) => {
                let mut run = state.runs.remove(index);
                if let Some(step) = self.step(&mut state, &mut run) {
                    state.runs.push(Run { step, ..run });
                }
            }
            Action::Crash(index) => {
                state.crashes -= 1;
                let run = state.runs.remove(index);
                state.todo[run.message as usize] |= !run.rebuild;
            }
            Action::Book => {
                state.bookings -= 1;
                state.booked += 1;
                if let Some(counter) = &mut state.counter {
                    counter.sold += 1;
                    counter.available = counter.available.map(|available| available - 1);
                }
            }
        }
        state.runs.sort_unstable();
        let copy = |s: &State| s.copy.map(|copy| (copy.version, copy.cancelled));
        let counter = |s: &State| s.counter.map(|counter| (counter.version, counter.cancelled));
        let fault = compare(copy(last), copy(&state)).or_else(|| compare(counter(last), counter(&state)));
        state.fault = state.fault.or(fault);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("a cancelled event stays cancelled", |_, s: &State| {
                s.fault != Some(Fault::Revived)
            }),
            Property::always("versions never fall", |_, s: &State| {
                s.fault != Some(Fault::WentBack)
            }),
            Property::always("the counter is consistent", |_, s: &State| {
                s.counter.is_none_or(|counter| {
                    counter.sold == s.booked
                        && counter.available == counter.capacity.map(|all| all - counter.sold)
                })
            }),
            Property::always("the newest version wins", |config: &Config, s: &State| {
                !Config::quiet(s) || s.fault.is_some() || config.converged(s)
            }),
        ];
        let mut sometimes = |wanted: bool, name, condition: fn(&Config, &State) -> bool| {
            if wanted {
                properties.push(Property::sometimes(name, condition));
            }
        };
        sometimes(true, "all is handled", |config, s| {
            Config::quiet(s) && config.converged(s)
        });
        sometimes(
            self.crashes > 0,
            "the copy is ahead of its counter and nobody is at work",
            |_, s| {
                s.runs.is_empty()
                    && s.copy.map(|copy| copy.version) != s.counter.map(|counter| counter.version)
            },
        );
        sometimes(
            self.newest().is_some_and(|copy| copy.cancelled),
            "a tombstone comes first",
            |config, s| {
                s.copy.is_some_and(|copy| copy.cancelled)
                    && (0..).zip(&config.messages).any(|(index, message): (usize, _)| {
                        s.todo[index] && matches!(message, Message::Event { cancelled: false, .. })
                    })
            },
        );
        sometimes(self.bookings > 0, "a seat is sold", |_, s| s.booked > 0);
        let own = |message: &Message| match message {
            Message::Event { capacity, .. } => *capacity,
            Message::Location { .. } => None,
        };
        let falls = self
            .messages
            .iter()
            .any(|message| own(message).is_some_and(|all| all < self.bookings as i8));
        sometimes(falls, "less is there than sold", |_, s| {
            s.counter
                .is_some_and(|counter| counter.available.is_some_and(|available| available < 0))
        });
        let joins = self
            .messages
            .iter()
            .any(|message| matches!(message, Message::Location { .. }));
        sometimes(joins, "an event waits for its location", |_, s| {
            s.copy.is_some_and(|copy| copy.capacity.is_none()) && s.runs.is_empty()
        });
        properties
    }
}
