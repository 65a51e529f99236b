//! Announced events and locations on their way into the booking service's copies and counters.

use myevents_core::Result;
use myevents_core::counter::{merge_counter, merge_event};
use myevents_core::ports::{Applied, EventProjection};

use super::tx::Tx;
use super::{events, inventory};

pub(super) fn project_event(tx: &Tx<'_>, projection: &EventProjection) -> Result<Applied> {
    let connection = tx.connection();
    let id = &projection.record.event.id;
    let copy = merge_event(events::find(connection, id)?.as_ref(), projection);
    if let Some(record) = &copy {
        events::write(connection, record)?;
    }
    let counter = merge_counter(inventory::load(connection, id)?.as_ref(), projection);
    if let Some(counter) = &counter {
        inventory::store(connection, id, counter)?;
    }
    Ok(Applied {
        copy: copy.is_some(),
        counter: counter.is_some(),
    })
}
