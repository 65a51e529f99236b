//! Reading a counter for a decision, taking entries off its list, raising its epoch, and holding it against the bookings.

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::ReadConcern;
use myevents_core::counter::Counter;
use myevents_core::domain::{BookingId, BookingState, EventId};
use myevents_core::ports::{Availability, Reconciliation};
use myevents_core::{Error, ErrorKind, Result};

use super::codec::{Fields, booking_id, event_id};
use super::counters::{self, Seen, counter_of, seen_of, shown};
use super::desks::Desk;
use super::error::Sends;
use super::link::Strength;
use super::paging::Direction;
use super::store::Inner;

/// How often a counter that moves on is looked at again, until it is given up.
const STILL: usize = 50;

/// A counter, and the bookings of wanted ids that were looked up after it.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) seen: Option<Seen>,
    pub(super) stored: Vec<RawDocumentBuf>,
}

impl Inner {
    /// Reads what a decision is made by: the counter first, then the bookings, as between the two an entry may be rolled
    /// forward. A deposed primary must not decide, so the counter is read linearizably, in a fresh session: servers refuse
    /// that after a cluster time.
    pub(super) async fn look(&self, event: &EventId, wanted: &[BookingId]) -> Result<Look> {
        let link = &self.link;
        let (client, inventory, bookings) =
            (link.client.clone(), link.inventory.clone(), link.bookings.clone());
        let (strength, limit) = (link.strength, link.limit);
        let by_event = doc! { "_id": event_id(event) };
        let ids: Vec<Bson> = wanted.iter().map(booking_id).collect();
        let by_ids = (!ids.is_empty()).then(|| doc! { "_id": { "$in": ids } });
        let work = async move {
            let mut stored = Vec::new();
            if strength == Strength::Lone {
                let counter = inventory.find_one(by_event).await?;
                if let Some(by_ids) = by_ids {
                    let mut cursor = bookings.find(by_ids).await?;
                    while cursor.advance().await? {
                        stored.push(cursor.current().to_owned());
                    }
                }
                return Ok((counter, stored));
            }
            let mut session = client.start_session().causal_consistency(true).await?;
            let counter = inventory
                .find_one(by_event)
                .read_concern(ReadConcern::linearizable())
                .max_time(limit)
                .session(&mut session)
                .await?;
            if let Some(by_ids) = by_ids {
                let mut cursor = bookings.find(by_ids).session(&mut session).await?;
                while cursor.advance(&mut session).await? {
                    stored.push(cursor.current().to_owned());
                }
            }
            Ok((counter, stored))
        };
        let (counter, stored) = link.call("read counter", Sends::Read, work).await?;
        Ok(Look {
            seen: counter.map(|document| seen_of(Fields(&document))).transpose()?,
            stored,
        })
    }

    /// Reads the counter by itself: enough to let wishes pass, not to refuse one.
    pub(super) async fn glance(&self, desk: &Desk, event: &EventId) -> Result<Option<Counter>> {
        let link = &self.link;
        let filter = doc! { "_id": event_id(event) };
        let Some(found) = link
            .find_one("read counter", &link.inventory, filter, Some(shown()))
            .await?
        else {
            return Ok(None);
        };
        let counter = counter_of(Fields(&found))?;
        desk.remember(&counter);
        Ok(Some(counter))
    }

    /// Takes the entries off the list whose bookings are all stored, those of this instance, in one call.
    pub(super) async fn clear(&self, desk: &Desk, event: &EventId) -> Result<()> {
        let _turn = desk.clearing.lock().await;
        let tokens = desk.take_carried_out();
        if tokens.is_empty() {
            return Ok(());
        }
        // Nothing is given back, so no guard is needed: whoever else took one off did the same.
        let update = doc! { "$pull": { "pending": { "token": { "$in": tokens.clone() } } } };
        let filter = doc! { "_id": event_id(event) };
        let cleared = self
            .link
            .update("settle", &self.link.inventory, filter, update)
            .await;
        cleared.map(|_| ()).inspect_err(|_| desk.put_back(tokens))
    }

    /// Takes one entry off the list and gives `back` seats back in the same step, if the entry is still there: of several
    /// that settle it one does.
    pub(super) async fn settle(&self, desk: &Desk, event: &EventId, token: &str, back: i64) -> Result<()> {
        loop {
            for known in [true, false] {
                let filter = doc! {
                    "_id": event_id(event),
                    "pending.token": token,
                    "available": { "$exists": known },
                };
                let mut update = doc! { "$pull": { "pending": { "token": token } } };
                if back > 0 {
                    let mut change = doc! { "sold": -back, "rev": 1_i64, "epoch": 1_i64 };
                    if known {
                        change.insert("available", back);
                    }
                    update.insert("$inc", change);
                }
                let link = &self.link;
                let settled = link.change("settle", &link.inventory, filter, update, Some(shown()));
                if let Some(counter) = settled.await? {
                    desk.forget_carried_out(token);
                    desk.remember(&counter_of(Fields(&counter))?);
                    return Ok(());
                }
            }
            // Neither known nor unknown: it is settled, or the capacity became the other between the two.
            let left = doc! { "_id": event_id(event), "pending.token": token };
            let link = &self.link;
            if link
                .find_one("settle", &link.inventory, left, Some(doc! { "_id": 1 }))
                .await?
                .is_none()
            {
                desk.forget_carried_out(token);
                return Ok(());
            }
        }
    }

