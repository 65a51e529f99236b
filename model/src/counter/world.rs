//! The world of the counter model: clients with their tries, processes, handlers, and everything on its way.

use super::{Booking, Call, Config, Counter, Fault, Process};

/// One try of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ballot {
    /// Which client, and so which request.
    pub client: u8,
    /// 0 is the first try, 1 the retry.
    pub attempt: u8,
}

impl Ballot {
    pub(super) fn bit(self) -> u8 {
        1 << self.attempt
    }
}

/// The answer to one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// Granted now.
    Booked,
    /// Granted before.
    Existing,
    /// The id belongs to another request.
    KeyReused,
    /// Too few seats.
    SoldOut,
    /// No such event any more.
    EventCancelled,
    /// Nothing is sold before the capacity is known.
    CapacityUnknown,
    /// The person has enough.
    LimitReached,
    /// Too late.
    SaleOver,
    /// 503: ask again.
    Unavailable,
}

/// One client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    /// How many tries it has made.
    pub tries: u8,
    /// The answers.
    pub told: [Option<Told>; 2],
    /// Bit a try: no process starts anything for it any more.
    pub ended: u8,
    /// For each try, bit a try: had ended when the counter was seen that decides this one.
    pub bound: [u8; 2],
    /// Bit a try: must not apply any more, because the client was refused.
    pub forbidden: u8,
    /// Bit a try: since it arrived there was a moment with too few seats for it.
    pub short: u8,
    /// Bit a try: its booking was there when it arrived.
    pub booked: u8,
}

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
    /// Calls nobody waits for.
    pub late: Vec<Call>,
    /// Who books.
    pub clients: Vec<Client>,
    /// Who decides.
    pub processes: Vec<Process>,
    /// Who changes the event.
    pub handlers: Vec<Handler>,
    /// The copy of the event says so; its counter follows later, or after a redelivery.
    pub copy_cancelled: bool,
    /// The clock has passed the end of the sale.
    pub sale_over: bool,
    /// The first thing that went wrong.
    pub fault: Option<Fault>,
    pub(super) lost: u8,
    pub(super) crashes: u8,
    pub(super) retries: u8,
    pub(super) cancels: u8,
}

impl State {
    pub(super) fn booking(&self, id: u8) -> Option<&Booking> {
        self.bookings[id as usize].as_ref()
    }

    pub(super) fn confirmed(&self) -> impl Iterator<Item = &Booking> {
        self.bookings.iter().flatten().filter(|booking| booking.confirmed)
    }

    pub(super) fn seats_of(&self, person: u8) -> i8 {
        self.confirmed()
            .filter(|booking| booking.person == person)
            .map(|booking| booking.seats)
            .sum()
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

    /// The counter was seen: what ended before must not apply any more if it refuses.
    pub(super) fn note_ended(&mut self, process: usize) {
        for ballot in &self.processes[process].batch {
            let client = &mut self.clients[ballot.client as usize];
            client.bound[ballot.attempt as usize] = client.ended;
        }
    }

    /// Every waiting try for which there are too few seats now may be refused from now on.
    pub(super) fn note_shortage(&mut self, config: &Config) {
        let available = self.counter.available;
        for ballot in self
            .processes
            .iter()
            .flat_map(|process| process.queue.iter().chain(&process.batch))
        {
            if available.is_some_and(|available| available < config.request(*ballot).seats) {
                self.clients[ballot.client as usize].short |= ballot.bit();
            }
        }
    }
}
