//! The world of the model of DynamoDB: tables, clients, processes, handlers, and everything on its way.

use super::{Booking, Call, Client, Config, Counter, Fault, Item, Process, Told};

/// Where the handler of a change is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Handler {
    /// Has not read the counter, or must read it again.
    Waiting,
    /// Saw this, and is about to change it.
    Seen(Counter),
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
    /// Seats in the holder record of each person.
    pub holders: Vec<i8>,
    /// In the store, by key.
    pub outbox: Vec<Item>,
    /// The calls whose client tokens the store remembers.
    pub tokens: Vec<Call>,
    /// Calls nobody waits for.
    pub late: Vec<Call>,
    /// Who books.
    pub clients: Vec<Client>,
    /// Who decides.
    pub processes: Vec<Process>,
    /// Who changes the event.
    pub handlers: Vec<Handler>,
    /// The first thing that went wrong.
    pub fault: Option<Fault>,
    /// Ids drawn, by process; the last one counts those of cancels.
    pub(super) drawn: Vec<u8>,
    pub(super) lost: u8,
    pub(super) crashes: u8,
    pub(super) retries: u8,
    pub(super) cancels: u8,
    pub(super) rejects: u8,
}

impl State {
    /// A new token, or a new key; the last actor stands for all cancels.
    pub(super) fn draw(&mut self, actor: usize) -> u8 {
        self.drawn[actor] += 1;
        (actor as u8) << 5 | self.drawn[actor]
    }

    pub(super) fn booking(&self, id: u8) -> Option<Booking> {
        self.bookings[id as usize]
    }

    pub(super) fn confirmed(&self) -> impl Iterator<Item = &Booking> {
        self.bookings.iter().flatten().filter(|booking| booking.confirmed)
    }

    pub(super) fn seats_of(&self, config: &Config, person: u8) -> i8 {
        self.confirmed()
            .map(|booking| config.request(booking.by))
            .filter(|request| request.person == person)
            .map(|request| request.seats)
            .sum()
    }

    /// Stores an item; what has its key is replaced.
    pub(super) fn put(&mut self, item: Item) {
        self.outbox.retain(|other| other.id != item.id);
        self.outbox.push(item);
        self.outbox.sort();
    }

    pub(super) fn announced(&self, id: u8, cancelled: bool) -> bool {
        self.outbox
            .iter()
            .any(|item| item.messages.contains(&(id, cancelled)))
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

    /// Every waiting try for which there are too few seats now, or whose person has too much, may be refused.
    pub(super) fn note_grounds(&mut self, config: &Config) {
        let available = self.counter.available;
        for process in 0..self.processes.len() {
            let desk = &self.processes[process];
            for ballot in desk.queue.iter().chain(&desk.batch).copied().collect::<Vec<_>>() {
                let request = config.request(ballot);
                let full = config
                    .limit
                    .is_some_and(|limit| self.seats_of(config, request.person) + request.seats > limit);
                let client = &mut self.clients[ballot.client as usize];
                if available.is_some_and(|available| available < request.seats) {
                    client.short |= ballot.bit();
                }
                if full {
                    client.full |= ballot.bit();
                }
            }
        }
    }
}
