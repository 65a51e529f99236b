//! Event records with the indices of their lists.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use crate::domain::{EventId, EventRecord, Text};
use crate::ports::{EventCursor, EventFilter, PageOf};

#[derive(Default)]
pub(super) struct Events {
    revision: u64,
    by_id: HashMap<EventId, EventRecord>,
    by_start: BTreeSet<EventCursor>,
    by_name: HashMap<Box<str>, BTreeSet<EventCursor>>,
    awaiting: HashMap<Text, BTreeSet<EventId>>,
}

fn position(record: &EventRecord) -> EventCursor {
    EventCursor {
        start: record.event.start,
        id: record.event.id.clone(),
    }
}

impl Events {
    pub(super) fn get(&self, id: &EventId) -> Option<&EventRecord> {
        self.by_id.get(id)
    }

    /// How many writes there were.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Stores a record, new or in place of the old one.
    pub(super) fn put(&mut self, record: EventRecord) {
        self.revision += 1;
        if let Some(old) = self.by_id.remove(&record.event.id) {
            self.unlink(&old);
        }
        self.by_start.insert(position(&record));
        if !record.event.cancelled {
            self.by_name
                .entry(record.event.name.as_str().into())
                .or_default()
                .insert(position(&record));
        }
        if let Some(location) = &record.awaiting_location {
            self.awaiting
                .entry(location.clone())
                .or_default()
                .insert(record.event.id.clone());
        }
        self.by_id.insert(record.event.id.clone(), record);
    }

    fn unlink(&mut self, old: &EventRecord) {
        self.by_start.remove(&position(old));
        if let Some(named) = self.by_name.get_mut(old.event.name.as_str()) {
            named.remove(&position(old));
            if named.is_empty() {
                self.by_name.remove(old.event.name.as_str());
            }
        }
        if let Some(location) = &old.awaiting_location
            && let Some(waiting) = self.awaiting.get_mut(location)
        {
            waiting.remove(&old.event.id);
            if waiting.is_empty() {
                self.awaiting.remove(location);
            }
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<&EventRecord> {
        let first = self.by_name.get(name)?.first()?;
        self.by_id.get(&first.id)
    }

    pub(super) fn list(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> PageOf<EventRecord, EventCursor> {
        let wanted = filter.text.as_deref().map(str::to_lowercase);
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let items = self
            .by_start
            .range((lower, Bound::Unbounded))
            .skip_while(|at| filter.from.is_some_and(|from| at.start < from))
            .take_while(|at| filter.to.is_none_or(|to| at.start <= to))
            .filter_map(|at| self.by_id.get(&at.id))
            .filter(|record| filter.with_cancelled || !record.event.cancelled)
            .filter(|record| wanted.as_deref().is_none_or(|text| mentions(record, text)))
            .take(limit.saturating_add(1))
            .cloned()
            .collect();
        PageOf::from_surplus(items, limit, position)
    }

    pub(super) fn awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Vec<EventRecord> {
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let waiting = self.awaiting.get(location).into_iter();
        waiting
            .flat_map(|ids| ids.range((lower, Bound::Unbounded)))
            .filter_map(|id| self.by_id.get(id))
            .take(limit)
            .cloned()
            .collect()
    }
}

fn mentions(record: &EventRecord, lower_case: &str) -> bool {
    let event = &record.event;
    let of_location = event
        .location
        .iter()
        .flat_map(|location| [location.name.as_str(), location.address.as_str()]);
    std::iter::once(event.name.as_str())
        .chain(of_location)
        .any(|text| text.to_lowercase().contains(lower_case))
}
