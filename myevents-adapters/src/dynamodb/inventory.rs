//! The counters: their changes as conditional updates of named fields, and the fence.

use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use myevents_core::Result;
use myevents_core::counter::{Counter, CounterState};
use myevents_core::domain::EventId;
use myevents_core::ports::Availability;
use tokio::time::Instant;

use super::client::rest;
use super::codec::{counter_from_item, counter_to_item, key};
use super::error::{Fault, fault};
use super::expression::Expression;
use super::item::{number, text};
use super::names::*;
use super::store::{Shared, too_busy};

fn open_word() -> aws_sdk_dynamodb::types::AttributeValue {
    text(CounterState::Open.as_str())
}

/// Takes seats, under the condition that the counter is open, in the epoch its decision saw, and has them. Within one epoch
/// `available` only falls, so this can't apply late after a refusal.
pub(super) fn sell(counter: &Counter, seats: i64) -> Expression {
    let change = Expression::new()
        .add(SOLD, seats)
        .add(REV, 1)
        .when(STATE, "=", open_word())
        .when(EPOCH, "=", number(counter.epoch));
    match counter.available {
        Some(_) => change.add(AVAILABLE, -seats).when(AVAILABLE, ">=", number(seats)),
        // A number that is added to an absent attribute would make an unknown capacity bookable.
        None => change.when_absent(AVAILABLE),
    }
}

/// How a cancel meets the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twin {
    /// The capacity is known: the seats come back.
    Known,
    /// It is unknown: only the count of sold seats falls.
    Unknown,
    /// The event has no counter.
    Absent,
}

impl Twin {
    pub(super) fn of(counter: Option<&Counter>) -> Self {
        match counter {
            None => Self::Absent,
            Some(counter) if counter.available.is_some() => Self::Known,
            Some(_) => Self::Unknown,
        }
    }
}

/// Gives the seats of a cancelled booking back.
pub(super) fn give_back(table: &str, event: &EventId, seats: i64, twin: Twin) -> Result<TransactWriteItem> {
    let change = Expression::new().add(SOLD, -seats).add(REV, 1).add(EPOCH, 1);
    let key = key(event.as_bytes());
    match twin {
        Twin::Known => change
            .add(AVAILABLE, seats)
            .when_present(AVAILABLE)
            .update(table, key),
        Twin::Unknown => change.when_present(ID).when_absent(AVAILABLE).update(table, key),
        Twin::Absent => Expression::new().when_absent(ID).check(table, key),
    }
}

/// Makes the counter of an event, or turns what was read into what it is to be. Bookings that come in between are kept: seats
/// are added, not set, and only what a booking does not touch is compared.
pub(super) fn become_counter(
    table: &str,
    event: &EventId,
    stored: Option<&Counter>,
    wanted: &Counter,
) -> Result<TransactWriteItem> {
    let Some(stored) = stored else {
        return Expression::new()
            .when_absent(ID)
            .put(table, counter_to_item(event, wanted));
    };
    let mut change = Expression::new()
        .when(VERSION, "=", number(stored.version.0))
        .when(STATE, "=", text(stored.state.as_str()))
        .when_is(CAPACITY, stored.capacity.map(number))
        .add(REV, 1)
        // Harmless where it would not be needed, and never forgotten where it is.
        .add(EPOCH, 1);
    if wanted.state != stored.state {
        change = change.set(STATE, text(wanted.state.as_str()));
    }
    if wanted.version != stored.version {
        change = change.set(VERSION, number(wanted.version.0));
    }
    if wanted.capacity != stored.capacity {
        change = match wanted.capacity {
            Some(capacity) => change.set(CAPACITY, number(capacity)),
            None => change.remove(CAPACITY),
        };
    }
    change = match (stored.available, wanted.available) {
        (Some(before), Some(after)) if before != after => {
            change.add(AVAILABLE, after - before).when_present(AVAILABLE)
        }
        // What is left follows from what is sold, so that must be as it was read.
        (None, Some(after)) => change
            .set(AVAILABLE, number(after))
            .when_absent(AVAILABLE)
            .when(SOLD, "=", number(stored.sold))
            .when(HELD, "=", number(stored.held)),
        (Some(_), None) => change.remove(AVAILABLE),
        _ => change,
    };
    change.update(table, key(event.as_bytes()))
}

/// Sets what the bookings say, if no change came in between.
pub(super) fn repair(stored: &Counter, wanted: &Counter) -> Expression {
    let change = Expression::new()
        .when(REV, "=", number(stored.rev))
        .set(SOLD, number(wanted.sold))
        .add(REV, 1)
        .add(EPOCH, 1);
    match wanted.available {
        Some(available) => change.set(AVAILABLE, number(available)),
        None => change.remove(AVAILABLE),
    }
}

