//! Lists from indexes in 16 partitions, merged in their order, page by page; and what filters leave out.

use std::collections::VecDeque;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use myevents_core::Result;
use myevents_core::domain::{
    Booking, BookingState, EventId, EventRecord, LocationId, LocationRecord, UnixSeconds,
};
use myevents_core::ports::{BookingCursor, BookingFilter, BookingOwner, EventCursor, EventFilter, PageOf};

use super::client::{Clients, Query};
use super::codec::{
    all_shards, booking_from_item, end_of, event_shard, hex, just_after, key, list_key, list_shard, start_of,
};
use super::item::{Item, bytes, get_number, get_text, text};
use super::names::*;
use super::records::{event_from_item, location_from_item};
use super::store::Shared;

/// Sorts after every key of a list.
const LAST: &str = "~";

/// How many items a page of one partition has, so that all of them together give a page of the list.
pub(super) fn share_of(limit: usize, lanes: usize, filtered: bool) -> usize {
    let share = limit / lanes + limit / (4 * lanes) + 4;
    // A filter leaves out most, so smaller pages would only be more calls.
    if filtered { share.max(100) } else { share }.min(1_000)
}

/// One partition of a list.
struct Lane {
    query: Query,
    items: VecDeque<Item>,
    from: Option<Item>,
    ended: bool,
}

/// A list made of several partitions.
pub(super) struct Merged<'c> {
    clients: &'c Clients,
    lanes: Vec<Lane>,
    key: &'static str,
    descending: bool,
}

impl<'c> Merged<'c> {
    pub(super) fn new(clients: &'c Clients, queries: Vec<Query>, key: &'static str) -> Self {
        let descending = queries.first().is_some_and(|query| query.descending);
        let lanes = queries.into_iter().map(|query| Lane {
            query,
            items: VecDeque::new(),
            from: None,
            ended: false,
        });
        Self {
            clients,
            lanes: lanes.collect(),
            key,
            descending,
        }
    }

    /// Fills every partition that ran empty, all at once.
    async fn fill(&mut self) -> Result<()> {
        loop {
            let clients = self.clients;
            let empty: Vec<&mut Lane> = self
                .lanes
                .iter_mut()
                .filter(|lane| lane.items.is_empty() && !lane.ended)
                .collect();
            if empty.is_empty() {
                return Ok(());
            }
            try_join_all(empty.into_iter().map(|lane| async move {
                let page = lane.query.page(clients, lane.from.take()).await?;
                lane.items.extend(page.items);
                lane.ended = page.next.is_none();
                lane.from = page.next;
                Ok::<_, myevents_core::Error>(())
            }))
            .await?;
        }
    }

    /// The next item in the order of the list.
    pub(super) async fn next(&mut self) -> Result<Option<Item>> {
        self.fill().await?;
        let mut best: Option<(usize, &str)> = None;
        for (index, lane) in self.lanes.iter().enumerate() {
            let Some(item) = lane.items.front() else { continue };
            let key = get_text(item, self.key)?;
            let better =
                best.is_none_or(|(_, other)| if self.descending { key > other } else { key < other });
            if better {
                best = Some((index, key));
            }
        }
        Ok(best
            .map(|(index, _)| index)
            .and_then(|index| self.lanes[index].items.pop_front()))
    }
}

fn contains(haystack: &str, lower_case: &str) -> bool {
    haystack.to_lowercase().contains(lower_case)
}

fn event_passes(record: &EventRecord, filter: &EventFilter, needle: Option<&str>) -> bool {
    let event = &record.event;
    let of_location = event
        .location
        .iter()
        .flat_map(|location| [location.name.as_str(), location.address.as_str()]);
    (filter.with_cancelled || !event.cancelled)
        && needle.is_none_or(|needle| {
            std::iter::once(event.name.as_str())
                .chain(of_location)
                .any(|text| contains(text, needle))
        })
}

fn booking_passes(booking: &Booking, filter: &BookingFilter, needle: Option<&str>) -> bool {
    let mut texts = [&booking.name, &booking.email].into_iter().flatten();
    filter.state.as_ref().is_none_or(|state| *state == booking.state)
        && needle.is_none_or(|needle| texts.any(|text| contains(text.as_str(), needle)))
}

impl Shared {
    pub(super) async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>> {
        let from = start_of(filter.from.unwrap_or(UnixSeconds::EPOCH));
        let low = match after {
            Some(after) => just_after(&list_key(after.start, after.id.as_bytes())).max(from),
            None => from,
        };
        let high = filter.to.map_or_else(|| LAST.to_owned(), end_of);
        let mut items = Vec::new();
        if low <= high {
            let page = share_of(limit, usize::from(super::ids::SHARDS), filter.text.is_some());
            let queries = all_shards().map(|shard| {
                let partition = (LIST_SHARD, text(list_shard(shard)));
                let mut query = Query::new("list events", &self.tables.events, Some(LISTING), partition);
                query.between = Some((LIST_KEY, text(low.as_str()), text(high.as_str())));
                query.page = page;
                query
            });
            let mut merged = Merged::new(&self.clients, queries.collect(), LIST_KEY);
            let needle = filter.text.as_deref().map(str::to_lowercase);
            while items.len() <= limit {
                let Some(item) = merged.next().await? else { break };
                let record = event_from_item(&item)?;
                if event_passes(&record, filter, needle.as_deref()) {
                    items.push(record);
                }
            }
        }
        Ok(PageOf::from_surplus(items, limit, |record| EventCursor {
            start: record.event.start,
            id: record.event.id.clone(),
        }))
    }

