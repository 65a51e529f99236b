//! The world of the model of MongoDB: documents, clients, processes, cancels, a helper, and everything on its way.

use super::{Ballot, Booking, Call, Client, Config, Counter, Entry, Fault, Hold, Process, Roll, Told};

/// How far a cancel is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// Next it looks whether the booking is confirmed.
    Look,
    /// Next it pushes its intent.
    Push,
    /// It rolls its intent forward.
    Roll(Roll),
    /// The booking is cancelled, the counter not yet changed: only where a mutation goes that way.
    Give,
}

/// Who cancels a booking.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Canceller {
    /// Which booking.
    pub id: u8,
    /// The token of its next push.
    pub token: u8,
    /// How far it is.
    pub work: Work,
}

/// Where the handler of a change is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Handler {
    /// Has not read the counter, or must read it again.
    Waiting,
    /// Saw this, and is about to change it.
    Seen(Call),
    /// Done.
    Done,
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// In the store.
    pub counter: Counter,
    /// In the store, by id.
    pub bookings: Vec<Option<Booking>>,
    /// In the store, by person.
    pub holders: Vec<Vec<Hold>>,
    /// Calls nobody waits for.
    pub late: Vec<Call>,
    /// Who books.
    pub clients: Vec<Client>,
    /// Who decides.
    pub processes: Vec<Process>,
    /// Who cancels.
    pub cancellers: Vec<Canceller>,
    /// What the helper rolls forward.
    pub helper: Option<Roll>,
    /// Who changes the event.
    pub handlers: Vec<Handler>,
    /// What could not be inserted can be by now.
    pub mended: bool,
    /// The clock has passed the end of the sale.
    pub sale_over: bool,
    /// What a deposed primary has for the counter; only where a mutation reads there.
    pub previous: Option<Counter>,
    /// The first thing that went wrong.
    pub fault: Option<Fault>,
    /// Tokens drawn, by process; the last one counts those of cancels.
    pub(super) drawn: Vec<u8>,
    pub(super) lost: u8,
    pub(super) crashes: u8,
    pub(super) retries: u8,
    pub(super) cancels: u8,
    pub(super) sweeps: u8,
    pub(super) stale: u8,
}

impl State {
    /// A new token; the last actor stands for all cancels.
    pub(super) fn draw(&mut self, actor: usize) -> u8 {
        self.drawn[actor] += 1;
        (actor as u8) << 5 | self.drawn[actor]
    }

    pub(super) fn booking(&self, id: u8) -> Option<&Booking> {
        self.bookings[id as usize].as_ref()
    }

    pub(super) fn confirmed(&self) -> impl Iterator<Item = &Booking> {
        self.bookings
            .iter()
            .flatten()
            .filter(|booking| booking.cancelled.is_none())
    }

    /// Seats of the stored confirmed bookings.
    pub(super) fn sold(&self, config: &Config) -> i8 {
        self.confirmed()
            .map(|booking| config.request(booking.by).seats)
            .sum()
    }

    pub(super) fn seats_of(&self, config: &Config, person: u8) -> i8 {
        self.confirmed()
            .map(|booking| config.request(booking.by))
            .filter(|request| request.person == person)
            .map(|request| request.seats)
            .sum()
    }

    /// The granted bookings that are neither stored nor known to have lost, each id once.
    pub(super) fn granted(&self, config: &Config) -> Vec<Ballot> {
        let mut found: Vec<Ballot> = Vec::new();
        for entry in &self.counter.pending {
            let Entry::Commit { ballots, .. } = entry else {
                continue;
            };
            for ballot in ballots {
                let id = config.request(*ballot).id;
                let known = found.iter().any(|other| config.request(*other).id == id);
                if !known && self.booking(id).is_none() {
                    found.push(*ballot);
                }
            }
        }
        found
    }

    /// Seats that somebody has, or will have once everything pending is rolled forward.
    pub(super) fn held(&self, config: &Config) -> i8 {
        self.sold(config) + config.seats(&self.granted(config))
    }

    pub(super) fn uninsertable(&self, config: &Config, id: u8) -> bool {
        config.stubborn == Some(id) && !self.mended && self.booking(id).is_none()
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub(super) fn send_late(&mut self, call: Call) {
        self.late.push(call);
        self.late.sort();
    }

    pub(super) fn told(&self, told: Told) -> bool {
        self.clients
            .iter()
            .any(|client| client.told.contains(&Some(told)))
    }

    fn waiting(&self) -> Vec<Ballot> {
        self.processes
            .iter()
            .flat_map(|process| process.queue.iter().chain(&process.batch))
            .copied()
            .collect()
    }

    /// Every waiting try for which there are too few seats now, or whose person has too much, may be refused.
    pub(super) fn note_grounds(&mut self, config: &Config) {
        let waiting = self.waiting();
        if waiting.is_empty() {
            return;
        }
        let room = if config.stubborn.is_some() {
            // What can't be inserted may be a loser, and holds its seats until that is known.
            self.counter.available
        } else {
            self.counter.capacity.map(|capacity| capacity - self.held(config))
        };
        for ballot in &waiting {
            let request = config.request(*ballot);
            let full = config
                .limit
                .is_some_and(|limit| self.taken(config, *ballot, &waiting) + request.seats > limit);
            let client = &mut self.clients[ballot.client as usize];
            if room.is_some_and(|room| room < request.seats) {
                client.short |= ballot.bit();
            }
            if full {
                client.full |= ballot.bit();
            }
        }
    }

    /// What the person has by other bookings: stored, granted, or reserved by a try that is at work.
    fn taken(&self, config: &Config, ballot: Ballot, waiting: &[Ballot]) -> i8 {
        let request = config.request(ballot);
        let granted = self.granted(config);
        let mine = |other: &Ballot| {
            let other = config.request(*other);
            other.person == request.person && other.id != request.id
        };
        let stored = self
            .confirmed()
            .filter(|booking| mine(&booking.by))
            .map(|booking| config.request(booking.by).seats);
        let granted_seats = granted
            .iter()
            .filter(|other| mine(other))
            .map(|other| config.request(*other).seats);
        let reserved = self.holders[request.person as usize].iter().filter(|hold| {
            hold.id != request.id
                && self.booking(hold.id).is_none()
                && !granted.iter().any(|other| config.request(*other).id == hold.id)
                && waiting.iter().any(|other| config.request(*other).id == hold.id)
        });
        stored.sum::<i8>() + granted_seats.sum::<i8>() + reserved.map(|hold| hold.seats).sum::<i8>()
    }
}
