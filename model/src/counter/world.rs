//! The world of the counter model: clients with their tries, processes, handlers, and everything on its way.

use crate::clients::{Client, Told};

use super::{Booking, Call, Config, Counter, Fault, Process};

/// Where the handler of a change is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Handler {
    /// Has not read the counter, or must read it again.
    Waiting,
    /// Saw this, and is about to change it.
    Seen(Counter),
    /// Changed it, and is about to write the copy of the event.
    Followed,
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
    /// The version of the copy of the event, which has the rules of sale.
    pub copy: u8,
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

    /// The counter was seen: what ended before must not apply any more if it refuses. After a fence the fence is what
    /// refuses: whoever ended after it may have seen the raised epoch.
    pub(super) fn note_ended(&mut self, process: usize) {
        if !self.processes[process].fenced {
            for ballot in &self.processes[process].batch {
                self.clients[ballot.client as usize].note_ended(*ballot);
            }
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
