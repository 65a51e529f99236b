//! The names of tables, indexes and attributes. Those of `events`, `locations`, `users` and `bookings` are a contract.

/// The tables of one store.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    /// Events: the event service's records or the booking service's copies.
    pub(super) events: String,
    pub(super) locations: String,
    pub(super) users: String,
    pub(super) bookings: String,
    /// The counter of each event.
    pub(super) inventory: String,
    /// Messages that are not published yet.
    pub(super) outbox: String,
    /// All that is small: the store's identity, inbox marks, what each person has of an event, who waits for a
    /// location, dead letters, keys for machines.
    pub(super) state: String,
}

impl Tables {
    pub(super) fn with_prefix(prefix: &str) -> Self {
        let name = |table: &str| format!("{prefix}{table}");
        Self {
            events: name("events"),
            locations: name("locations"),
            users: name("users"),
            bookings: name("bookings"),
            inventory: name("inventory"),
            outbox: name("outbox"),
            state: name("state"),
        }
    }
}

/// Events by name, as the original has it.
pub(super) const BY_NAME: &str = "EventName-index";
/// Events by (start, id), locations by id: 16 partitions each.
pub(super) const LISTING: &str = "Listing";
/// Bookings of an event by (date, id), in 16 partitions.
pub(super) const BY_EVENT: &str = "ByEvent";
/// Bookings of a user by (date, id).
pub(super) const BY_USER: &str = "ByUser";
/// Completed inbox marks by when they were completed.
pub(super) const DONE: &str = "Done";

/// The key of every table but `outbox` and `state`; the sort key of these.
pub(super) const ID: &str = "ID";
/// The partition of `outbox`.
pub(super) const SHARD: &str = "Shard";
/// The partition of `state`.
pub(super) const KIND: &str = "Kind";

pub(super) const LIST_SHARD: &str = "ListShard";
pub(super) const LIST_KEY: &str = "ListKey";
pub(super) const EVENT_NAME: &str = "EventName";
pub(super) const EVENT_SHARD: &str = "EventShard";
pub(super) const USER_ID: &str = "UserID";
pub(super) const DATE_ID: &str = "DateID";
pub(super) const DONE_SHARD: &str = "DoneShard";
pub(super) const DONE_AT: &str = "DoneAt";

/// One more at each change of a record, so that a change is made to what was read and to nothing else.
pub(super) const REV: &str = "Rev";
pub(super) const VERSION: &str = "Version";
/// The outbox item that carries a record's last message.
pub(super) const OUTBOX: &str = "Outbox";

pub(super) const STATE: &str = "State";
pub(super) const CAPACITY: &str = "Capacity";
pub(super) const SOLD: &str = "Sold";
pub(super) const HELD: &str = "Held";
pub(super) const AVAILABLE: &str = "Available";
pub(super) const EPOCH: &str = "Epoch";

pub(super) const SEATS: &str = "Seats";
pub(super) const BOOKINGS: &str = "Bookings";

pub(super) const PERSON: &str = "Person";
/// The secret of the store, in its identity.
pub(super) const SECRET: &str = "Secret";

pub(super) const REMOVED: &str = "Removed";

pub(super) const TOKEN: &str = "Token";
pub(super) const UNTIL: &str = "Until";
