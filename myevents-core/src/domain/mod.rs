//! Domain types and their rules: no HTTP, no driver, no wire form. A value that exists is valid.

mod audit;
mod booking;
mod event;
mod fingerprint;
mod id;
mod location;
mod text;
mod time;
mod user;

pub use audit::{Actor, AuditAction, AuditEntry};
pub use booking::{Booking, BookingState, Person, PersonLimits, Seats};
pub use event::{Event, EventRecord};
pub use fingerprint::{Fingerprint, FingerprintBuilder, IdSecret};
pub use id::{AuditId, BookingId, EventId, Id, LocationId, UserId};
pub use location::{Capacity, Hall, HourOfDay, Location, LocationRecord, TimeZoneName};
pub use text::{Name, Text};
pub use time::{Minutes, UnixMillis, UnixSeconds, Version};
pub use user::{Age, User, UserRecord};
