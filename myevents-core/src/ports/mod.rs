//! The ports: what a store, a broker and a clock promise. Backends implement them, the rest of the crate uses them.
//!
//! All of them are object-safe, `Debug + Send + Sync + 'static`, and held as `Arc<dyn …>`. Retry, timeout, tracing and
//! fault injection are wrappers of the same port ([`layer`](crate::layer)), never part of a backend.

mod api_keys;
mod attached;
mod audit;
mod capabilities;
mod clock;
mod dead_letters;
mod emitter;
mod inbox;
mod listener;
mod mailer;
mod outbox;
mod paging;
mod store;

pub use api_keys::{ApiKey, ApiKeyHash, ApiKeyId, ApiKeys};
pub use attached::{Attached, Committed};
pub use audit::{AuditCursor, AuditFilter};
pub use capabilities::{BrokerCapabilities, MessageOrder, StoreCapabilities};
pub use clock::{Clock, IdSource, RandomIds, SystemClock};
pub use dead_letters::{DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetters};
pub use emitter::EventEmitter;
pub use inbox::{Begin, Inbox, InboxToken};
pub use listener::{Delivery, DeliveryStream, EventListener, Settlement, StartFrom, Subscription};
pub use mailer::{CalendarEntry, Mail, Mailer, Sent};
pub use outbox::{Claim, ClaimToken, Outbox, OutboxDepth, OutboxRow, ParkedMessage, RowId};
pub use paging::{BookingCursor, EventCursor, PageOf};
pub use store::{
    Applied, ApplyMode, Availability, BookOptions, BookingFilter, BookingOwner, BookingRequest,
    CancelOutcome, CancelRequest, DatabaseHandler, EventFilter, EventProjection, Inserted, Outcome,
    Reconciliation, Store, UnknownCapacity,
};
