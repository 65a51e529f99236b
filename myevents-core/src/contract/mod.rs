//! What goes over the wire: the envelope, the messages with their names, and the JSON forms of the domain types.

mod announcements;
#[cfg(feature = "openapi")]
pub mod asyncapi;
mod audit;
mod bookings;
mod envelope;
mod names;
mod registry;
mod schema;
mod wire;

pub use announcements::{
    EventAnnouncement, EventCancelled, EventCreated, EventUpdated, LocationAnnouncement, LocationCreated,
    LocationDeleted, LocationUpdated,
};
pub use audit::{AuditWire, audit_from_json, audit_to_json};
pub use bookings::{BookingAnnouncement, BookingCancelled, EventBooked};
pub use envelope::{CONTENT_TYPE_JSON, Envelope, EnvelopeBuilder, MessageId, header};
pub use names::{MessageName, legacy_spelling};
pub use registry::{Message, MessageDescription, Registry, why_unreadable};
pub use schema::BodySchema;
pub use wire::{BookingWire, EventWire, HallWire, LocationWire, UserWire};
