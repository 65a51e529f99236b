//! The commit of a store with transactions over several records, each of them conditional and answered by position
//! (DynamoDB): counter, bookings, holder records and one item of the outbox in one call.
//!
//! Nothing is looked up before a grant: the transaction itself says which booking exists. A transaction that nobody
//! waits for may take effect at any time. How the outbox's items leave is `pointers`.

mod process;
mod steps;
mod store;
mod world;

pub use crate::clients::{Ballot, Change, Client, Request, Told};
pub use process::{Phase, Process};
pub use steps::{Action, After};
pub use store::{Booking, Call, Counter, Item};
pub use world::{Handler, State};

/// One rule dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A commit does not compare the epoch.
    NoEpoch,
    /// A cancel gives seats back within the epoch.
    CancelKeepsEpoch,
    /// A cancel while the capacity is unknown stays within the epoch.
    UnknownCancelKeepsEpoch,
    /// A commit does not ask whether an id is stored.
    NoUniqueId,
    /// A cancel does not ask whether the booking is confirmed.
    CancelUnguarded,
    /// A cancel changes the booking and the counter in two calls.
    CancelInTwo,
    /// The messages are stored after the bookings.
    MessagesApart,
    /// A change of `available` creates it where it is absent.
    AddCreatesAvailable,
    /// A change of `sold` alone does not ask whether the capacity is unknown still.
    TwinWithoutAbsence,
    /// Of the reasons that of the counter is read first.
    CounterReasonFirst,
    /// Of the reasons that of the holder record is read first.
    HolderReasonFirst,
    /// Refused by the counter without a look at the bookings.
    RefuseWithoutLookUp,
    /// The bookings are looked up first, the counter is read after.
    BookingsBeforeCounter,
    /// A batch that changed keeps its client token.
    SameToken,
    /// A batch that changed keeps the id of its outbox item.
    SameItem,
    /// A lost answer is told as "sold out".
    LostIsRefused,
    /// An id that exists is an answer, whatever was asked for.
    NoFingerprint,
    /// The holder record is read, and not a condition of the transaction.
    LimitOnlyRead,
    /// A cancel leaves the holder record as it is.
    CancelKeepsHolder,
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Granted beyond the capacity of that moment.
    Oversold,
    /// A try applied although it was refused, or another one that saw its counter when this try had ended.
    BookedAfterRefusal,
    /// Refused while a booking was there of this try, or of one that had ended when the counter was seen.
    RefusedThoughBooked,
    /// A booking that was there when the client asked was not found.
    BookingNotFound,
    /// "Sold out" although there were seats all the time since the request arrived.
    RefusedWithoutGrounds,
    /// "Enough for you" although the person was below the limit all the time since the request arrived.
    RefusedBelowLimit,
    /// Another request's booking was given as an answer.
    ForeignBooking,
    /// A person has more seats than allowed.
    OverLimit,
    /// A client token was sent with two requests: the store answers neither.
    TokenMismatch,
}

/// The model: what is asked, what may go wrong, and which rule is dropped.
#[derive(Clone, Debug)]
pub struct Config {
    /// The capacity at the start.
    pub capacity: Option<i8>,
    /// One request a client.
    pub requests: Vec<Request>,
    /// Later versions of the event.
    pub changes: Vec<Change>,
    /// How many processes decide.
    pub processes: u8,
    /// How many answers may be lost.
    pub lost: u8,
    /// How many crashes.
    pub crashes: u8,
    /// How many clients may ask twice.
    pub retries: u8,
    /// How many cancels may be sent.
    pub cancels: u8,
    /// How many transactions are turned down without saying which of their parts is to blame.
    pub rejects: u8,
    /// The store remembers client tokens.
    pub window: bool,
    /// Bookings are taken while the capacity is unknown.
    pub allow_unknown: bool,
    /// Seats a person may have.
    pub limit: Option<i8>,
    /// The dropped rule.
    pub mutation: Option<Mutation>,
}

impl Config {
    /// A request of so many seats for each client, two processes, and nothing that goes wrong.
    pub fn new(capacity: Option<i8>, seats: &[i8]) -> Self {
        let request = |(index, seats): (usize, &i8)| Request {
            id: index as u8,
            fingerprint: 0,
            seats: *seats,
            person: 0,
        };
        Self {
            capacity,
            requests: seats.iter().enumerate().map(request).collect(),
            changes: Vec::new(),
            processes: 2,
            lost: 0,
            crashes: 0,
            retries: 0,
            cancels: 0,
            rejects: 0,
            window: true,
            allow_unknown: false,
            limit: None,
            mutation: None,
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn request(&self, ballot: Ballot) -> &Request {
        &self.requests[ballot.client as usize]
    }

    fn seats(&self, ballots: &[Ballot]) -> i8 {
        ballots.iter().map(|ballot| self.request(*ballot).seats).sum()
    }

    /// Not everybody fits, whatever the capacity becomes.
    fn scarce(&self) -> bool {
        let wanted: i8 = self.requests.iter().map(|request| request.seats).sum();
        self.capacity.is_some_and(|capacity| capacity < wanted)
    }

    fn reuses_id(&self) -> bool {
        (0..self.requests.len()).any(|index| {
            self.requests[..index]
                .iter()
                .any(|r| r.id == self.requests[index].id)
        })
    }
}
