//! The audit log: entries by (time, id), which only grow.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::domain::AuditEntry;
use crate::ports::{AuditCursor, AuditFilter, PageOf};

#[derive(Default)]
pub(super) struct Log(BTreeMap<AuditCursor, AuditEntry>);

impl Log {
    /// Adds the entry of a write that changed something, if it has one.
    pub(super) fn append(&mut self, entry: Option<&AuditEntry>) {
        if let Some(entry) = entry {
            self.0.entry(entry.into()).or_insert_with(|| entry.clone());
        }
    }

    pub(super) fn list(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> PageOf<AuditEntry, AuditCursor> {
        let (since, until) = filter.range();
        let upper = after.map_or(Bound::Unbounded, Bound::Excluded);
        let items = self
            .0
            .range((Bound::<&AuditCursor>::Unbounded, upper))
            .rev()
            .map(|(_, entry)| entry)
            .skip_while(|entry| entry.time > until)
            .take_while(|entry| entry.time >= since)
            .filter(|entry| {
                filter
                    .object
                    .as_ref()
                    .is_none_or(|object| *object == entry.object)
            })
            .take(limit.saturating_add(1))
            .cloned()
            .collect();
        PageOf::from_surplus(items, limit, |entry: &AuditEntry| entry.into())
    }
}
