//! What the event service announces: events and locations, whole and with their version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::{EventWire, HallWire, LocationWire, Message};
use crate::domain::{EventRecord, LocationRecord, UnixSeconds};

/// The body of `event.created`, `event.updated` and `event.cancelled`.
///
/// The first five fields are those of the original services, which send nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventAnnouncement {
    /// The event's id, hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The location's id; the original services send text here that is not always hex.
    #[serde(default)]
    pub location_id: String,
    /// When it starts, RFC 3339.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub start_date: Timestamp,
    /// When it ends, RFC 3339.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub end_date: Timestamp,
    /// The whole event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventWire>,
    /// Its capacity, null = unknown. Left out by the original services.
    #[serde(default)]
    pub capacity: Option<u64>,
    /// Its version. Left out by the original services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl From<&EventRecord> for EventAnnouncement {
    fn from(record: &EventRecord) -> Self {
        let event = &record.event;
        Self {
            id: event.id.to_string(),
            name: event.name.as_str().to_owned(),
            location_id: event
                .location
                .as_ref()
                .map(|location| location.id.to_string())
                .unwrap_or_default(),
            start_date: timestamp(event.start),
            end_date: timestamp(event.end),
            event: Some(EventWire::from(event)),
            capacity: event.capacity(),
            version: Some(record.version.0),
        }
    }
}

fn timestamp(seconds: UnixSeconds) -> Timestamp {
    Timestamp::from_second(seconds.get()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The body of `location.created`, `location.updated` and `location.deleted`.
///
/// All but the version is of the original services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LocationAnnouncement {
    /// The location's id; the original services send text here that is not always hex.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Street and town.
    #[serde(default)]
    pub address: String,
    /// The country.
    #[serde(default)]
    pub country: String,
    /// The halls; the original services send null for none.
    #[serde(default)]
    pub halls: Option<Vec<HallWire>>,
    /// The whole location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationWire>,
    /// Its version. Left out by the original services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl From<&LocationRecord> for LocationAnnouncement {
    fn from(record: &LocationRecord) -> Self {
        let location = &record.location;
        Self {
            id: location.id.to_string(),
            name: location.name.as_str().to_owned(),
            address: location.address.as_str().to_owned(),
            country: location.country.as_str().to_owned(),
            halls: Some(location.halls.iter().map(HallWire::from).collect()),
            location: Some(LocationWire::from(location)),
            version: Some(record.version.0),
        }
    }
}

macro_rules! message {
    ($(#[$doc:meta])* $type:ident($body:ty) = $name:literal, $about:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub $body);

        impl Message for $type {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;

            #[cfg(feature = "openapi")]
            fn body_schema() -> crate::contract::BodySchema {
                crate::contract::BodySchema::of::<$body>()
            }
        }
    };
}
pub(super) use message;

message!(
    /// An event was created.
    EventCreated(EventAnnouncement) = "event.created",
    "an event was created"
);
message!(
    /// An event was replaced.
    EventUpdated(EventAnnouncement) = "event.updated",
    "an event was changed, or is announced again"
);
message!(
    /// An event was cancelled.
    EventCancelled(EventAnnouncement) = "event.cancelled",
    "an event was cancelled; its bookings stay"
);
message!(
    /// A location was created.
    LocationCreated(LocationAnnouncement) = "location.created",
    "a location was created"
);
message!(
    /// A location was replaced.
    LocationUpdated(LocationAnnouncement) = "location.updated",
    "a location was changed; events that copied it stay as they are"
);
message!(
    /// A location was deleted.
    LocationDeleted(LocationAnnouncement) = "location.deleted",
    "a location was deleted; events that copied it stay as they are"
);
