//! The projection: how the booking service's copy of an event, and the counter it sells from, follow the event
//! service's messages. Owns versions, tombstones, the join with locations, the rebuild; not how messages arrive.
//!
//! Messages come in any order, more than once, several at a time; a handler may die between any two of its writes and
//! is then run again from its start. Bookings go on meanwhile.

mod steps;

pub use steps::Action;

/// One rule dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The copy takes any version.
    CopyWithoutVersion,
    /// The counter takes any version.
    CounterWithoutVersion,
    /// The counter is offered a message only if the copy took it.
    CounterOnlyWithCopy,
    /// A cancelled event that is not known yet is ignored.
    NoTombstone,
    /// A message without a version overwrites.
    ZeroOverwrites,
    /// `available` is set from what was seen sold, without a comparison.
    AbsoluteAvailable,
    /// The location is read before the event is written, and not again.
    JoinBeforeWrites,
    /// The location is read between the two writes, and not again.
    JoinBetweenWrites,
    /// A location does not look for the events that came before it.
    LocationLooksNotBack,
    /// A location passes over events whose copy has a capacity, whatever their counter has.
    LocationTrustsCopy,
    /// A location's capacity is filled in whatever the version.
    FillWithoutVersion,
    /// A location's capacity overwrites that of the event.
    LocationWins,
    /// A rebuild overwrites newer copies.
    RebuildOverwrites,
    /// A rebuild deletes what its snapshot does not hold.
    RebuildDeletes,
    /// A rebuild makes the counter anew.
    RebuildReplacesCounter,
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A cancelled event came back to life.
    Revived,
    /// An older version, or nothing, replaced a newer one.
    WentBack,
}

/// A message of the event service.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// The whole event.
    Event {
        /// 0 = an old service, which knows no versions.
        version: u8,
        /// Its own capacity, which wins.
        capacity: Option<i8>,
        /// Whose capacity counts where it has none.
        location: u8,
        /// It is cancelled.
        cancelled: bool,
    },
    /// A location.
    Location {
        /// Which.
        id: u8,
        /// How many it takes.
        capacity: i8,
    },
}

/// The booking service's copy of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Copy {
    /// Of the message that it was taken from.
    pub version: u8,
    /// A tombstone.
    pub cancelled: bool,
    /// Own or the location's.
    pub capacity: Option<i8>,
    /// Where.
    pub location: u8,
}

/// What is sold from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter {
    /// Of the message that it follows.
    pub version: u8,
    /// A tombstone.
    pub cancelled: bool,
    /// Absent while unknown.
    pub capacity: Option<i8>,
    /// Absent while unknown.
    pub available: Option<i8>,
    /// In any case.
    pub sold: i8,
}

/// What a handler does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Store the location.
    StoreLocation,
    /// Look for the location's event.
    FindEvent,
    /// Offer the message to the copy.
    Copy,
    /// Read the counter.
    ReadCounter,
    /// Offer the message to the counter, as it was read.
    Counter(Option<Counter>),
    /// Read the event's location.
    Join,
    /// Fill the location's capacity into the copy.
    FillCopy,
    /// Read the counter once more.
    ReadFill,
    /// Fill the location's capacity into the counter, as it was read.
    FillCounter(Option<Counter>),
}

/// A handler at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run {
    /// On which message.
    pub message: u8,
    /// As a part of a rebuild.
    pub rebuild: bool,
    /// What is next.
    pub step: Step,
    /// The version that a location's capacity is for.
    pub version: u8,
    /// The location's capacity, once it was read.
    pub joined: Option<i8>,
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// In the store.
    pub copy: Option<Copy>,
    /// In the store.
    pub counter: Option<Counter>,
    /// In the store.
    pub locations: Vec<Option<i8>>,
    /// Messages that must be handled yet, or again.
    pub todo: Vec<bool>,
    /// Handlers at work, in no order.
    pub runs: Vec<Run>,
    /// Seats sold, by those who bought them.
    pub booked: i8,
    /// The first thing that went wrong.
    pub fault: Option<Fault>,
    duplicates: u8,
    crashes: u8,
    rebuilds: u8,
    bookings: u8,
}

/// The model: what is told, what may go wrong, and which rule is dropped.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the event service says.
    pub messages: Vec<Message>,
    /// How many handlers work at a time.
    pub parallel: usize,
    /// How many messages come once more.
    pub duplicates: u8,
    /// How many handlers die.
    pub crashes: u8,
    /// How many rebuilds, from a snapshot of any age.
    pub rebuilds: u8,
    /// How many seats are asked for.
    pub bookings: u8,
    /// The dropped rule.
    pub mutation: Option<Mutation>,
}

impl Config {
    /// Two handlers at a time, and nothing that goes wrong.
    pub fn new(messages: &[Message]) -> Self {
        Self {
            messages: messages.to_vec(),
            parallel: 2,
            duplicates: 0,
            crashes: 0,
            rebuilds: 0,
            bookings: 0,
            mutation: None,
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn start(&self) -> State {
        let places = self.messages.iter().map(|message| match message {
            Message::Event { location, .. } => *location,
            Message::Location { id, .. } => *id,
        });
        State {
            copy: None,
            counter: None,
            locations: vec![None; places.max().map_or(0, |id| id as usize + 1)],
            todo: vec![true; self.messages.len()],
            runs: Vec::new(),
            booked: 0,
            fault: None,
            duplicates: self.duplicates,
            crashes: self.crashes,
            rebuilds: self.rebuilds,
            bookings: self.bookings,
        }
    }

    /// What the copy has to be once every message was handled: the newest version, joined with its location.
    fn newest(&self) -> Option<Copy> {
        let events = self.messages.iter().filter_map(|message| match *message {
            Message::Event {
                version,
                capacity,
                location,
                cancelled,
            } => Some(Copy {
                version,
                cancelled,
                capacity: capacity.or(self.capacity_of(location)),
                location,
            }),
            Message::Location { .. } => None,
        });
        events.max_by_key(|copy| copy.version)
    }

    fn capacity_of(&self, location: u8) -> Option<i8> {
        self.messages.iter().find_map(|message| match *message {
            Message::Location { id, capacity } if id == location => Some(capacity),
            _ => None,
        })
    }

    /// Nothing is left to do, though more may come.
    fn quiet(state: &State) -> bool {
        state.runs.is_empty() && state.todo.iter().all(|todo| !todo)
    }

    /// The copy and the counter say what the newest version says.
    fn converged(&self, state: &State) -> bool {
        let newest = self.newest();
        state.copy == newest
            && state.counter.map(|c| (c.version, c.cancelled, c.capacity))
                == newest.map(|copy| (copy.version, copy.cancelled, copy.capacity))
    }
}
