//! The counter of an event and the decision of a batch, for a store whose calls may take effect long after the caller
//! gave up on them. Owns the rules of granting and refusing; not how a particular store makes one call atomic.
//!
//! Two processes with a desk each decide for one event. Clients may give up at any time and ask again, at either
//! process; processes crash; a commit, a cancel and a change of capacity may be lost and apply later.

mod process;
mod steps;
mod store;
mod world;

pub use crate::clients::{Ballot, Change, Client, Request, Told};
pub use process::{Phase, Process};
pub use steps::Action;
pub use store::{Booking, Call, Counter};
pub use world::{Handler, State};

/// One rule dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A commit does not compare the epoch.
    NoEpoch,
    /// A cancel gives seats back within the epoch.
    CancelKeepsEpoch,
    /// A raised capacity stays within the epoch.
    RaiseKeepsEpoch,
    /// A capacity that becomes known stays within the epoch.
    KnownKeepsEpoch,
    /// A cancel while the capacity is unknown stays within the epoch.
    UnknownCancelKeepsEpoch,
    /// A commit does not compare the seats.
    NoSeatCondition,
    /// A commit does not ask whether the event is cancelled.
    NoOpenCondition,
    /// A commit or a cancel creates `available` where it is absent.
    IncrementCreatesAvailable,
    /// A change of `sold` alone does not ask whether the capacity is unknown still.
    TwinWithoutAbsence,
    /// A capacity that becomes known is not compared with what was seen sold.
    KnownWithoutCompareAndSet,
    /// A change of capacity does not compare versions.
    ChangeWithoutVersion,
    /// A change of capacity does not compare the old capacity.
    ChangeWithoutOld,
    /// A cancel does not ask whether the booking is confirmed.
    CancelUnguarded,
    /// A commit does not ask whether an id is stored.
    NoUniqueId,
    /// A batch may hold an id twice.
    IdTwiceInBatch,
    /// Refused for seats before the id is looked up.
    RefuseBeforeLookup,
    /// Refused as cancelled before the id is looked up.
    CancelledBeforeLookup,
    /// The ids are looked up first, the counter is read after.
    BookingsBeforeCounter,
    /// A remembered counter refuses.
    RefuseFromMemory,
    /// Who does not fit behind others of the batch is refused with it.
    RefuseBehindOthers,
    /// A lost answer is told as "sold out".
    LostIsRefused,
    /// An id that exists is an answer, whatever was asked for.
    NoFingerprint,
    /// The limit per person is read, and not a condition of the commit.
    LimitOnlyRead,
    /// The copy of the event is written before its counter.
    CopyBeforeCounter,
    /// The rules of sale in the copy refuse without more ado, although the copy follows the counter.
    CopyRefuses,
    /// A commit does not compare the version of the copy that it was decided by.
    CommitWithoutVersion,
    /// "The sale is over" is said by the clock alone.
    ClockRefuses,
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Granted beyond the capacity of that moment.
    Oversold,
    /// Granted for a cancelled event.
    BookedWhileCancelled,
    /// A try applied although it was refused, or another one that saw its counter when this try had ended.
    BookedAfterRefusal,
    /// Refused while a booking was there of this try, or of one that had ended when the counter was seen.
    RefusedThoughBooked,
    /// A booking that was there when the client asked was not found.
    BookingNotFound,
    /// "Sold out" although there were seats all the time since the request arrived.
    RefusedWithoutGrounds,
    /// Another request's booking was given as an answer.
    ForeignBooking,
    /// A person has more seats than allowed.
    OverLimit,
}

/// What keeps a refusal by the copy of the event safe from commits that an older copy allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The epoch is raised before each such refusal.
    Fence,
    /// A commit compares the counter's version with that of the copy it was decided by, and the copy follows the counter.
    Version,
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
    /// Bookings are taken while the capacity is unknown.
    pub allow_unknown: bool,
    /// Seats a person may have.
    pub limit: Option<i8>,
    /// The sale may end.
    pub sale_ends: bool,
    /// What makes refusals by the copy safe.
    pub guard: Guard,
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
            allow_unknown: false,
            limit: None,
            sale_ends: false,
            guard: Guard::Fence,
            mutation: None,
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn request(&self, ballot: Ballot) -> &Request {
        &self.requests[ballot.client as usize]
    }

    /// What the copy of this version says: cancelled, and allowed by its rules.
    fn rules(&self, version: u8) -> (bool, bool) {
        let change = self.changes[..version as usize].last();
        change.map_or((false, true), |change| (change.cancelled, change.allowed))
    }

    /// A version changes rules that only the copy has.
    fn has_rules(&self) -> bool {
        self.changes.iter().any(|change| !change.allowed)
    }

    /// Somebody looks at the copy.
    fn has_copy(&self) -> bool {
        self.changes
            .iter()
            .any(|change| change.cancelled || !change.allowed)
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
