//! `DatabaseHandler`: the records of a service, and the booking decision. Every write stores its messages with it.

use std::fmt::Debug;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::contract::Envelope;
use crate::domain::{
    AuditEntry, Booking, BookingId, BookingState, Capacity, EventId, EventRecord, IdSecret, LocationId,
    LocationRecord, PersonLimits, Text, UnixSeconds, UserId, UserRecord, Version,
};
use crate::error::Result;
use crate::ports::{
    Attached, AuditCursor, AuditFilter, BookingCursor, Committed, EventCursor, Inbox, Outbox, PageOf,
    StoreCapabilities,
};

/// The answer to adding a record under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted<T> {
    /// It was not there and is now.
    New,
    /// The id is there with the same fingerprint: this is the record as it is now. Nothing was written.
    Existing(T),
}

/// Which events a list holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Part of the name, the location's name or its address, in any case.
    pub text: Option<String>,
    /// Starts at or after.
    pub from: Option<UnixSeconds>,
    /// Starts at or before.
    pub to: Option<UnixSeconds>,
    /// Cancelled ones too.
    pub with_cancelled: bool,
}

/// Whose bookings a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookingOwner {
    /// All of an event.
    Event(EventId),
    /// All of a user.
    User(UserId),
}

/// Which bookings a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingFilter {
    /// Whose.
    pub owner: BookingOwner,
    /// Part of the holder's name or e-mail address, in any case.
    pub text: Option<String>,
    /// Only in this state.
    pub state: Option<BookingState>,
    /// Made at or after.
    pub from: Option<UnixSeconds>,
    /// Made at or before.
    pub to: Option<UnixSeconds>,
}

impl BookingFilter {
    /// All bookings of `owner`.
    #[must_use]
    pub fn all_of(owner: BookingOwner) -> Self {
        Self {
            owner,
            text: None,
            state: None,
            from: None,
            to: None,
        }
    }
}

/// What to do while the capacity of an event is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownCapacity {
    /// Book nothing.
    #[default]
    Refuse,
    /// Book without bound, and count.
    Allow,
}

/// What holds for a whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BookOptions {
    /// While the capacity is unknown.
    pub unknown_capacity: UnknownCapacity,
    /// The version of the event's copy whose rules of sale let these wishes pass, if rules were applied. Where the
    /// counter follows a later version, wishes that are not stored already are answered `Precondition` and nothing is
    /// written: the rules may have changed. So whoever remembers a copy may grant by it without reading it again.
    pub seen: Option<Version>,
}

/// A wish for seats. Everything a grant stores was made before the first try, so every retry writes the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingRequest {
    /// The booking as it is stored when granted: confirmed, version 1.
    pub booking: Booking,
    /// What its person may book of this event, the same for all wishes of one version of it. With a limit,
    /// `booking.person` is there.
    pub limits: PersonLimits,
    /// The message that announces it.
    pub message: Envelope,
    /// No commit try with it starts after this.
    pub deadline: Instant,
}

/// What became of a [`BookingRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The seats are taken and the booking is stored.
    Booked(Booking),
    /// The id is stored with the same fingerprint: the booking as it is now.
    Existing(Booking),
    /// The id is stored with another fingerprint.
    KeyReused,
    /// Fewer seats are left than wanted; how many were left in the state that decided (0 where it is below).
    SoldOut {
        /// Seats left.
        available: u64,
    },
    /// No event has this id.
    UnknownEvent,
    /// The event was cancelled.
    EventCancelled,
    /// It is not known how many seats there are.
    CapacityUnknown,
    /// Outside the time of sales, or past where that is refused.
    NotOnSale,
    /// More seats than one booking may have.
    TooManySeats {
        /// The most.
        max: u32,
    },
    /// The person would have more than they may.
    LimitReached,
    /// The event limits what one person may book, and the wish names nobody.
    PersonRequired,
}

/// A wish to give seats back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// The booking.
    pub booking: BookingId,
    /// Its event.
    pub event: EventId,
    /// The message that announces it.
    pub message: Envelope,
    /// The line of the audit log about it: stored if and only if this call cancels the booking. `None` where its holder
    /// gives it back.
    pub audit: Option<AuditEntry>,
    /// No commit try with it starts after this.
    pub deadline: Instant,
}

/// What became of a [`CancelRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelOutcome {
    /// This call cancelled it and gave the seats back.
    Cancelled(Booking),
    /// It was not confirmed any more; nothing changed.
    Already(Booking),
    /// No booking of this event has this id.
    Unknown,
}

/// The counter of an event, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// The event.
    pub event: EventId,
    /// Its capacity.
    pub capacity: Capacity,
    /// Seats left: never negative here, 0 for a cancelled event, `None` while the capacity is unknown.
    pub available: Option<u64>,
}

