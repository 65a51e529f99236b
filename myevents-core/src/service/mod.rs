//! The use cases, one file a verb: no HTTP, no driver. Values come in parsed, answers go out as domain types.
//!
//! [`EventService`] owns events and locations; [`BookingService`] owns bookings and users and keeps its own copy of
//! events. They share no state: each has a store of its own and they speak by messages.

mod announce;
mod book_event;
mod cancel_booking;
mod cancel_event;
mod changes;
mod context;
mod create_event;
mod create_location;
mod create_user;
pub mod desk;
mod drafts;
mod events;
mod replace_event;
mod replace_location;
mod republish;
mod resolve_location;
mod rules;
mod scopes;
mod users;

pub use announce::{Announcer, DEFAULT_MAX_MESSAGE_BYTES};
pub use context::{Caller, Created, IdempotencyKey, PutCondition, Replaced, RequestContext};
pub use drafts::{BookingDraft, EventDraft, LocationDraft, UserDraft};
pub use events::EventService;
pub use republish::Republished;
pub use rules::SalesRules;
pub use scopes::{Scope, Scopes};

mod bookings;
pub use bookings::{BookingService, BookingSettings};
