//! Clients with their tries and what a refusal promises them: shared by the models that book. Owns no store.

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The booking's id.
    pub id: u8,
    /// The hash of what is asked for.
    pub fingerprint: u8,
    /// How many seats.
    pub seats: i8,
    /// For whom.
    pub person: u8,
}

/// A version of the event: the first change makes version 1, and so on.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Its capacity.
    pub capacity: Option<i8>,
    /// It is cancelled.
    pub cancelled: bool,
    /// Its rules of sale, which only the copy of the event has, allow what is asked for.
    pub allowed: bool,
}

impl Change {
    /// Another capacity, and nothing else.
    pub fn capacity(capacity: Option<i8>) -> Self {
        Self {
            capacity,
            cancelled: false,
            allowed: true,
        }
    }
}

/// One try of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ballot {
    /// Which client, and so which request.
    pub client: u8,
    /// 0 is the first try, 1 the retry.
    pub attempt: u8,
}

impl Ballot {
    pub(crate) fn bit(self) -> u8 {
        1 << self.attempt
    }
}

/// The answer to one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// Granted now.
    Booked,
    /// Granted before.
    Existing,
    /// The id belongs to another request.
    KeyReused,
    /// Too few seats.
    SoldOut,
    /// No such event any more.
    EventCancelled,
    /// Nothing is sold before the capacity is known.
    CapacityUnknown,
    /// The person has enough.
    LimitReached,
    /// Too late.
    SaleOver,
    /// The rules of sale, as the copy of the event has them, do not allow it.
    NotAllowed,
    /// 503: ask again.
    Unavailable,
}

/// One client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    /// How many tries it has made.
    pub tries: u8,
    /// The answers.
    pub told: [Option<Told>; 2],
    /// Bit a try: no process starts anything for it any more.
    pub ended: u8,
    /// For each try, bit a try: had ended when the counter was seen that decides this one.
    pub bound: [u8; 2],
    /// Bit a try: must not apply any more, because the client was refused.
    pub forbidden: u8,
    /// Bit a try: since it arrived there was a moment with too few seats for it.
    pub short: u8,
    /// Bit a try: since it arrived there was a moment when its person had too much.
    pub full: u8,
    /// Bit a try: its booking was there when it arrived.
    pub booked: u8,
}

impl Client {
    /// Whether it may ask (again): it was not told that it has its booking.
    pub(crate) fn may_ask(&self, retries: u8) -> bool {
        let booked = |told: &Option<Told>| matches!(told, Some(Told::Booked | Told::Existing));
        self.tries == 0 || self.tries == 1 && retries > 0 && !self.told.iter().any(booked)
    }

    /// The try has its answer.
    pub(crate) fn end(&mut self, ballot: Ballot, told: Told) {
        self.ended |= ballot.bit();
        self.told[ballot.attempt as usize] = Some(told);
    }

    /// The counter was seen that decides this try.
    pub(crate) fn note_ended(&mut self, ballot: Ballot) {
        self.bound[ballot.attempt as usize] = self.ended;
    }

    /// The try is refused: says which tries must not apply any more.
    pub(crate) fn forbid(&mut self, ballot: Ballot) -> u8 {
        let bound = self.bound[ballot.attempt as usize] | ballot.bit();
        self.forbidden |= bound;
        bound
    }

    /// The try must not apply any more.
    pub(crate) fn is_forbidden(&self, ballot: Ballot) -> bool {
        self.forbidden & ballot.bit() != 0
    }

    /// It has an answer to every try, or the process that had it died.
    pub(crate) fn settled(&self) -> bool {
        self.ended.count_ones() == u32::from(self.tries)
    }
}
