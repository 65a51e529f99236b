//! How an announced record meets what is stored: the guards by version, for the copy and for the counter.

use crate::counter::{Counter, CounterState};
use crate::domain::{EventRecord, LocationRecord};
use crate::ports::{ApplyMode, EventProjection};

/// The copy to write for `offered`, or `None` when what is stored stays. Cancelled is final, whatever a later version
/// says.
#[must_use]
pub fn merge_event(stored: Option<&EventRecord>, offered: &EventProjection) -> Option<EventRecord> {
    let Some(stored) = stored else {
        return Some(offered.record.clone());
    };
    match offered.mode {
        ApplyMode::Newer => (offered.record.version > stored.version).then(|| {
            let mut record = offered.record.clone();
            record.event.cancelled |= stored.event.cancelled;
            record
        }),
        // A location was looked up for the copy as it was at one version: it fills in only that version.
        ApplyMode::FillIn => (stored.awaiting_location.is_some()
            && offered.record.event.location.is_some()
            && offered.record.version == stored.version)
            .then(|| {
                let mut record = stored.clone();
                record.event.location = offered.record.event.location.clone();
                record.awaiting_location = None;
                record
            }),
    }
}

/// The counter to write for `offered`, or `None` when what is stored stays. Guarded by the counter's own version, so
/// that a crash between copy and counter is mended by the redelivery.
#[must_use]
pub fn merge_counter(stored: Option<&Counter>, offered: &EventProjection) -> Option<Counter> {
    let version = offered.record.version;
    let Some(stored) = stored else {
        let state = if offered.record.event.cancelled {
            CounterState::Cancelled
        } else {
            CounterState::Open
        };
        return Some(Counter::new(state, version, offered.capacity));
    };
    let mut counter = *stored;
    match offered.mode {
        ApplyMode::Newer if version > stored.version => {
            counter.set_capacity(offered.capacity);
            if offered.record.event.cancelled {
                counter.cancel();
            }
            counter.version = version;
            counter.rev = stored.rev + 1;
            // A refusal may follow from what only the copy knows (sales times, limits), so a commit decided under the
            // old version must not apply after it.
            counter.epoch = stored.epoch + 1;
            Some(counter)
        }
        // Filling in a later version could make seats bookable that this version took off sale.
        ApplyMode::FillIn
            if version == stored.version && stored.capacity.is_none() && offered.capacity.is_some() =>
        {
            counter.set_capacity(offered.capacity);
            Some(counter)
        }
        _ => None,
    }
}

/// Whether `offered` replaces the stored copy of a location.
#[must_use]
pub fn merge_location(stored: Option<&LocationRecord>, offered: &LocationRecord, mode: ApplyMode) -> bool {
    match (stored, mode) {
        (None, _) => true,
        (Some(stored), ApplyMode::Newer) => offered.version > stored.version,
        (Some(_), ApplyMode::FillIn) => false,
    }
}