impl Shared {
    /// Reads a counter as it is now.
    pub(super) async fn counter(&self, event: &EventId) -> Result<Option<Counter>> {
        let item = self
            .clients
            .get("read counter", &self.tables.inventory, key(event.as_bytes()))
            .await?;
        item.as_ref().map(counter_from_item).transpose()
    }

    /// Raises the epoch: whatever was decided under the one before can't be stored any more. Once more than needed does no harm,
    /// so this is simply repeated.
    pub(super) async fn fence(&self, event: &EventId) -> Result<()> {
        let mut turn = self.gates.turn(event).await;
        let deadline = self.end_of_patience();
        let change = Expression::new().add(EPOCH, 1).add(REV, 1).when_present(ID);
        let mut tries = 0;
        loop {
            let sent = self
                .clients
                .writes
                .update_item()
                .table_name(&self.tables.inventory)
                .set_key(Some(key(event.as_bytes())))
                .set_update_expression(change.change())
                .set_condition_expression(change.condition())
                .set_expression_attribute_names(change.names())
                .set_expression_attribute_values(change.values())
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None)
                .send()
                .await;
            let error = match sent {
                Ok(raised) => {
                    *turn = raised.attributes.as_ref().map(counter_from_item).transpose()?;
                    return Ok(());
                }
                Err(error) => error,
            };
            if error
                .as_service_error()
                .is_some_and(|error| error.is_conditional_check_failed_exception())
            {
                return Ok(());
            }
            match fault("fence", error) {
                Fault::Busy(error) | Fault::Unknown(error) if Instant::now() >= deadline => {
                    return Err(error);
                }
                Fault::Busy(_) | Fault::Unknown(_) => {}
                other => return Err(other.of_write()),
            }
            tries += 1;
            rest(tries).await;
        }
    }

    /// The counters of events, in the order asked.
    pub(super) async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        let mut asked: Vec<&EventId> = events.iter().collect();
        asked.sort_unstable();
        asked.dedup();
        let wanted = asked
            .iter()
            .map(|event| (self.tables.inventory.as_str(), key(event.as_bytes())))
            .collect();
        let mut found = std::collections::HashMap::new();
        let read = self.clients.get_many("read counters", wanted).await?;
        for item in read.into_values().flatten() {
            let event = super::records::event_id(&item)?;
            found.insert(event, counter_from_item(&item)?);
        }
        Ok(events
            .iter()
            .map(|event| found.get(event).map(|counter| counter.availability(event)))
            .collect())
    }

    /// Holds a counter against the bookings; with `repair` sets it right.
    pub(super) async fn reconcile(
        &self,
        event: &EventId,
        repair_it: bool,
    ) -> Result<Option<myevents_core::ports::Reconciliation>> {
        let mut believed = None;
        for tries in 1..=MOST_LOOKS {
            let Some(counter) = self.counter(event).await? else {
                return Ok(None);
            };
            let confirmed = self.confirmed_seats(event).await?;
            // Both must be of one state; and what the index lacks may only be late, so a drift is looked at twice.
            let quiet = self
                .counter(event)
                .await?
                .is_some_and(|after| after.rev == counter.rev);
            if !quiet {
                rest(tries.min(4)).await;
                continue;
            }
            let found = counter.reconcile(event, confirmed);
            let mut right = counter;
            if !right.repair(confirmed) {
                return Ok(Some(found));
            }
            if believed != Some((counter.rev, confirmed)) {
                believed = Some((counter.rev, confirmed));
                tokio::time::sleep(self.config.index_patience).await;
                continue;
            }
            if !repair_it {
                return Ok(Some(found));
            }
            // A repair by an index that is late would sell seats twice: the table itself is asked. What changes a booking
            // changes the counter too, so nothing came in between if that is still as it was read.
            let confirmed = self.confirmed_seats_of_table(event, counter.rev).await?;
            let found = counter.reconcile(event, confirmed);
            let mut right = counter;
            if !right.repair(confirmed) {
                return Ok(Some(found));
            }
            let mut turn = self.gates.turn(event).await;
            *turn = None;
            let change = repair(&counter, &right);
            let key = key(event.as_bytes());
            let changed = self
                .change("repair counter", &self.tables.inventory, key, &change)
                .await?;
            if matches!(changed, super::inbox::Changed::Yes) {
                self.repaired(event, counter.rev).await;
                return Ok(Some(found));
            }
        }
        Err(too_busy("reconcile"))
    }
}

/// How often a counter is held against its bookings before it counts as never at rest.
const MOST_LOOKS: u32 = 30;
