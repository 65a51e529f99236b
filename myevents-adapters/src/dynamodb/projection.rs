//! What the event service announced, offered to copy and counter in one transaction, each guarded by what was read of it.

use myevents_core::Result;
use myevents_core::counter::{merge_counter, merge_event};
use myevents_core::domain::{EventId, EventRecord, Text};
use myevents_core::ports::{Applied, EventProjection};

use super::client::Query;
use super::codec::{counter_from_item, key, rev, state_key};
use super::digest::digest;
use super::events::MOST_TRIES;
use super::expression::Expression;
use super::inventory::become_counter;
use super::item::{Item, bytes, get_bytes, number, text};
use super::names::*;
use super::pack::pack;
use super::records::{BULKY_OF_EVENT, OPTIONAL_OF_EVENT, event_from_item, event_to_item};
use super::store::{Shared, too_busy};
use super::transact::transact;

/// Under which key those who wait for a location are kept. No index, as one could be late: the location may be announced in the
/// moment after the event, and who is missed then waits for ever.
fn awaiting_kind(location: &Text) -> String {
    format!(
        "awaiting#{}",
        super::codec::hex(&digest(&[b"location", location.as_str().as_bytes()]))
    )
}

impl Shared {
    /// Offers an announced event to the copy and to the counter.
    pub(super) async fn project_event(&self, offered: &EventProjection) -> Result<Applied> {
        let id = &offered.record.event.id;
        let mut turn = self.gates.turn(id).await;
        let deadline = self.end_of_patience();
        for _ in 0..MOST_TRIES {
            let wanted = vec![
                (self.tables.inventory.as_str(), key(id.as_bytes())),
                (self.tables.events.as_str(), key(id.as_bytes())),
            ];
            let mut read = self.clients.get_many("read event", wanted).await?;
            let mut one = |table: &String| read.remove(table).and_then(|mut items| items.pop());
            let (counter, copy) = (one(&self.tables.inventory), one(&self.tables.events));
            let counter = counter.as_ref().map(counter_from_item).transpose()?;
            let stored = copy.as_ref().map(event_from_item).transpose()?;
            let new_copy = merge_event(stored.as_ref(), offered);
            let new_counter = merge_counter(counter.as_ref(), offered);
            let applied = Applied {
                copy: new_copy.is_some(),
                counter: new_counter.is_some(),
            };
            let mut actions = Vec::new();
            if let Some(wanted) = &new_counter {
                actions.push(become_counter(
                    &self.tables.inventory,
                    id,
                    counter.as_ref(),
                    wanted,
                )?);
            }
            if let Some(record) = &new_copy {
                self.write_copy(record, copy.as_ref(), stored.as_ref(), &mut actions)?;
            }
            if actions.is_empty() {
                return Ok(applied);
            }
            // What bookings of other processes left of it is not known.
            *turn = None;
            let sent = transact(&self.clients, "store event", actions, deadline).await?;
            if sent.applied()? {
                return Ok(applied);
            }
        }
        Err(too_busy("store event"))
    }

    fn write_copy(
        &self,
        record: &EventRecord,
        item: Option<&Item>,
        stored: Option<&EventRecord>,
        actions: &mut Vec<aws_sdk_dynamodb::types::TransactWriteItem>,
    ) -> Result<()> {
        let id = record.event.id.as_bytes();
        let table = &self.tables.events;
        let mut wanted = pack("store event", event_to_item(record), BULKY_OF_EVENT)?;
        actions.push(match item {
            Some(item) => Expression::new()
                .add(REV, 1)
                .when_present(ID)
                .when_is(REV, rev(item)?)
                .become_item(wanted, &[ID], OPTIONAL_OF_EVENT)
                .update(table, key(id))?,
            None => {
                wanted.insert(REV.into(), number(1));
                Expression::new().when_absent(ID).put(table, wanted)?
            }
        });
        let before = stored.and_then(|stored| stored.awaiting_location.as_ref());
        let now = record.awaiting_location.as_ref();
        if before != now {
            let state = &self.tables.state;
            if let Some(location) = before {
                actions.push(Expression::new().delete(state, state_key(&awaiting_kind(location), id))?);
            }
            if let Some(location) = now {
                let link = state_key(&awaiting_kind(location), id);
                actions.push(Expression::new().put(state, link)?);
            }
        }
        Ok(())
    }

    /// Copies that await this location, by id.
    pub(super) async fn events_awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        let mut query = Query::new(
            "list waiting events",
            &self.tables.state,
            None,
            (KIND, text(awaiting_kind(location))),
        );
        let mut low = after.map_or(vec![0], |after| after.as_bytes().to_vec());
        if after.is_some() {
            // The least id above it.
            low.push(0);
        }
        query.between = Some((ID, bytes(&low), bytes(&[0xff; 65])));
        query.page = limit.saturating_add(1);
        let mut events = Vec::new();
        let mut from = None;
        while events.len() < limit {
            let page = query.page(&self.clients, from).await?;
            let wanted = page
                .items
                .iter()
                .map(|item| Ok((self.tables.events.as_str(), key(get_bytes(item, ID)?))))
                .collect::<Result<_>>()?;
            let read = self.clients.get_many("list waiting events", wanted).await?;
            let mut found = read
                .into_values()
                .flatten()
                .map(|item| event_from_item(&item))
                .collect::<Result<Vec<_>>>()?;
            found.retain(|record| record.awaiting_location.as_ref() == Some(location));
            found.sort_by(|one, other| one.event.id.cmp(&other.event.id));
            events.extend(found);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        events.truncate(limit);
        Ok(events)
    }
}
