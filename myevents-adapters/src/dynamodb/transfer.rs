//! Moving between stores: lists that the ports lack, bookings and parked messages as they are, the secret of derived ids.

use std::collections::{HashMap, HashSet};

use myevents_core::domain::{EventId, IdSecret, LocationId, LocationRecord, UserId, UserRecord};
use myevents_core::ports::{PageOf, ParkedMessage};
use myevents_core::{Error, ErrorKind, Result};

use super::attach::check_message;
use super::codec::{key, place, rev, user_from_item};
use super::error::{fault, malformed};
use super::events::MOST_TRIES;
use super::expression::Expression;
use super::ids::{Place, SHARDS};
use super::inbox::Changed;
use super::item::{Item, bytes, get_bytes, get_flag};
use super::names::*;
use super::parcel::{Entry, Parcel};
use super::records::location_from_item;
use super::schema::identity_key;
use super::store::{Shared, too_busy};
use super::transact::transact;

impl Shared {
    /// Items of a table from after a key, in the table's own order: an item more than `limit`, if there are so many.
    async fn items_after<T>(
        &self,
        operation: &'static str,
        table: &str,
        filter: Option<&Expression>,
        after: Option<&[u8]>,
        limit: usize,
        decode: impl Fn(&Item) -> Result<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        let wanted = limit.saturating_add(1);
        let mut from = after.map(key);
        let mut items = Vec::new();
        loop {
            let read = self
                .clients
                .reads
                .scan()
                .table_name(table)
                .consistent_read(true)
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
                .set_filter_expression(filter.and_then(Expression::condition))
                .set_expression_attribute_names(filter.and_then(Expression::names))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| fault(operation, error).of_read())?;
            for item in read.items() {
                items.push(decode(item)?);
                if items.len() == wanted {
                    return Ok(items);
                }
            }
            from = read.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    pub(super) async fn all_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        let (table, after) = (&self.tables.locations, after.map(LocationId::as_bytes));
        let items = self.items_after("list locations", table, None, after, limit, location_from_item);
        Ok(PageOf::from_surplus(items.await?, limit, |record| {
            record.location.id.clone()
        }))
    }

    pub(super) async fn users(
        &self,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<PageOf<UserRecord, UserId>> {
        let there = Expression::new().when_absent(REMOVED);
        let (table, after) = (&self.tables.users, after.map(UserId::as_bytes));
        let items = self.items_after("list users", table, Some(&there), after, limit, user_from_item);
        Ok(PageOf::from_surplus(items.await?, limit, |record| {
            record.user.id.clone()
        }))
    }

    pub(super) async fn removed_users(
        &self,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<PageOf<UserId, UserId>> {
        let gone = Expression::new().when_present(REMOVED);
        let (table, after) = (&self.tables.users, after.map(UserId::as_bytes));
        let items = self.items_after("list removed users", table, Some(&gone), after, limit, |item| {
            UserId::from_bytes(get_bytes(item, ID)?).map_err(|_| malformed("the id of a user is not an id"))
        });
        Ok(PageOf::from_surplus(items.await?, limit, Clone::clone))
    }

    pub(super) async fn is_removed(&self, user: &UserId) -> Result<bool> {
        let (table, key) = (&self.tables.users, key(user.as_bytes()));
        match self.clients.get("find removed user", table, key).await? {
            Some(item) => get_flag(&item, REMOVED),
            None => Ok(false),
        }
    }

    /// Takes `secret` in place of the store's own, while no record depends on that.
    pub(super) async fn adopt_id_secret(&self, secret: &IdSecret) -> Result<()> {
        const OPERATION: &str = "adopt id secret";
        let state = &self.tables.state;
        let found = self.clients.get(OPERATION, state, identity_key()).await?;
        let found = found.ok_or_else(|| malformed("the store has lost its identity"))?;
        let stored = get_bytes(&found, SECRET)?;
        if stored != secret.expose() {
            let tables = &self.tables;
            for table in [&tables.events, &tables.locations, &tables.users, &tables.bookings] {
                let any = self.items_after(OPERATION, table, None, None, 0, |_| Ok(()));
                if !any.await?.is_empty() {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        OPERATION,
                        "the store is not empty, and what it holds depends on its own secret",
                    ));
                }
            }
            let change =
                Expression::new()
                    .set(SECRET, bytes(secret.expose()))
                    .when(SECRET, "=", bytes(stored));
            if let Changed::No(_) = self.change(OPERATION, state, identity_key(), &change).await? {
                return Err(too_busy(OPERATION));
            }
        }
        self.take_secret(secret);
        Ok(())
    }

