//! What the event service announced, offered to copy and counter, each guarded by its own version.

use super::state::State;
use crate::counter::{merge_counter, merge_event, merge_location};
use crate::domain::LocationRecord;
use crate::ports::{Applied, ApplyMode, EventProjection};

impl State {
    pub(super) fn project_event(&mut self, offered: &EventProjection) -> Applied {
        let id = &offered.record.event.id;
        let copy = merge_event(self.events.get(id), offered);
        let counter = merge_counter(self.counters.get(id), offered);
        let applied = Applied {
            copy: copy.is_some(),
            counter: counter.is_some(),
        };
        if let Some(record) = copy {
            self.events.put(record);
        }
        if let Some(counter) = counter {
            self.counters.insert(id.clone(), counter);
        }
        applied
    }

    pub(super) fn project_location(&mut self, record: &LocationRecord, mode: ApplyMode) -> bool {
        let id = &record.location.id;
        let write = merge_location(self.locations.get(id), record, mode);
        if write {
            self.locations.insert(id.clone(), record.clone());
        }
        write
    }
}
