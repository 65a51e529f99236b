//! Turns the location of an event's request into the copy that the event keeps.

use crate::domain::{Location, LocationId};
use crate::error::{Error, Result};
use crate::ports::DatabaseHandler;
use crate::service::LocationDraft;

impl LocationDraft {
    /// The location with this id.
    #[must_use]
    pub fn with_id(self, id: LocationId) -> Location {
        Location {
            id,
            name: self.name,
            address: self.address,
            country: self.country,
            open_time: self.open_time,
            close_time: self.close_time,
            halls: self.halls,
            time_zone: self.time_zone,
        }
    }
}

/// The location an event keeps: none for none, the stored one for a known id without halls, else the one given,
/// under `new_id` if it has none.
///
/// # Errors
/// `Unprocessable` for an unknown id without halls.
pub(super) async fn resolve_location(
    store: &dyn DatabaseHandler,
    draft: Option<LocationDraft>,
    new_id: impl FnOnce() -> LocationId + Send,
) -> Result<Option<Location>> {
    let Some(draft) = draft.filter(|draft| !draft.is_blank()) else {
        return Ok(None);
    };
    match draft.id.clone() {
        Some(id) if draft.halls.is_empty() => match store.find_location(&id).await? {
            Some(stored) if !stored.deleted => Ok(Some(stored.location)),
            _ => Err(Error::unprocessable(
                "Location has an ID that is not known, and no halls",
            )),
        },
        Some(id) => Ok(Some(draft.with_id(id))),
        None => Ok(Some(draft.with_id(new_id()))),
    }
}
