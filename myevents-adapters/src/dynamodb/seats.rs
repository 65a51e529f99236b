//! What the confirmed bookings of each event hold, by the tables themselves and no index: all of them are read once for a
//! repair of many counters, and what this process imports is added to it.

use std::collections::HashMap;
use std::time::Duration;

use myevents_core::Result;
use myevents_core::counter::is_confirmed;
use myevents_core::domain::{Booking, BookingState, EventId};
use myevents_core::ports::Inserted;
use tokio::time::Instant;

use super::error::malformed;
use super::item::{Item, get_bytes, get_number, get_text};
use super::names::*;
use super::records::event_id;
use super::scan::Scan;
use super::store::Shared;

const EVENT: &str = "EventID";

/// For how long sums are believed: they rest on nobody else importing meanwhile.
const KEPT: Duration = Duration::from_secs(60);

/// The sums of one reading.
#[derive(Debug)]
pub(super) struct Sums {
    since: Instant,
    /// Each counter's `rev` before the bookings were read. What changes a booking raises it, but for an import.
    revs: HashMap<EventId, u64>,
    seats: HashMap<EventId, i64>,
}

impl Sums {
    /// The seats of an event whose counter has this `rev` now; none when something may have changed since the reading. A
    /// counter that was made since and never changed has no bookings but imported ones.
    fn of(&self, event: &EventId, rev: u64) -> Option<i64> {
        let unchanged = self.revs.get(event).copied().unwrap_or(0) == rev;
        (unchanged && self.since.elapsed() < KEPT).then(|| self.seats.get(event).copied().unwrap_or_default())
    }

    fn add(&mut self, event: &EventId, seats: i64) {
        *self.seats.entry(event.clone()).or_default() += seats;
    }
}

/// Adds what an import stored; what it may have stored makes the sums worthless.
pub(super) fn imported(sums: &mut Option<Sums>, given: &[Booking], results: &[Result<Inserted<Booking>>]) {
    let Some(known) = sums else { return };
    for (booking, result) in given.iter().zip(results) {
        match result {
            Ok(Inserted::New) if is_confirmed(&booking.state) => {
                known.add(&booking.event, i64::from(booking.seats.get()));
            }
            Ok(_) => {}
            Err(_) => {
                *sums = None;
                return;
            }
        }
    }
}

impl Shared {
    /// The seats of all confirmed bookings of an event whose counter was just read with this `rev`. Reads both tables, unless
    /// that was done a moment ago.
    pub(super) async fn confirmed_seats_of_table(&self, event: &EventId, rev: u64) -> Result<i64> {
        let mut sums = self.sums.lock().await;
        if let Some(seats) = sums.as_ref().and_then(|known| known.of(event, rev)) {
            return Ok(seats);
        }
        *sums = None;
        let read = sums.insert(self.read_sums().await?);
        Ok(read.seats.get(event).copied().unwrap_or_default())
    }

    /// A repair of ours raised a counter's `rev` by one and left its bookings alone.
    pub(super) async fn repaired(&self, event: &EventId, rev: u64) {
        if let Some(known) = self.sums.lock().await.as_mut() {
            known.revs.insert(event.clone(), rev + 1);
        }
    }

    async fn read_sums(&self) -> Result<Sums> {
        const OPERATION: &str = "count seats";
        let mut sums = Sums {
            since: Instant::now(),
            revs: HashMap::new(),
            seats: HashMap::new(),
        };
        // The counters first: a booking that comes while the bookings are read has raised its counter by then.
        let mut counters = Scan::new(OPERATION, &self.tables.inventory);
        counters.only = Some(&[ID, REV]);
        self.each_item(counters, |item| {
            sums.revs.insert(event_id(item)?, get_number(item, REV)?);
            Ok(())
        })
        .await?;
        let mut bookings = Scan::new(OPERATION, &self.tables.bookings);
        bookings.only = Some(&[EVENT, SEATS, STATE]);
        self.each_item(bookings, |item| {
            if get_text(item, STATE)? == BookingState::Confirmed.as_str() {
                sums.add(&of_booking(item)?, get_number(item, SEATS)?);
            }
            Ok(())
        })
        .await?;
        Ok(sums)
    }
}

fn of_booking(item: &Item) -> Result<EventId> {
    EventId::from_bytes(get_bytes(item, EVENT)?).map_err(|_| malformed("the event of a booking is not an id"))
}
