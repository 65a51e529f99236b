//! An outbox whose rows are items of several messages each (DynamoDB): a record points at the item with its last
//! message, its next message names that item as `after`, and waits until it is gone. Owns claims, confirms and parking
//! of items; how they come into being together with the records is `dynamodb`.
//!
//! Every relay runs in a process that also writes. An item is claimed as a whole; what was not taken by the broker is
//! written back. Leases end when time says so, whether or not their owner noticed.

mod properties;
mod steps;

pub use steps::Action;

/// One rule dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A message is handed out whatever it comes after.
    AfterIgnored,
    /// A write does not compare the pointer that it read.
    PointerNotCompared,
    /// A write leaves the record's pointer as it is.
    PointerKept,
    /// A parked message holds up the later ones of its record.
    ParkedBlocks,
    /// What is unconfirmed is written back even if the item is gone.
    PutBackWithoutExistence,
    /// What is unconfirmed is written back whoever has claimed the item meanwhile.
    PutBackWithoutToken,
    /// A message is put aside whoever has claimed its item meanwhile.
    ParkWithoutToken,
    /// A confirm deletes the item although some of it is unconfirmed.
    DeleteUnconfirmed,
    /// A message counts as accepted when it is sent.
    ConfirmWhenSent,
    /// A claim takes an item that somebody has leased.
    ClaimIgnoresLease,
    /// A release does not compare the token.
    ReleaseWithoutToken,
    /// A lease of a dead owner never ends.
    LeaseForever,
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A message was published first before an earlier one of its record.
    OutOfOrder,
    /// A message left the outbox and was never published.
    Lost,
    /// A message came back that had left the outbox.
    Revived,
}

/// A message, in the order of the writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The record that changed.
    pub record: u8,
    /// The item that it was written with.
    pub item: u8,
    /// The item with the record's message before.
    pub after: Option<u8>,
    /// How often the broker took it; two stands for more.
    pub published: u8,
    /// Has been put aside at some time: it lost its place.
    pub was_parked: bool,
}

/// The right to publish an item, as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which claim.
    pub token: u8,
    /// Its time has not run out.
    pub live: bool,
}

/// A message in an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// Which message.
    pub message: u8,
    /// Put aside after a permanent error.
    pub parked: bool,
}

/// An item of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// What is not confirmed.
    pub parts: Vec<Part>,
    /// Who has it.
    pub lease: Option<Lease>,
}

/// How far a write is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Not begun.
    Waiting,
    /// It read the pointers of its records.
    Read(Vec<Option<u8>>),
    /// Done: its item is in the outbox, or was.
    Written(Option<Item>),
}

/// How far a relay is with a message that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Not sent yet.
    Waiting,
    /// Sent, not answered.
    Open,
    /// Taken by the broker, to be confirmed.
    Accepted,
    /// Refused for good, to be parked.
    Parking,
    /// Parked before.
    Parked,
}

/// An item in the hands of a relay, as it was when it was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// Which item.
    pub item: u8,
    /// By which claim.
    pub token: u8,
    /// The lease has not run out.
    pub live: bool,
    /// Its messages, and what was done with each.
    pub parts: Vec<(u8, Progress)>,
}

/// A change of an item, on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Change {
    /// Which item.
    pub item: u8,
    /// By which claim.
    pub token: u8,
    /// What is written back; nothing = the item is deleted.
    pub rest: Vec<Part>,
    /// The relay goes on with it: it only parks.
    pub keeps: bool,
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The writes; each has the item of its number.
    pub writes: Vec<Write>,
    /// What was written, in this order.
    pub messages: Vec<Message>,
    /// For each record, the item with its last message.
    pub pointers: Vec<Option<u8>>,
    /// What each relay holds.
    pub relays: Vec<Vec<Hold>>,
    /// Messages on their way to the broker that nobody waits for.
    pub airborne: Vec<u8>,
    /// Changes of items on their way that nobody waits for.
    pub late: Vec<Change>,
    /// The first thing that went wrong.
    pub fault: Option<Fault>,
    next_token: u8,
    lost: u8,
    permanent: u8,
    oversleeps: u8,
    crashes: u8,
    resends: u8,
}

/// The model: what is written, what may go wrong, and which rule is dropped.
#[derive(Clone, Debug)]
pub struct Config {
    /// For each write the records that it changes, each with a message of its own.
    pub script: Vec<Vec<u8>>,
    /// How many relays.
    pub relays: u8,
    /// How many answers may be lost: of emits, of confirms.
    pub lost: u8,
    /// How many emits may be refused for good.
    pub permanent: u8,
    /// How many leases may run out while their owner is alive.
    pub oversleeps: u8,
    /// How many crashes.
    pub crashes: u8,
    /// How many parked messages are sent again.
    pub resends: u8,
    /// The dropped rule.
    pub mutation: Option<Mutation>,
}

impl Config {
    /// Two relays, and nothing that goes wrong.
    pub fn new(script: &[&[u8]]) -> Self {
        Self {
            script: script.iter().map(|records| records.to_vec()).collect(),
            relays: 2,
            lost: 0,
            permanent: 0,
            oversleeps: 0,
            crashes: 0,
            resends: 0,
            mutation: None,
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether what this message comes after is out of the way.
    fn may_leave(&self, state: &State, message: u8) -> bool {
        let Message { record, after, .. } = state.messages[message as usize];
        let Some(before) = after.filter(|_| !self.is(Mutation::AfterIgnored)) else {
            return true;
        };
        state.item(before).is_none_or(|item| {
            !item.parts.iter().any(|part| {
                state.messages[part.message as usize].record == record
                    && (!part.parked || self.is(Mutation::ParkedBlocks))
            })
        })
    }
}

impl State {
    fn item(&self, id: u8) -> Option<&Item> {
        match &self.writes[id as usize] {
            Write::Written(item) => item.as_ref(),
            Write::Waiting | Write::Read(_) => None,
        }
    }

    fn item_mut(&mut self, id: u8) -> Option<&mut Item> {
        match &mut self.writes[id as usize] {
            Write::Written(item) => item.as_mut(),
            Write::Waiting | Write::Read(_) => None,
        }
    }

    fn items(&self) -> impl Iterator<Item = (u8, &Item)> {
        (0..self.writes.len() as u8).filter_map(|id| self.item(id).map(|item| (id, item)))
    }
}
