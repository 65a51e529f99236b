//! Dispatch with an inbox: how a delivered message takes effect once, in the order of its key where there is one, and
//! is acknowledged only then. Owns retries, leases, dead letters; not how messages get into the broker.
//!
//! Consumers keep working on deliveries that the broker has long given to somebody else, sleep past their leases, die
//! between the effect and the acknowledgement; calls to the store may apply after the caller gave up.

mod steps;

pub use steps::Action;

/// One rule dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Acknowledged on arrival.
    AckBeforeHandler,
    /// A message that somebody has begun counts as seen.
    SeenAtBegin,
    /// What is done is not looked up before the handler runs.
    NoInbox,
    /// The effect is stored without a look at the lease's token.
    CompleteWithoutToken,
    /// Giving a lease up forgets that the message is done.
    AbandonUndoesDone,
    /// The record is overwritten whatever its version is.
    NoVersionGuard,
    /// A message that failed goes back to the broker although order is promised.
    NackWhereOrdered,
    /// Messages of one key are handled side by side.
    ParallelKeys,
    /// A store that is away uses up attempts.
    UnavailableCounts,
    /// A delivery that was lost or given back unhandled uses up an attempt.
    RedeliveryCounts,
    /// A message that fails is tried for ever.
    NoDeadLetter,
    /// Acknowledged first, put to the dead letters after.
    AckBeforeDeadLetter,
    /// A dead letter counts as done.
    DeadLetterCompletes,
    /// A lease of a dead owner never ends.
    LeaseForever,
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Acknowledged without an effect and without a dead letter.
    Lost,
    /// The effect was applied twice.
    Twice,
    /// An older state replaced a newer one.
    WentBack,
    /// A message took effect before an earlier one of its key.
    OutOfOrder,
    /// Put to the dead letters although its handler had not failed often enough.
    DeadWithoutCause,
}

/// Where the broker has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// To be delivered.
    Queued,
    /// Delivered to this consumer, not settled.
    Out(u8),
    /// Acknowledged.
    Settled,
}

/// What the inbox knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Nothing.
    Unseen,
    /// Somebody is at it.
    InProgress {
        /// By which lease.
        token: u8,
        /// The lease has not run out.
        live: bool,
    },
    /// It took effect.
    Done,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// At the broker.
    pub place: Place,
    /// In the consumer's store.
    pub mark: Mark,
    /// How often its effect was applied; two stands for more.
    pub effects: u8,
    /// It lies in the dead letters.
    pub dead: bool,
    /// It was there at some time, and so lost its place.
    pub was_dead: bool,
    /// How often it was given back because it failed.
    pub nacks: u8,
    /// How often its handler failed, up to the number of attempts: for the checks only.
    pub failed: u8,
}

/// How far a consumer is with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Progress {
    /// Not begun, or to be begun again.
    Waiting,
    /// The handler runs under this lease.
    Running(u8),
    /// The effect is stored, the mark is not (only where that takes two steps).
    Applied(u8),
    /// To be put to the dead letters.
    Dying,
    /// To be acknowledged.
    Handled,
    /// Acknowledged, and to be put to the dead letters (a mutation).
    DyingAcknowledged,
}

/// A delivery in the hands of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Delivery {
    /// Which message.
    pub message: u8,
    /// How far it is.
    pub progress: Progress,
    /// Tries in place.
    pub tries: u8,
    /// The broker has taken it back: whatever is answered is ignored.
    pub stale: bool,
}

/// A call to the store that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Late {
    /// Which message's effect.
    pub message: u8,
    /// Under which lease.
    pub token: u8,
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// In the order of their publication.
    pub messages: Vec<Message>,
    /// What each consumer has, in the order of arrival.
    pub consumers: Vec<Vec<Delivery>>,
    /// The version of each key's record.
    pub records: Vec<u8>,
    /// On their way.
    pub late: Vec<Late>,
    /// The first thing that went wrong.
    pub fault: Option<Fault>,
    next_token: u8,
    failures: u8,
    lost: u8,
    away: u8,
    oversleeps: u8,
    disconnects: u8,
    crashes: u8,
    resends: u8,
}

/// The model: what is published, what may go wrong, and which rule is dropped.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key of each message; its version is its place among those of its key.
    pub keys: Vec<u8>,
    /// The broker keeps the order of a key, as long as nothing is given back.
    pub ordered: bool,
    /// The effect and the inbox mark are one atomic step.
    pub atomic: bool,
    /// Attempts before a message is a dead letter.
    pub attempts: u8,
    /// How many consumers.
    pub consumers: u8,
    /// How often a handler may fail.
    pub failures: u8,
    /// How many calls to the store may be lost.
    pub lost: u8,
    /// How often the store may be away.
    pub away: u8,
    /// How many leases may run out while their owner is alive.
    pub oversleeps: u8,
    /// How often a consumer may lose its connection.
    pub disconnects: u8,
    /// How many crashes.
    pub crashes: u8,
    /// How many dead letters are sent again.
    pub resends: u8,
    /// The dropped rule.
    pub mutation: Option<Mutation>,
}