    /// Ends every decision made by the counter as it was: no commit that was sent before this can apply after it.
    /// Answers the counter with what was committed by then.
    pub(super) async fn raise_epoch(&self, event: &EventId) -> Result<Option<Seen>> {
        let link = &self.link;
        let filter = doc! { "_id": event_id(event) };
        let update = doc! { "$inc": { "epoch": 1_i64, "rev": 1_i64 } };
        let raised = link
            .change("raise epoch", &link.inventory, filter, update, None)
            .await?;
        raised.map(|document| seen_of(Fields(&document))).transpose()
    }

    pub(super) async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
        let link = &self.link;
        let ids: Vec<Bson> = events.iter().map(event_id).collect();
        let mut options = mongodb::options::FindOptions::default();
        options.projection = Some(shown());
        let filter = doc! { "_id": { "$in": ids } };
        let counters = link
            .find(
                "read availability",
                &link.inventory,
                filter,
                options,
                usize::MAX,
                |document| {
                    let fields = Fields(document);
                    Ok(Some((fields.event_id("_id")?, counter_of(fields)?)))
                },
            )
            .await?;
        let counter = |event: &EventId| {
            let found = counters.iter().find(|(id, _)| id == event)?;
            Some(found.1.availability(event))
        };
        Ok(events.iter().map(counter).collect())
    }

    /// The seats of all confirmed bookings of an event.
    async fn confirmed(&self, event: &EventId) -> Result<i64> {
        let link = &self.link;
        let pipeline = vec![
            doc! { "$match": { "eventid": event_id(event), "state": BookingState::Confirmed.as_str() } },
            doc! { "$group": { "_id": Bson::Null, "seats": { "$sum": "$seats" } } },
        ];
        let sums = link
            .aggregate("sum seats", &link.bookings, pipeline, |document| {
                Fields(document).int("seats")
            })
            .await?;
        Ok(sums.into_iter().flatten().sum())
    }

    /// Holds the counter against the bookings at one moment: nothing was pending before and after they were summed, and
    /// the counter did not move between.
    pub(super) async fn reconcile(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>> {
        let desk = self.desks.of(event);
        for _ in 0..STILL {
            let Some(before) = self.at_rest(&desk, event).await? else {
                return Ok(None);
            };
            let confirmed = self.confirmed(event).await?;
            let after = self.look(event, &[]).await?.seen;
            let still =
                after.is_some_and(|after| after.counter.rev == before.rev && after.pending.is_empty());
            if !still {
                continue;
            }
            let found = before.reconcile(event, confirmed);
            if repair && !self.repair(event, before, confirmed).await? {
                continue;
            }
            return Ok(Some(found));
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "reconcile",
            "the event is being booked; ask again when it is quieter",
        ))
    }

    /// The counter once nothing is pending; what is, is rolled forward.
    async fn at_rest(&self, desk: &Desk, event: &EventId) -> Result<Option<Counter>> {
        for _ in 0..STILL {
            self.clear(desk, event).await?;
            let Some(seen) = self.look(event, &[]).await?.seen else {
                return Ok(None);
            };
            if seen.pending.is_empty() {
                return Ok(Some(seen.counter));
            }
            for entry in &seen.pending {
                self.roll_forward(desk, event, entry).await?;
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "reconcile",
            "entries of the event can't be carried out, or it is being booked; ask again",
        ))
    }

    /// Sets the counter right, if it has not moved; answers whether it is right now.
    async fn repair(&self, event: &EventId, stored: Counter, confirmed: i64) -> Result<bool> {
        let mut counter = stored;
        if !counter.repair(confirmed) {
            return Ok(true);
        }
        let mut filter = doc! {
            "_id": event_id(event),
            "rev": counters::number(stored.rev),
            "pending.0": { "$exists": false },
        };
        let mut set = doc! {
            "sold": counter.sold,
            "rev": counters::number(counter.rev),
            "epoch": counters::number(counter.epoch),
        };
        match counter.available {
            Some(available) => {
                filter.insert("available", doc! { "$exists": true });
                set.insert("available", available);
            }
            None => {
                filter.insert("available", doc! { "$exists": false });
            }
        }
        let link = &self.link;
        link.update("repair counter", &link.inventory, filter, doc! { "$set": set })
            .await
    }

    /// The ids of counters, from after `after`: for looking at all of them.
    pub(super) async fn counted_events(&self, after: Option<&EventId>, limit: i64) -> Result<Vec<EventId>> {
        let link = &self.link;
        let filter = after.map_or_else(Document::new, |after| {
            doc! { "_id": Direction::Rising.later_ids(after.as_bytes()) }
        });
        let mut options = mongodb::options::FindOptions::default();
        options.sort = Some(doc! { "_id": 1 });
        options.limit = Some(limit);
        options.projection = Some(doc! { "_id": 1 });
        link.find(
            "list counters",
            &link.inventory,
            filter,
            options,
            usize::MAX,
            |document| Fields(document).event_id("_id").map(Some),
        )
        .await
    }
}
