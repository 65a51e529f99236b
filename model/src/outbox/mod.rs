//! The outbox and its relays: how messages leave the store, in the order of their record's writes and never lost.
//! Owns claims, leases, the fast path, parking; not what a broker does with a message once it took it.
//!
//! Every relay runs in a process that also writes. A message's place among those of its entity is the order of the
//! writes. Leases end when time says so, whether or not their owner noticed; an emit that nobody waits for any more
//! may still reach the broker.

mod steps;

pub use steps::Action;

/// One rule dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A claim takes a row although an earlier one of its entity is leased.
    ClaimWithGap,
    /// A claim takes rows that somebody has leased.
    ClaimIgnoresLease,
    /// A message is handed over in memory although an earlier one of its entity is open.
    FastPathAlways,
    /// After a failed or unknown emit the relay goes on with the entity's later messages.
    KeepLaterAfterFailure,
    /// After an extension found another token for one message the relay goes on with the entity's later messages.
    KeepLaterAfterLostLease,
    /// After a park found another token the relay goes on as if it had been stored.
    KeepLaterAfterLostPark,
    /// Several messages of an entity are open at once.
    ParallelWithinEntity,
    /// A release does not compare the token.
    ReleaseWithoutToken,
    /// An extension does not compare the token.
    ExtendWithoutToken,
    /// A row is confirmed when it is sent, before the broker accepted it.
    ConfirmWhenSent,
    /// A row is put aside without a look at the token.
    ParkWithoutToken,
    /// Later messages flow before the park is stored.
    FlowBeforePark,
    /// Parked rows hold up the later ones.
    ParkedBlocks,
    /// A lease of a dead owner never ends.
    LeaseForever,
    /// The order is that of the message ids, which two processes made with two clocks.
    OrderById,
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A message was published first before an earlier one of its entity.
    OutOfOrder,
    /// A row left the outbox and was never published.
    Lost,
}

/// The right to publish a row, as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which claim.
    pub token: u8,
    /// Its time has not run out.
    pub live: bool,
}

/// A message in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The record that changed.
    pub entity: u8,
    /// Who has it.
    pub lease: Option<Lease>,
    /// How often the broker took it; two stands for more.
    pub published: u8,
    /// Put aside after a permanent error.
    pub parked: bool,
    /// Has been put aside at some time: it lost its place.
    pub was_parked: bool,
    /// Confirmed: no longer in the outbox.
    pub gone: bool,
}

/// How far a relay is with a row that it holds.
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
}

/// A row in the hands of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// Which row.
    pub row: u8,
    /// By which claim.
    pub token: u8,
    /// The lease has not run out.
    pub live: bool,
    /// What was done with it.
    pub progress: Progress,
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// In the store, in the order of the writes.
    pub rows: Vec<Row>,
    /// What each relay holds, in the order of the rows.
    pub relays: Vec<Vec<Hold>>,
    /// Rows on their way to the broker that nobody waits for.
    pub airborne: Vec<u8>,
    /// Rows whose parking is on its way, and by which claim, although nobody waits for it.
    pub parking: Vec<(u8, u8)>,
    /// The first thing that went wrong.
    pub fault: Option<Fault>,
    next_token: u8,
    lost: u8,
    failures: u8,
    permanent: u8,
    oversleeps: u8,
    crashes: u8,
    resends: u8,
}

/// The model: what is written, what may go wrong, and which rule is dropped.
#[derive(Clone, Debug)]
pub struct Config {
    /// The entity of each message, in the order of the writes.
    pub script: Vec<u8>,
    /// How many relays.
    pub relays: u8,
    /// How many rows a claim takes at most.
    pub limit: usize,
    /// How many rows wait for a relay at most before a hand-over is dropped.
    pub handover: usize,
    /// How many answers may be lost: of emits, of confirms.
    pub lost: u8,
    /// How many emits may be refused for now.
    pub failures: u8,
    /// How many emits may be refused for good.
    pub permanent: u8,
    /// How many leases may run out while their owner is alive.
    pub oversleeps: u8,
    /// How many crashes.
    pub crashes: u8,
    /// How many parked rows are sent again.
    pub resends: u8,
    /// The dropped rule.
    pub mutation: Option<Mutation>,
}