impl Config {
    /// Two consumers, an ordered broker, an atomic inbox, two attempts, and nothing that goes wrong.
    pub fn new(keys: &[u8]) -> Self {
        Self {
            keys: keys.to_vec(),
            ordered: true,
            atomic: true,
            attempts: 2,
            consumers: 2,
            failures: 0,
            lost: 0,
            away: 0,
            oversleeps: 0,
            disconnects: 0,
            crashes: 0,
            resends: 0,
            mutation: None,
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn key(&self, message: u8) -> usize {
        self.keys[message as usize] as usize
    }

    fn version(&self, message: u8) -> u8 {
        self.earlier(message).count() as u8 + 1
    }

    /// The messages before this one of the same key.
    fn earlier(&self, message: u8) -> impl Iterator<Item = u8> + use<'_> {
        (0..message).filter(move |other| self.key(*other) == self.key(message))
    }

    fn start(&self) -> State {
        let message = Message {
            place: Place::Queued,
            mark: Mark::Unseen,
            effects: 0,
            dead: false,
            was_dead: false,
            nacks: 0,
            failed: 0,
        };
        State {
            messages: vec![message; self.keys.len()],
            consumers: vec![Vec::new(); self.consumers as usize],
            records: vec![0; self.keys.iter().max().map_or(0, |key| *key as usize + 1)],
            late: Vec::new(),
            fault: None,
            next_token: 0,
            failures: self.failures,
            lost: self.lost,
            away: self.away,
            oversleeps: self.oversleeps,
            disconnects: self.disconnects,
            crashes: self.crashes,
            resends: self.resends,
        }
    }

    /// The message's effect is stored, or a newer one of its key is.
    fn effective(&self, state: &State, message: u8) -> bool {
        state.messages[message as usize].effects > 0
            || state.records[self.key(message)] >= self.version(message)
    }

    /// Whether the broker may hand this message to the consumer now.
    fn deliverable(&self, state: &State, consumer: u8, message: u8) -> bool {
        let free = state.messages[message as usize].place == Place::Queued;
        let mut before = self
            .earlier(message)
            .map(|other| state.messages[other as usize].place);
        free && (!self.ordered
            || before.all(|place| place == Place::Settled || place == Place::Out(consumer)))
    }

    /// Whether dispatch may take this delivery up: where order is promised, nothing before it has its key.
    fn at_its_turn(&self, state: &State, consumer: usize, place: usize) -> bool {
        let deliveries = &state.consumers[consumer];
        let key = self.key(deliveries[place].message);
        !self.ordered
            || self.is(Mutation::ParallelKeys)
            || deliveries[..place]
                .iter()
                .all(|other| self.key(other.message) != key)
    }
}

impl State {
    fn settled(&self) -> bool {
        self.messages
            .iter()
            .all(|message| message.place == Place::Settled)
            && self.consumers.iter().all(Vec::is_empty)
    }

    fn fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// The effect of a message reaches the record of its key.
    fn write(&mut self, config: &Config, message: u8) {
        let (key, version) = (config.key(message), config.version(message));
        let overtook = config
            .earlier(message)
            .any(|other| !config.effective(self, other) && !self.messages[other as usize].was_dead);
        if config.ordered && !config.effective(self, message) && overtook {
            self.fault(Fault::OutOfOrder);
        }
        if config.atomic {
            let about = &mut self.messages[message as usize];
            about.effects += 1;
            if about.effects > 1 {
                self.fault(Fault::Twice);
            }
        } else if self.records[key] < version || config.is(Mutation::NoVersionGuard) {
            if self.records[key] > version {
                self.fault(Fault::WentBack);
            }
            self.records[key] = version;
        }
    }

    /// The call that ends a handler's work where the mark rides along with the effect; says whether it applied.
    fn complete_with_effect(&mut self, config: &Config, message: u8, token: u8) -> bool {
        let mine =
            matches!(self.messages[message as usize].mark, Mark::InProgress { token: t, .. } if t == token);
        let applies = mine || config.is(Mutation::CompleteWithoutToken);
        if applies {
            self.write(config, message);
            self.messages[message as usize].mark = Mark::Done;
        }
        applies
    }

    fn complete(&mut self, message: u8, token: u8) {
        let mark = &mut self.messages[message as usize].mark;
        if matches!(*mark, Mark::InProgress { token: t, .. } if t == token) {
            *mark = Mark::Done;
        }
    }

    fn abandon(&mut self, config: &Config, message: u8, token: u8) {
        let mark = &mut self.messages[message as usize].mark;
        let mine = matches!(*mark, Mark::InProgress { token: t, .. } if t == token);
        if mine || config.is(Mutation::AbandonUndoesDone) {
            *mark = Mark::Unseen;
        }
    }
}
