//! Rolling an entry forward: what anyone may do with it, any number of times.

use super::{Ballot, Call, Config, Entry, Mutation, State, store};

/// An entry that somebody rolls forward.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Roll {
    /// As it was read.
    pub entry: Entry,
    /// The next step.
    pub next: u8,
    /// The seats to give back, as far as is known.
    pub give: i8,
    /// The capacity is taken for unknown.
    pub unknown: bool,
    /// A booking could not be inserted.
    pub failed: bool,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// There is more to do.
    Going,
    /// A booking is stored, from this entry or from another one.
    Stored(Ballot, bool),
    /// A booking can't be inserted.
    Failed(Ballot),
    /// The entry is settled.
    Done,
    /// The entry can't be settled.
    Stuck,
}

impl Roll {
    pub(super) fn new(entry: &Entry, unknown: bool) -> Self {
        Self {
            entry: entry.clone(),
            next: 0,
            give: 0,
            unknown,
            failed: false,
        }
    }

    /// The bookings of the entry that are not known to be stored yet.
    pub(super) fn open(&self) -> &[Ballot] {
        match &self.entry {
            Entry::Commit { ballots, .. } => ballots.get(self.next as usize..).unwrap_or_default(),
            Entry::Cancel { .. } => &[],
        }
    }

    /// The next call; none if it would settle what is not all stored.
    pub(super) fn call(&self, config: &Config) -> Option<Call> {
        let token = self.entry.token();
        let settle = Call::Settle {
            token,
            give: self.give,
            cancel: matches!(self.entry, Entry::Cancel { .. }),
            unknown: self.unknown,
        };
        match &self.entry {
            Entry::Commit { ballots, .. } => {
                let early = config.is(Mutation::SettleBeforeStored);
                let place = self.next as usize;
                match ballots.get(if early { place.wrapping_sub(1) } else { place }) {
                    Some(ballot) => Some(Call::Insert {
                        ballot: *ballot,
                        token,
                    }),
                    None if early && place > 0 => None,
                    None if self.failed && !config.is(Mutation::UninsertableDropped) => None,
                    None => Some(settle),
                }
            }
            Entry::Cancel { id, .. } => {
                let mark = Call::Mark { id: *id, token };
                let person = config.requests.iter().find(|request| request.id == *id);
                let take_out = Call::TakeOut {
                    person: person.map_or(0, |request| request.person),
                    id: *id,
                    token: None,
                };
                let mut calls = vec![mark];
                if config.limit.is_some() {
                    calls.push(take_out);
                    if config.is(Mutation::TakeOutBeforeCancel) {
                        calls.swap(0, 1);
                    }
                }
                calls.push(settle);
                calls.get(self.next as usize).cloned()
            }
        }
    }
}

impl State {
    /// One step of rolling forward.
    pub(super) fn roll(&mut self, config: &Config, roll: &mut Roll) -> Stepped {
        let Some(call) = roll.call(config) else {
            let early = config.is(Mutation::SettleBeforeStored);
            return if early { Stepped::Done } else { Stepped::Stuck };
        };
        match call {
            Call::Insert { ballot, .. } => {
                let request = config.request(ballot);
                roll.next += 1;
                if self.uninsertable(config, request.id) {
                    roll.failed = true;
                    if config.is(Mutation::UninsertableDropped) {
                        roll.give += request.seats;
                    }
                    return Stepped::Failed(ballot);
                }
                let mine = store::apply(config, self, &call);
                if !mine {
                    roll.give += request.seats;
                }
                Stepped::Stored(ballot, mine)
            }
            Call::Mark { id, .. } => {
                roll.next += 1;
                if store::apply(config, self, &call)
                    && let Some(booking) = self.booking(id)
                {
                    roll.give = config.request(booking.by).seats;
                }
                Stepped::Going
            }
            Call::TakeOut { .. } => {
                roll.next += 1;
                store::apply(config, self, &call);
                Stepped::Going
            }
            _ => {
                let token = roll.entry.token();
                let settled = store::apply(config, self, &call)
                    || !self.counter.pending.iter().any(|entry| entry.token() == token);
                if !settled {
                    // The capacity became known, or unknown, meanwhile: the twin will do.
                    roll.unknown = !roll.unknown;
                    Stepped::Going
                } else if config.is(Mutation::SettleBeforeStored) && roll.next == 0 {
                    roll.next = 1;
                    Stepped::Going
                } else {
                    Stepped::Done
                }
            }
        }
    }
}