    pub(super) async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>> {
        let low = after.map_or_else(|| "0".to_owned(), |after| just_after(&hex(after.as_bytes())));
        let page = share_of(limit, usize::from(super::ids::SHARDS), false);
        let queries = all_shards().map(|shard| {
            let partition = (LIST_SHARD, text(list_shard(shard)));
            let mut query = Query::new("list locations", &self.tables.locations, Some(LISTING), partition);
            query.between = Some((LIST_KEY, text(low.as_str()), text(LAST)));
            query.page = page;
            query
        });
        let mut merged = Merged::new(&self.clients, queries.collect(), LIST_KEY);
        let mut items = Vec::new();
        while items.len() <= limit {
            let Some(item) = merged.next().await? else { break };
            let record = location_from_item(&item)?;
            // The index may still have one that was deleted.
            if !record.deleted {
                items.push(record);
            }
        }
        Ok(PageOf::from_surplus(items, limit, |record| {
            record.location.id.clone()
        }))
    }

    pub(super) async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>> {
        let low = start_of(filter.from.unwrap_or(UnixSeconds::EPOCH));
        let to = filter.to.map_or_else(|| LAST.to_owned(), end_of);
        // Newest first: the page ends where the one before it began.
        let end = after.map(|after| list_key(after.date, after.id.as_bytes()));
        let high = match &end {
            Some(end) => to.min(end.clone()),
            None => to,
        };
        let mut items = Vec::new();
        if low <= high {
            let queries = self.booking_queries("list bookings", &filter.owner, &low, &high);
            let page = share_of(
                limit,
                queries.len(),
                filter.text.is_some() || filter.state.is_some(),
            );
            let queries = queries.into_iter().map(|mut query| {
                query.page = page;
                query.descending = true;
                query
            });
            let mut merged = Merged::new(&self.clients, queries.collect(), DATE_ID);
            let needle = filter.text.as_deref().map(str::to_lowercase);
            while items.len() <= limit {
                let Some(item) = merged.next().await? else { break };
                if end.as_deref() == Some(get_text(&item, DATE_ID)?) {
                    continue;
                }
                let booking = booking_from_item(&item)?;
                if booking_passes(&booking, filter, needle.as_deref()) {
                    items.push(booking);
                }
            }
        }
        Ok(PageOf::from_surplus(items, limit, |booking| BookingCursor {
            date: booking.date,
            id: booking.id.clone(),
        }))
    }

    fn booking_queries(
        &self,
        operation: &'static str,
        owner: &BookingOwner,
        low: &str,
        high: &str,
    ) -> Vec<Query> {
        let query = |index, partition: (&'static str, AttributeValue)| {
            let mut query = Query::new(operation, &self.tables.bookings, Some(index), partition);
            query.between = Some((DATE_ID, text(low), text(high)));
            query
        };
        match owner {
            BookingOwner::User(user) => vec![query(BY_USER, (USER_ID, bytes(user.as_bytes())))],
            BookingOwner::Event(event) => all_shards()
                .map(|shard| query(BY_EVENT, (EVENT_SHARD, text(event_shard(event, shard)))))
                .collect(),
        }
    }

    /// The seats of all confirmed bookings of an event, as the index has them.
    pub(super) async fn confirmed_seats(&self, event: &EventId) -> Result<i64> {
        let owner = BookingOwner::Event(event.clone());
        let queries = self.booking_queries("count seats", &owner, "0", LAST);
        let sums = try_join_all(queries.into_iter().map(|mut query| async move {
            query.only = Some(&[SEATS, STATE]);
            let items = query.all(&self.clients).await?;
            seats_of(&items)
        }))
        .await?;
        Ok(sums.into_iter().sum())
    }

    /// A booking as it is now.
    pub(super) async fn find_booking(
        &self,
        id: &myevents_core::domain::BookingId,
    ) -> Result<Option<Booking>> {
        let item = self
            .clients
            .get("find booking", &self.tables.bookings, key(id.as_bytes()))
            .await?;
        item.as_ref().map(booking_from_item).transpose()
    }
}

fn seats_of(items: &[Item]) -> Result<i64> {
    let mut sum = 0;
    for item in items {
        if get_text(item, STATE)? == BookingState::Confirmed.as_str() {
            sum += get_number::<i64>(item, SEATS)?;
        }
    }
    Ok(sum)
}