/// The counter of an event held against its bookings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// The event.
    pub event: EventId,
    /// Its capacity.
    pub capacity: Capacity,
    /// The counter's seats sold.
    pub sold: i64,
    /// The counter's seats held.
    pub held: i64,
    /// The counter's seats left; may be negative after the capacity was lowered.
    pub available: Option<i64>,
    /// The seats of all confirmed bookings.
    pub confirmed: i64,
    /// By how much the counter is off: `sold − confirmed` or, where these agree, what `available` lacks to
    /// `capacity − sold − held`.
    /// Expected 0.
    pub drift: i64,
}

/// How a projected record meets what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyMode {
    /// Replaces what is stored if its version is greater.
    Newer,
    /// Fills in what is absent, never overwrites: for messages without version, and for a location that arrives after
    /// its event.
    FillIn,
}

/// An event as announced, on its way into the booking service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventProjection {
    /// The copy to keep. A cancelled one is kept as a tombstone, also when it comes first.
    pub record: EventRecord,
    /// The capacity for the counter.
    pub capacity: Capacity,
    /// How both meet what is stored.
    pub mode: ApplyMode,
}

/// What a projection changed: copy and counter are each guarded by their own version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// The copy was written.
    pub copy: bool,
    /// The counter was written.
    pub counter: bool,
}

