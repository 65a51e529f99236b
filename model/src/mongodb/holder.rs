//! Limits per person in the model of MongoDB: reserving in a holder record, and taking out what nobody finds.

use super::process::Phase;
use super::{Ballot, Call, Config, Entry, Hold, Mutation, Process, Roll, State, Told, store};

/// The limit is used up: by whom?
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sweep {
    /// Who is to be granted if room is found.
    pub ballot: Ballot,
    /// What was pending in the counter that decides.
    pub pending: Vec<Entry>,
    /// The person's record as it was read.
    pub list: Vec<Hold>,
    /// How far it is.
    pub stage: Stage,
}

/// How far a sweep is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Next it looks up the bookings of the record.
    Look,
    /// Next it raises the epoch, and sees what is pending.
    Raise(Hold),
    /// Next it looks the booking up, unless it was pending.
    Check(Hold, Option<Entry>),
    /// Next it takes the entry out.
    Remove(Hold),
}

impl Sweep {
    /// The call that is on its way.
    pub(super) fn call(&self, config: &Config) -> Option<Call> {
        match &self.stage {
            Stage::Remove(hold) => Some(Call::TakeOut {
                person: config.request(self.ballot).person,
                id: hold.id,
                token: Some(hold.token).filter(|_| !config.is(Mutation::OrphanWithoutToken)),
            }),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.stage {
            Stage::Look => "looks up the bookings of the holder record",
            Stage::Raise(_) => "raises the epoch because of an orphan",
            Stage::Check(..) => "looks up the orphan's booking",
            Stage::Remove(_) => "takes the orphan out",
        }
    }
}

impl State {
    /// Reserves for the next of those that are granted; pushes once all are.
    pub(super) fn reserve(
        &mut self,
        config: &Config,
        process: usize,
        push: Call,
        next: u8,
        pending: Vec<Entry>,
    ) {
        let Call::Push {
            entry: Entry::Commit { token, ballots },
            ..
        } = &push
        else {
            return;
        };
        let (token, ballot, last) = (*token, ballots[next as usize], ballots.len() - 1);
        if store::apply(config, self, &Call::Reserve { ballot, token }) {
            let reserved = &mut self.processes[process].reserved;
            reserved.retain(|(other, _)| *other != ballot);
            reserved.push((ballot, token));
            let next = next + 1;
            self.processes[process].phase = if usize::from(next) <= last {
                Phase::Reserve { push, next, pending }
            } else if config.is(Mutation::RenewedBeforeCounter) {
                Phase::Reread(push)
            } else {
                Phase::Push(push)
            };
        } else if config.is(Mutation::OrphansStay) {
            self.limit_reached(config, process, ballot, &pending);
        } else {
            let list = self.holders[config.request(ballot).person as usize].clone();
            self.processes[process].phase = Phase::Sweep(Sweep {
                ballot,
                pending,
                list,
                stage: Stage::Look,
            });
        }
    }

    /// One step of finding out whether the limit is used up by what nobody finds.
    pub(super) fn sweep(&mut self, config: &Config, process: usize, mut sweep: Sweep) {
        let ballot = sweep.ballot;
        let request = *config.request(ballot);
        sweep.stage = match sweep.stage.clone() {
            Stage::Look => {
                // Between the look-up that decided and the record's "no" an earlier try's booking may have come and gone.
                if self.booking(request.id).is_some() && !config.is(Mutation::LimitWithoutLookUp) {
                    return self.read_next(config, process);
                }
                let own = sweep.list.iter().any(|hold| hold.id == request.id);
                let suspects = sweep
                    .list
                    .iter()
                    .filter(|hold| !own || hold.id == request.id)
                    .copied();
                let mut orphan = None;
                for hold in suspects.collect::<Vec<_>>() {
                    match self.booking(hold.id).copied() {
                        None => orphan = orphan.or(Some(hold)),
                        Some(booking)
                            if booking.cancelled.is_none()
                                && (config.request(booking.by).person == request.person
                                    || config.is(Mutation::PersonNotCompared)) => {}
                        Some(_) => {
                            // Cancelled, or another person's, for good.
                            let (person, id, token) = (request.person, hold.id, Some(hold.token));
                            store::apply(config, self, &Call::TakeOut { person, id, token });
                            return self.read_next(config, process);
                        }
                    }
                }
                match orphan {
                    Some(hold) if self.sweeps > 0 => {
                        self.sweeps -= 1;
                        Stage::Raise(hold)
                    }
                    Some(_) => {
                        self.answer(config, process, ballot, Told::Unavailable);
                        return self.next_round(config, process);
                    }
                    None if own => return self.read_next(config, process),
                    None => return self.limit_reached(config, process, ballot, &sweep.pending),
                }
            }
            Stage::Raise(hold) => {
                self.counter.epoch += u8::from(!config.is(Mutation::OrphanWithoutRaise));
                if config.is(Mutation::OrphanLookBeforeRaise) {
                    Stage::Remove(hold)
                } else {
                    let pending = self.counter.pending.iter().find(|entry| match entry {
                        Entry::Commit { ballots, .. } => {
                            ballots.iter().any(|other| config.request(*other).id == hold.id)
                        }
                        Entry::Cancel { .. } => false,
                    });
                    Stage::Check(hold, pending.cloned())
                }
            }
            Stage::Check(_, Some(entry)) => {
                let roll = Roll::new(&entry, self.counter.available.is_none());
                self.processes[process].phase = Phase::Roll { roll, own: false };
                return;
            }
            Stage::Check(hold, None) if self.booking(hold.id).is_none() => Stage::Remove(hold),
            Stage::Check(_, None) => return self.read_next(config, process),
            Stage::Remove(_) => {
                if let Some(call) = sweep.call(config) {
                    store::apply(config, self, &call);
                }
                return self.read_next(config, process);
            }
        };
        self.processes[process].phase = Phase::Sweep(sweep);
    }

    /// Refuses for the limit, unless something pending may still make room.
    fn limit_reached(&mut self, config: &Config, process: usize, ballot: Ballot, pending: &[Entry]) {
        let Process { failed, .. } = &self.processes[process];
        if let Some(entry) = pending.iter().find(|entry| !failed.contains(&entry.token())) {
            let roll = Roll::new(entry, self.counter.available.is_none());
            self.processes[process].phase = Phase::Roll { roll, own: false };
        } else {
            self.refuse(config, process, ballot, Told::LimitReached);
            self.next_round(config, process);
        }
    }
}
