//! The commit of a store without transactions over several documents (MongoDB): a list of pending entries in the
//! counter, bookings that are inserted from it by anyone, holder records for limits per person.
//!
//! Two processes with a desk each, cancels, and a helper that finishes what others left. A call that its sender gave
//! up on may take effect at any time. Reads see every write that was answered before they began; how the driver gets
//! such reads is the adapter's business. The adapter's commit may take an entry off in its own update, one whose bookings
//! are all stored: that is a settlement and a push with nothing between them, which is among the orders looked through.

mod holder;
mod process;
mod properties;
mod roll;
mod steps;
mod store;
mod world;

pub use crate::clients::{Ballot, Change, Client, Request, Told};
pub use holder::Sweep;
pub use process::{Phase, Process};
pub use roll::Roll;
pub use steps::Action;
pub use store::{Booking, Call, Counter, Entry, Hold};
pub use world::{Canceller, Handler, State, Work};

/// One rule dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A commit does not compare the epoch.
    NoEpoch,
    /// A cancel gives seats back within the epoch.
    CancelKeepsEpoch,
    /// Seats of bookings that lost come back within the epoch.
    LosersKeepEpoch,
    /// Seats of bookings that lost do not come back.
    LosersKeepSeats,
    /// Without attempt tokens: a duplicate is taken for one's own.
    DuplicateIsMine,
    /// Without attempt tokens: a duplicate is taken for another's.
    DuplicateIsLost,
    /// An insert replaces what is stored.
    InsertReplaces,
    /// An entry is settled whether or not it is pending.
    SettleUnguarded,
    /// An entry is settled before its bookings are stored.
    SettleBeforeStored,
    /// A change of `available` creates it where it is absent.
    SettleCreatesAvailable,
    /// A change of `sold` alone does not ask whether the capacity is unknown still.
    TwinWithoutAbsence,
    /// 201 goes out before the insert.
    AnswerBeforeInsert,
    /// The ids are looked up first, the counter is read after.
    BookingsBeforeCounter,
    /// The counter is read from a member that is no longer the primary.
    StaleRead,
    /// A wanted id inside `pending` is taken for a booking.
    PendingIsAnswer,
    /// Refused although entries are pending.
    RefuseBeforeRollForward,
    /// Pending entries are rolled forward, and then the counter seen before refuses.
    RefuseByTheOldCounter,
    /// A push with unknown outcome is sent again with its token.
    TokenReused,
    /// The same for the push of a cancel's intent.
    IntentTokenReused,
    /// A cancel changes the booking first and the counter after.
    CancelBookingFirst,
    /// A cancel marks a booking that is cancelled already.
    MarkUnguarded,
    /// A cancel's settling gives seats back whoever cancelled the booking.
    CancelTokenIgnored,
    /// An entry that cannot be inserted is dropped.
    UninsertableDropped,
    /// "The sale is over" is said by the clock alone.
    ClockRefuses,
    /// "The sale is over" is said after the epoch was raised, whatever is pending.
    FenceWithoutRollForward,
    /// The limit per person is read from the bookings.
    LimitOnlyRead,
    /// The token of a holder's entry stays that of the first try.
    NotRenewed,
    /// The token of a holder's entry is renewed before the counter is read.
    RenewedBeforeCounter,
    /// An entry is renewed for another number of seats.
    SeatsNotCompared,
    /// An entry is renewed although the limit was lowered below what the record has.
    RenewedAboveLimit,
    /// A commit does not compare the version of the copy that its limit came from.
    CommitWithoutVersion,
    /// A refused try takes the entry out whatever its token.
    TakeOutWithoutToken,
    /// A try whose id belongs to another request takes the entry out.
    TakeOutAfterKeyReused,
    /// A cancel takes the entry out before the booking is cancelled.
    TakeOutBeforeCancel,
    /// Entries of which nobody finds a booking stay.
    OrphansStay,
    /// Refused for the limit without looking up the id once more.
    LimitWithoutLookUp,
    /// An entry counts although its booking is another person's.
    PersonNotCompared,
    /// An orphan is taken out without raising the epoch.
    OrphanWithoutRaise,
    /// An orphan is taken out without its token.
    OrphanWithoutToken,
    /// An orphan's booking is looked for before the epoch is raised, not after.
    OrphanLookBeforeRaise,
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
    /// "Booked", and no such booking is stored.
    AcceptedNotStored,
    /// A person has more seats than allowed.
    OverLimit,
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
    /// Each client has a process of its own.
    pub pinned: bool,
    /// The helper also takes entries that a process or a cancel is at work on.
    pub eager_helper: bool,
    /// How many entries may be pending.
    pub pending: usize,
    /// How many answers may be lost.
    pub lost: u8,
    /// How many crashes.
    pub crashes: u8,
    /// How many clients may ask twice.
    pub retries: u8,
    /// How many cancels may be sent.
    pub cancels: u8,
    /// Desks may grant from the counter they remember.
    pub memory: bool,
    /// Bookings are taken while the capacity is unknown.
    pub allow_unknown: bool,
    /// Seats a person may have.
    pub limit: Option<i8>,
    /// Seats a person may have by every later version of the event.
    pub lowered: Option<i8>,
    /// How many orphans of holder records may be taken out.
    pub sweeps: u8,
    /// A booking that can't be inserted for a while.
    pub stubborn: Option<u8>,
    /// The sale may end.
    pub sale_ends: bool,
    /// The dropped rule.
    pub mutation: Option<Mutation>,
}

impl Config {
    /// A request of so many seats for each client, two processes, a helper, and nothing that goes wrong.
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
            pinned: false,
            eager_helper: false,
            pending: 4,
            lost: 0,
            crashes: 0,
            retries: 0,
            cancels: 0,
            memory: false,
            allow_unknown: false,
            limit: None,
            lowered: None,
            sweeps: 0,
            stubborn: None,
            sale_ends: false,
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

    /// Seats a person may have by this version of the copy of the event.
    fn limit_at(&self, copy: u8) -> Option<i8> {
        self.lowered.filter(|_| copy > 0).or(self.limit)
    }

    /// Not everybody fits, whatever the capacity becomes.
    fn scarce(&self) -> bool {
        let wanted = |(index, request): (usize, &Request)| {
            let again = self.requests[..index].iter().any(|other| other.id == request.id);
            if again { 0 } else { request.seats }
        };
        let wanted: i8 = self.requests.iter().enumerate().map(wanted).sum();
        self.capacity.is_some_and(|capacity| capacity < wanted)
    }

    /// A request may be granted twice over.
    fn fits_twice(&self) -> bool {
        self.capacity
            .is_none_or(|capacity| self.requests.iter().any(|request| 2 * request.seats <= capacity))
    }

    fn reuses_id(&self) -> bool {
        (0..self.requests.len()).any(|index| {
            self.requests[..index]
                .iter()
                .any(|r| r.id == self.requests[index].id && r.fingerprint != self.requests[index].fingerprint)
        })
    }
}
