//! Holders: what each person has of an event, kept in `state` and changed in the transaction of every booking of theirs. It is
//! kept without limits too, so that limits that come later count what was booked before.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use myevents_core::Result;
use myevents_core::counter::Tally;
use myevents_core::domain::{EventId, Person, PersonLimits};

use super::codec::state_key;
use super::digest::digest;
use super::expression::Expression;
use super::item::{Item, get_bytes, number, opt_number};
use super::names::*;
use super::store::Shared;

fn id_of(person: &Person) -> [u8; 16] {
    digest(&[b"person", person.as_str().as_bytes()])
}

/// In 256 partitions, so that none is as hot as the event.
pub(super) fn holder_key(event: &EventId, person: &Person) -> Item {
    let id = id_of(person);
    state_key(&format!("holder#{event}#{:02x}", id[0]), &id)
}

pub(super) fn tally_from_item(item: Option<&Item>) -> Result<Tally> {
    let Some(item) = item else {
        return Ok(Tally::default());
    };
    let count = |name| Ok::<_, myevents_core::Error>(opt_number::<i64>(item, name)?.unwrap_or(0));
    Ok(Tally {
        seats: u64::try_from(count(SEATS)?).unwrap_or(0),
        bookings: u64::try_from(count(BOOKINGS)?).unwrap_or(0),
    })
}

/// What a batch adds to one person, and what they may have had before for it to be within the limits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    seats: u64,
    bookings: u64,
    most_seats: Option<u64>,
    most_bookings: Option<u64>,
}

impl Share {
    /// Adds a booking that is within `limits` as far as is known.
    pub(super) fn take(&mut self, seats: u32, limits: PersonLimits) {
        self.seats += u64::from(seats);
        self.bookings += 1;
        let tighter = |most: Option<u64>, limit: u32, taken: u64| {
            let left = u64::from(limit).saturating_sub(taken);
            Some(most.map_or(left, |most| most.min(left)))
        };
        if let Some(limit) = limits.seats {
            self.most_seats = tighter(self.most_seats, limit, self.seats);
        }
        if let Some(limit) = limits.bookings {
            self.most_bookings = tighter(self.most_bookings, limit, self.bookings);
        }
    }

    pub(super) fn taken(&self) -> Tally {
        Tally {
            seats: self.seats,
            bookings: self.bookings,
        }
    }

    pub(super) fn action(&self, table: &str, event: &EventId, person: &Person) -> Result<TransactWriteItem> {
        let change = Expression::new()
            .add(SEATS, self.seats)
            .add(BOOKINGS, self.bookings);
        let mut within = Vec::new();
        if let Some(most) = self.most_seats {
            within.push((SEATS, "<=", number(most)));
        }
        if let Some(most) = self.most_bookings {
            within.push((BOOKINGS, "<=", number(most)));
        }
        let change = if within.is_empty() {
            change
        } else {
            // Who has no record has nothing.
            change.when_absent_or(SEATS, within)
        };
        change.update(table, holder_key(event, person))
    }
}

/// Takes a cancelled booking off what its person has.
pub(super) fn give_back(
    table: &str,
    event: &EventId,
    person: &Person,
    seats: i64,
) -> Result<TransactWriteItem> {
    Expression::new()
        .add(SEATS, -seats)
        .add(BOOKINGS, -1)
        .when_present(SEATS)
        .update(table, holder_key(event, person))
}

impl Shared {
    /// What persons have of an event, as it is now.
    pub(super) async fn tallies(
        &self,
        event: &EventId,
        persons: &[Person],
    ) -> Result<HashMap<Person, Tally>> {
        let wanted = persons
            .iter()
            .map(|person| (self.tables.state.as_str(), holder_key(event, person)))
            .collect();
        let read = self.clients.get_many("read holders", wanted).await?;
        let mut found = HashMap::new();
        for item in read.into_values().flatten() {
            found.insert(get_bytes(&item, ID)?.to_vec(), tally_from_item(Some(&item))?);
        }
        Ok(persons
            .iter()
            .map(|person| {
                let tally = found.get(id_of(person).as_slice()).copied().unwrap_or_default();
                (person.clone(), tally)
            })
            .collect())
    }
}