/// The records of one service.
///
/// What every method promises:
/// * A write is durable when it answers, where [`StoreCapabilities::durable`]; an error other than `OutcomeUnknown` means
///   that nothing was written.
/// * State, messages and the line of the audit log of a write are stored in one atomic step. A write that changes nothing
///   stores no line: it finds everything done, or is refused.
/// * Dropping the future of a write leaves its outcome unknown and MUST NOT break it half-way.
/// * Any method may answer `Unavailable` (nothing applied, repeat), `Malformed` (a record can't be decoded) or `Closed`.
#[async_trait]
pub trait DatabaseHandler: Debug + Send + Sync + 'static {
    /// What this store promises.
    fn capabilities(&self) -> StoreCapabilities;

    /// The secret that derived ids are made with: made at the first start, the same for every instance of the store.
    fn id_secret(&self) -> IdSecret;

    /// Whether the store can be reached.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn ping(&self) -> Result<()>;

    /// Finishes what is in flight, gives back the leases of this instance and closes. Later calls answer `Closed`.
    /// Safe to call many times at once.
    ///
    /// # Errors
    /// `Unavailable` when something could not be finished.
    async fn close(&self) -> Result<()>;

    /// Adds an event under its id.
    ///
    /// # Errors
    /// `Conflict` when the id is there with another fingerprint.
    async fn add_event(
        &self,
        record: &EventRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<EventRecord>>>;

    /// Replaces an event whose stored version is `expected`; the record carries the new version. Cancelling is this too.
    ///
    /// # Errors
    /// `NotFound`; `Precondition` when the stored version is another.
    async fn replace_event(
        &self,
        record: &EventRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>>;

    /// Announces an event again without changing it, if its stored version is `expected`.
    ///
    /// # Errors
    /// `NotFound`; `Precondition` when the stored version is another.
    async fn announce_event(
        &self,
        id: &EventId,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>>;

    /// Finds an event by id, cancelled or not.
    async fn find_event(&self, id: &EventId) -> Result<Option<EventRecord>>;

    /// Finds an event by its exact name: the earliest (start, id) that is not cancelled.
    async fn find_event_by_name(&self, name: &str) -> Result<Option<EventRecord>>;

    /// Lists events by (start, id), from after `after`.
    async fn list_events(
        &self,
        filter: &EventFilter,
        after: Option<&EventCursor>,
        limit: usize,
    ) -> Result<PageOf<EventRecord, EventCursor>>;

    /// A number that every change of an event moves on, in the same atomic step; `None` from a store that can't tell
    /// it for less than a list costs. Between two equal answers of one instance no event changed, so that a list read in
    /// between them holds for as long as the number stays.
    async fn events_revision(&self) -> Result<Option<u64>>;

    /// Adds a location under its id.
    ///
    /// # Errors
    /// `Conflict` when the id is there with another fingerprint.
    async fn add_location(
        &self,
        record: &LocationRecord,
        attached: Attached,
    ) -> Result<Committed<Inserted<LocationRecord>>>;

    /// Replaces a location whose stored version is `expected`; the record carries the new version. Deleting is this
    /// too: the record stays, marked deleted.
    ///
    /// # Errors
    /// `NotFound`; `Precondition` when the stored version is another.
    async fn replace_location(
        &self,
        record: &LocationRecord,
        expected: Version,
        attached: Attached,
    ) -> Result<Committed<()>>;

    /// Finds a location by id, deleted or not.
    async fn find_location(&self, id: &LocationId) -> Result<Option<LocationRecord>>;

    /// Lists locations that are not deleted by id, from after `after`.
    async fn list_locations(
        &self,
        after: Option<&LocationId>,
        limit: usize,
    ) -> Result<PageOf<LocationRecord, LocationId>>;

    /// Adds a user under their id. Nobody is told.
    ///
    /// # Errors
    /// `Conflict` when the id is there with another fingerprint.
    async fn add_user(&self, record: &UserRecord) -> Result<Inserted<UserRecord>>;

    /// Finds a user.
    async fn find_user(&self, id: &UserId) -> Result<Option<UserRecord>>;

    /// Removes a person: user, name, e-mail and person of their bookings, then the user record. The bookings stay.
    /// Answers whether the record was there. May be repeated after a failure.
    ///
    /// A booking of theirs that is granted afterwards, because it waited meanwhile, is stored without all of these too.
    /// `audit` is stored with the first step, if the record was there: once, however often the rest is repeated.
    async fn remove_user(&self, id: &UserId, audit: Option<&AuditEntry>) -> Result<bool>;

    /// Decides a batch of wishes for one event, in order and greedily, and stores what is granted with its messages.
    /// Answers one result for each, in their order.
    ///
    /// For each: a stored id comes first (`Existing`, `KeyReused`), then the event (`UnknownEvent`, `EventCancelled`,
    /// `CapacityUnknown`), then limits per person, then seats. A wish gets all its seats or none; smaller ones behind it
    /// may still fit. `SoldOut` is answered only from one counter state, seen after the call began, in which fewer seats
    /// are left than the wish wants. A second wish with the same id waits for the first. An id inside the batch or a
    /// wish for another event than `event` is the caller's fault: `Invalid` for that wish.
    ///
    /// # Errors
    /// For each wish: `Precondition` (see [`BookOptions::seen`]), `Unavailable`, `OutcomeUnknown` (repeat with the same id), `Overloaded` past its deadline.
    async fn book(
        &self,
        event: &EventId,
        requests: &[BookingRequest],
        options: BookOptions,
    ) -> Vec<Result<Committed<Outcome>>>;

    /// Fences off the tries of the past: a decision of [`book`](Self::book) made before this call, in any process, either
    /// is found by [`find_booking`](Self::find_booking) when this has returned, or is never stored. Whoever refuses a wish for a reason that the counter does not know,
    /// such as the clock, calls this first and looks the booking's id up after it; otherwise the late commit of an earlier
    /// try could apply after the refusal. An event without counter needs no fence: `Ok`.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown`: nothing may be refused yet.
    async fn fence(&self, event: &EventId) -> Result<()>;

    /// Cancels a confirmed booking and gives its seats back, once: only the call that made the change does.
    ///
    /// # Errors
    /// `Unavailable`, `OutcomeUnknown` (repeat), `Overloaded` past its deadline.
    async fn cancel_booking(&self, request: &CancelRequest) -> Result<Committed<CancelOutcome>>;

    /// Finds a booking.
    async fn find_booking(&self, id: &BookingId) -> Result<Option<Booking>>;

    /// Lists bookings by (date, id), newest first, from after `after`.
    async fn list_bookings(
        &self,
        filter: &BookingFilter,
        after: Option<&BookingCursor>,
        limit: usize,
    ) -> Result<PageOf<Booking, BookingCursor>>;

    /// The counters of events, in the order asked; `None` for an event that is not known.
    async fn availability(&self, events: &[EventId]) -> Result<Vec<Option<Availability>>>;

    /// Holds the counter of an event against its bookings; with `repair` sets it right in the same atomic step and
    /// answers what it was before. `None` for an event without counter.
    async fn reconcile(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>>;

    /// Offers an announced event to the counter and to the copy, each guarded by its own version. May be repeated. Where
    /// these are two writes the counter comes first: whoever reads a copy finds a counter that follows it.
    /// With [`ApplyMode::FillIn`]: a copy that is absent is written; a copy that awaits a location gets the location;
    /// a counter whose capacity is unknown gets it, at its version.
    async fn project_event(&self, projection: &EventProjection) -> Result<Applied>;

    /// Offers an announced location to the copy, guarded by its version. Answers whether it was written.
    async fn project_location(&self, record: &LocationRecord, mode: ApplyMode) -> Result<bool>;

    /// Lists the audit log by (time, id), newest first, from after `after`: every entry whose write was answered before the
    /// call began. There is no way to change an entry or to take one out.
    async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: usize,
    ) -> Result<PageOf<AuditEntry, AuditCursor>>;

    /// Copies of events that await this location (see [`EventRecord::awaiting_location`]), by id, from after `after`.
    async fn events_awaiting(
        &self,
        location: &Text,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<EventRecord>>;
}

/// A whole store: records, outbox and inbox of one service over one database.
pub trait Store: DatabaseHandler + Outbox + Inbox {}

impl<T: DatabaseHandler + Outbox + Inbox + ?Sized> Store for T {}
