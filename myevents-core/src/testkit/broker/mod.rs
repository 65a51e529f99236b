//! The conformance suite for brokers: what every emitter, listener and dead-letter place must do.
//!
//! A backend gives a [`BrokerFixture`] and runs [`run_broker_suite`]. Cases choose themselves by the broker's
//! capabilities and by what the fixture can do; what does not apply is listed with its reason. Losses are failures;
//! repeats are counted and reported.

mod delivering;
mod dispatching;
mod faults;
mod fixtures;
mod lifecycle;
mod ordering;
mod publishing;
mod tools;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use fixtures::{LocalFixture, WrappedFixture};

use crate::error::Result;
use crate::ports::{BrokerCapabilities, DeadLetters, EventEmitter, EventListener};
use crate::testkit::{CaseReport, FaultProxy, SuiteReport};

/// What the suite has to know of a broker beside its capabilities.
#[derive(Debug, Clone)]
pub struct BrokerTimes {
    /// After this long without a delivery none is on its way.
    pub quiet: Duration,
    /// What a redelivery may take beyond the backoff it was asked for.
    pub slack: Duration,
    /// After this long a connection that swallows bytes is noticed; `None` = there is no connection.
    pub notices_dead_peer: Option<Duration>,
    /// After this long an unsettled delivery is handed out again if nobody extends it; `None` = only when its consumer
    /// goes away.
    pub hold: Option<Duration>,
    /// The most messages of a case of load, where the server under test is too slow for as many as the case would send;
    /// what is tested stays the same, and the report says how many there were. `None` = as many as the case says.
    pub most_messages: Option<usize>,
}

impl BrokerTimes {
    /// How many messages a case of load sends.
    pub(super) fn load(&self, wanted: usize) -> usize {
        self.most_messages.map_or(wanted, |most| most.min(wanted))
    }
}

/// A broker under test.
#[async_trait]
pub trait BrokerFixture: Debug + Send + Sync {
    /// What the broker promises.
    fn capabilities(&self) -> BrokerCapabilities;

    /// How fast it is.
    fn times(&self) -> BrokerTimes;

    /// A fresh place in it: an exchange, a topic or a set of queues that no other place shares.
    ///
    /// # Errors
    /// Those of the broker; they fail the case.
    async fn place(&self) -> Result<Arc<dyn BrokerPlace>>;
}

/// A place in a broker: its emitters reach its listeners and no others.
///
/// Each emitter and listener is new, with a connection of its own where there are connections. Emitters require a
/// subscriber for `event.created` and for no name of the suite's own.
#[async_trait]
pub trait BrokerPlace: Debug + Send + Sync {
    /// A new emitter.
    ///
    /// # Errors
    /// Those of the broker; they fail the case.
    async fn emitter(&self) -> Result<Arc<dyn EventEmitter>>;

    /// A new emitter that sends the spelling of the original services; the plain one where names do not travel.
    ///
    /// # Errors
    /// Those of the broker; they fail the case.
    async fn legacy_emitter(&self) -> Result<Arc<dyn EventEmitter>>;

    /// A new emitter to a destination that is not there (and is not made on the way); `None` where there is no such
    /// thing.
    ///
    /// # Errors
    /// Those of the broker; they fail the case.
    async fn emitter_to_nowhere(&self) -> Result<Option<Arc<dyn EventEmitter>>>;

    /// A new listener.
    ///
    /// # Errors
    /// Those of the broker; they fail the case.
    async fn listener(&self) -> Result<Arc<dyn EventListener>>;

    /// Where the dead letters of `group` are kept.
    ///
    /// # Errors
    /// Those of the broker; they fail the case.
    async fn dead_letters(&self, group: &str) -> Result<Arc<dyn DeadLetters>>;

    /// The proxy that all emitters and listeners of this place go through; `None` in process.
    fn network(&self) -> Option<Arc<FaultProxy>>;
}

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs all cases one after the other.
pub async fn run_broker_suite(fixture: &dyn BrokerFixture) -> SuiteReport {
    run_chosen(fixture, |_| true).await
}

/// Runs the cases with these numbers, one after the other.
pub async fn run_broker_cases(fixture: &dyn BrokerFixture, ids: &[&str]) -> SuiteReport {
    run_chosen(fixture, |id| ids.contains(&id)).await
}

async fn run_chosen(fixture: &dyn BrokerFixture, chosen: impl Fn(&str) -> bool + Send + Sync) -> SuiteReport {
    let mut report = SuiteReport::new("brokers", fixture.capabilities().name);
    macro_rules! run {
        ($($id:literal $title:literal => $case:expr;)*) => {
            $(
                if chosen($id) {
                    report.cases.push(CaseReport::run($id, $title, LIMIT, $case(fixture)).await);
                }
            )*
        };
    }
    run! {
        "C01" "every part of a message comes back unchanged" => delivering::unchanged;
        "C02" "5,000 messages, 50 competing consumers" => delivering::competing_consumers;
        "C03" "20 places stay apart" => delivering::places_stay_apart;
        "C04" "two groups each get everything" => delivering::two_groups;
        "C05" "16 keys of 200 messages in order" => ordering::order_per_key;
        "C06" "what was acknowledged does not come back" => delivering::acknowledged_is_gone;
        "C07" "what was given back comes again, counted" => delivering::given_back_comes_again;
        "C08" "tried again within the backoff's bounds" => dispatching::backoff;
        "C09" "a dead letter once; sent back, it is handled" => dispatching::dead_letter;
        "C10" "a body that does not decode is a dead letter" => dispatching::undecodable;
        "C11" "a panicking handler has failed, the service lives" => dispatching::panicking_handler;
        "C12" "never more in flight than the prefetch" => delivering::prefetch_bounds;
        "C13" "one message of a key at a time" => ordering::one_of_a_key;
        "C14" "a log is read from its start and from a time" => delivering::replay;
        "C15" "a batch is answered entry by entry" => publishing::batch_entries;
        "C16" "nowhere to go is an error to the publisher" => publishing::unroutable;
        "C17" "answered only after the broker took it" => publishing::answered_after_taken;
        "C18" "a stop drains within its deadline" => dispatching::stopping;
        "C19" "10 closes at once are safe" => lifecycle::concurrent_closes;
        "C20" "cancelling one subscription leaves the others" => lifecycle::cancel_one;
        "C21" "started while the broker is down" => faults::started_while_down;
        "C22" "publish, subscribe, acknowledge after close" => lifecycle::after_close;
        "C23" "connections cut at a third and at half of 10,000" => faults::cut_under_load;
        "C24" "a half-open connection is noticed and replaced" => faults::half_open;
        "C25" "cut between publish and confirm" => faults::cut_before_confirm;
        "C26" "an acknowledgement lost: the inbox absorbs the repeat" => dispatching::inbox_absorbs;
        "C27" "set-up intact after recovery" => faults::set_up_after_recovery;
        "C28" "a long handler is not run twice at once" => dispatching::long_handler;
        "C29" "the trace context survives" => delivering::trace_context;
        "C30" "both spellings of names reach one handler" => dispatching::both_spellings;
    }
    report
}