impl Config {
    /// Two relays, claims of two rows, and nothing that goes wrong.
    pub fn new(script: &[u8]) -> Self {
        Self {
            script: script.to_vec(),
            relays: 2,
            limit: 2,
            handover: 2,
            lost: 0,
            failures: 0,
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

    fn start(&self) -> State {
        State {
            rows: Vec::new(),
            relays: vec![Vec::new(); self.relays as usize],
            airborne: Vec::new(),
            parking: Vec::new(),
            fault: None,
            next_token: 0,
            lost: self.lost,
            failures: self.failures,
            permanent: self.permanent,
            oversleeps: self.oversleeps,
            crashes: self.crashes,
            resends: self.resends,
        }
    }

    /// The rows in the order in which they have to leave.
    fn order(&self, state: &State) -> Vec<u8> {
        let order = 0..state.rows.len() as u8;
        if self.is(Mutation::OrderById) {
            order.rev().collect()
        } else {
            order.collect()
        }
    }

    /// What a claim of this relay would take now: of each entity a prefix without a gap.
    fn claimable(&self, state: &State, relay: usize, limit: usize) -> Vec<u8> {
        let (mut taken, mut blocked) = (Vec::new(), Vec::new());
        for index in self.order(state) {
            let row = &state.rows[index as usize];
            if row.gone || row.parked && !self.is(Mutation::ParkedBlocks) {
                continue;
            }
            let leased = row.lease.is_some_and(|lease| lease.live) && !self.is(Mutation::ClaimIgnoresLease);
            let held = state.relays[relay].iter().any(|hold| hold.row == index);
            if leased || held || row.parked {
                if !self.is(Mutation::ClaimWithGap) {
                    blocked.push(row.entity);
                }
            } else if !blocked.contains(&row.entity) && taken.len() < limit {
                taken.push(index);
            }
        }
        taken
    }

    /// Whether the relay may send this row now: nothing of its entity is open, nothing earlier is in its hands.
    fn may_emit(&self, state: &State, relay: usize, row: u8) -> bool {
        let entity = state.rows[row as usize].entity;
        let order = self.order(state);
        let place = |index: u8| order.iter().position(|other| *other == index);
        state.relays[relay]
            .iter()
            .filter(|hold| state.rows[hold.row as usize].entity == entity)
            .all(|hold| match hold.progress {
                Progress::Waiting => place(hold.row) >= place(row),
                Progress::Open => self.is(Mutation::ParallelWithinEntity),
                Progress::Parking => false,
                Progress::Accepted => true,
            })
    }
}

impl State {
    /// Everything was written, and everything that is not put aside has left.
    fn settled(&self, config: &Config) -> bool {
        self.rows.len() == config.script.len()
            && self.rows.iter().all(|row| row.gone || row.parked)
            && self.relays.iter().all(Vec::is_empty)
    }

    /// Two relays believe, and rightly by the clock, that the same row is theirs.
    fn held_twice(&self) -> bool {
        let live: Vec<u8> = self
            .relays
            .iter()
            .flatten()
            .filter(|hold| hold.live)
            .map(|hold| hold.row)
            .collect();
        (1..live.len()).any(|index| live[..index].contains(&live[index]))
    }

    /// The broker takes the row.
    fn publish(&mut self, row: u8) {
        let index = row as usize;
        let entity = self.rows[index].entity;
        let overtook = self.rows[..index]
            .iter()
            .any(|earlier| earlier.entity == entity && earlier.published == 0 && !earlier.was_parked);
        if self.rows[index].published == 0 && overtook {
            self.fault.get_or_insert(Fault::OutOfOrder);
        }
        self.rows[index].published = (self.rows[index].published + 1).min(2);
    }

    /// The row leaves the outbox.
    fn confirm(&mut self, row: u8) {
        let row = &mut self.rows[row as usize];
        row.gone = true;
        row.lease = None;
        if row.published == 0 {
            self.fault.get_or_insert(Fault::Lost);
        }
    }

    /// The relay drops a row, and frees it if the token still holds.
    fn release(&mut self, config: &Config, relay: usize, row: u8) {
        let Some(place) = self.relays[relay].iter().position(|hold| hold.row == row) else {
            return;
        };
        let hold = self.relays[relay].remove(place);
        let lease = &mut self.rows[row as usize].lease;
        if lease.is_some_and(|lease| lease.token == hold.token) || config.is(Mutation::ReleaseWithoutToken) {
            *lease = None;
        }
    }

    /// The relay lets go of a row, and of everything of its entity that it has not sent.
    fn let_go(&mut self, config: &Config, relay: usize, row: u8, keep_later: bool) {
        let entity = self.rows[row as usize].entity;
        self.release(config, relay, row);
        let later: Vec<u8> = self.relays[relay]
            .iter()
            .filter(|hold| {
                self.rows[hold.row as usize].entity == entity && hold.progress == Progress::Waiting
            })
            .map(|hold| hold.row)
            .collect();
        if !keep_later {
            for row in later {
                self.release(config, relay, row);
            }
        }
    }
}