    pub(super) async fn import_parked(&self, messages: &[ParkedMessage]) -> Result<()> {
        // Rare, and by hand: the outbox is read whole.
        let mut present = HashSet::new();
        let mut last: HashMap<String, Place> = HashMap::new();
        for parcel in self.all_parcels().await? {
            for entry in &parcel.entries {
                present.insert(entry.envelope.id().clone());
                last.insert(entry.envelope.key().to_owned(), parcel.place);
            }
        }
        for message in messages {
            if present.insert(message.envelope.id().clone()) {
                let before = last.get(message.envelope.key()).copied();
                let place = self.import_message(message, before).await?;
                last.insert(message.envelope.key().to_owned(), place);
            }
        }
        Ok(())
    }

    /// Puts a parked message behind the one at `before`, the last one of the same record in the outbox, and lets the
    /// record know it as its last.
    async fn import_message(&self, parked: &ParkedMessage, before: Option<Place>) -> Result<Place> {
        const OPERATION: &str = "import messages";
        check_message(OPERATION, &parked.envelope)?;
        for _ in 0..MOST_TRIES {
            let record = self.record_of(parked.envelope.key()).await?;
            let known = match &record {
                Some((_, item)) => place(item)?,
                None => None,
            };
            // All messages of a record lie in one shard, with rising ids.
            let shard = known.or(before).map(|place| place.shard);
            let floor = known.into_iter().chain(before).map(|place| place.id).max();
            let place = Place {
                id: self.ids.above(self.now(), floor.unwrap_or(0)),
                shard: shard.unwrap_or_else(|| rand::random_range(0..SHARDS)),
            };
            let has_key = !parked.envelope.key().is_empty();
            let parcel = Parcel {
                place,
                rev: 0,
                written: self.now(),
                total: 1,
                entries: vec![Entry {
                    index: 0,
                    envelope: parked.envelope.clone(),
                    after: before.filter(|_| has_key),
                    parked: Some(parked.reason.clone()),
                    resent: false,
                }],
                holds: Vec::new(),
            };
            let mut actions = vec![
                Expression::new()
                    .when_absent(ID)
                    .put(&self.tables.outbox, parcel.to_item())?,
            ];
            if let Some((table, item)) = &record {
                let change = Expression::new()
                    .set(OUTBOX, bytes(&place.to_bytes()))
                    .add(REV, 1)
                    .when_present(ID)
                    .when_is(REV, rev(item)?);
                actions.push(change.update(table, key(get_bytes(item, ID)?))?);
            }
            let sent = transact(&self.clients, OPERATION, actions, self.end_of_patience()).await?;
            if sent.applied()? {
                return Ok(place);
            }
        }
        Err(too_busy(OPERATION))
    }

    /// The record that a message's key names, with its table.
    async fn record_of(&self, name: &str) -> Result<Option<(String, Item)>> {
        // Ids of all records are of one form. A key that is none names no record, and its message stands for itself.
        let Ok(id) = EventId::parse(name) else {
            return Ok(None);
        };
        let tables = [&self.tables.events, &self.tables.locations, &self.tables.bookings];
        let wanted = tables.iter().map(|table| (table.as_str(), key(id.as_bytes())));
        let read = self.clients.get_many("import messages", wanted.collect()).await?;
        let mut found = read
            .into_iter()
            .filter_map(|(table, mut items)| items.pop().map(|item| (table, item)));
        Ok(found.next())
    }
}
