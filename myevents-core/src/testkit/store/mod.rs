//! The conformance suite for stores: one public function a case, chosen by what the store promises.
//!
//! A backend implements [`StoreFixture`] and [`StoreBed`] and calls [`run_store_suite`]. Every case gets an empty store
//! of its own and makes its own ids, so nothing has to be cleaned up between them. Cases count, duplicates too.

mod any_text;
mod api_keys;
mod audit;
mod away;
mod crashes;
mod dead_letters;
mod histories;
mod inbox;
mod lists;
mod memory;
mod model;
mod outbox;
mod parking;
mod projections;
mod race;
mod reconcile;
mod records;
mod relays;
mod tools;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use any_text::{s02_any_text, s04_opaque_ids, s17_hostile_text};
pub use api_keys::s20_api_keys;
pub use audit::s21_audit_log;
pub use away::s16_away_and_back;
pub use crashes::s13_crash_points;
pub use dead_letters::s14b_dead_letters;
pub use histories::s13b_histories;
pub use inbox::{s14_inbox, s14a_mark_with_effect};
pub use lists::{s03_long_list, s15_bookings_of_a_user};
pub use memory::MemoryFixture;
pub use model::s07_equals_the_model;
pub use outbox::s11_messages_with_writes;
pub use parking::{s11b_parking, s12b_close_gives_back};
pub use projections::s10b_projections;
pub use race::{
    s05_race, s06_race_of_two, s08_cancel_once, s09_same_key_at_once, s09b_limits_at_once,
    s10_change_meanwhile,
};
pub use reconcile::s18_reconcile;
pub use records::s01_records;
pub use relays::s12_two_relays;

use crate::domain::EventId;
use crate::error::Result;
use crate::ports::{ApiKeys, DeadLetterQueue, Store};
use crate::testkit::{CaseReport, CaseResult, Finding, SuiteReport};

/// How long one case may take before it counts as hanging.
const CASE_LIMIT: Duration = Duration::from_secs(300);

/// Makes stores to test. A wrapper's fixture wraps what another one makes.
#[async_trait]
pub trait StoreFixture: Debug + Send + Sync {
    /// The backend's one word, or a longer name for a wrapped one.
    fn name(&self) -> String;

    /// An empty store of its own: a new file, database or table prefix.
    ///
    /// # Errors
    /// Whatever keeps it from being made; the case fails with it.
    async fn create(&self) -> Result<Box<dyn StoreBed>>;
}

/// One store under test, with what only its backend can do to it. What a backend can't do keeps the default, and the
/// cases that need it are listed as not applicable.
#[async_trait]
pub trait StoreBed: Debug + Send + Sync {
    /// The first instance.
    fn store(&self) -> Arc<dyn Store>;

    /// The dead letters kept in the same store, by the first instance.
    fn dead_letters(&self) -> Option<Arc<dyn DeadLetterQueue>> {
        None
    }

    /// The keys for machines kept in the same store.
    fn api_keys(&self) -> Option<Arc<dyn ApiKeys>> {
        None
    }

    /// Another instance over the same records, with leases of its own: a second process or client, or what comes up
    /// after the first instance was leaked by a crash.
    async fn second(&self) -> Result<Option<Arc<dyn Store>>> {
        Ok(None)
    }

    /// Lets time pass for leases: moves the clock that the store was given, or waits.
    async fn pass(&self, time: Duration);

    /// The crash points that may be armed in this process, because a second instance works beside a leaked one.
    fn crash_points(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes the counter of `event` wrong by `seats` sold, behind the port. Answers whether that can be done.
    async fn plant_drift(&self, _event: &EventId, _seats: i64) -> Result<bool> {
        Ok(false)
    }

    /// Makes the backend unreachable, or reachable again. Answers whether that can be done.
    async fn set_reachable(&self, _reachable: bool) -> Result<bool> {
        Ok(false)
    }
}

/// How much the suites do: `MYEVENTS_SCALE=full` raises random rounds.
#[must_use]
pub fn is_full_scale() -> bool {
    std::env::var("MYEVENTS_SCALE").is_ok_and(|scale| scale == "full")
}

/// Runs all cases, each on an empty store, and prints a line each. Cases that need what the backend lacks are listed
/// with the reason.
///
/// Needs a runtime with several threads to race for real.
pub async fn run_store_suite(fixture: &dyn StoreFixture) -> SuiteReport {
    let mut report = SuiteReport::new("stores", fixture.name());
    macro_rules! cases {
        ($($id:literal $title:literal $case:path;)+) => {$(
            let run = async {
                let bed = fixture.create().await?;
                $case(bed.as_ref()).await
            };
            let case = CaseReport::run($id, $title, CASE_LIMIT, run).await;
            print_line(&case);
            report.cases.push(case);
        )+};
    }
    cases! {
        "S01" "records: add, find, list, replace, cancel, remove" s01_records;
        "S02" "any text, any halls, any date comes back equal" s02_any_text;
        "S03" "a list of 5,000 is complete and stable" s03_long_list;
        "S04" "ids are opaque" s04_opaque_ids;
        "S05" "race: 64 tasks never oversell" s05_race;
        "S06" "race over two instances" s06_race_of_two;
        "S07" "random histories equal the model" s07_equals_the_model;
        "S08" "64 cancels at once give seats back once" s08_cancel_once;
        "S09" "one key 64 times at once is one booking" s09_same_key_at_once;
        "S09b" "limits per person hold at once" s09b_limits_at_once;
        "S10" "booking while capacity changes and the event is cancelled" s10_change_meanwhile;
        "S10b" "projections: copy and counter by their own versions" s10b_projections;
        "S11" "messages are there if and only if the write is" s11_messages_with_writes;
        "S11b" "parked messages are listed, sent again, discarded" s11b_parking;
        "S12" "two relays, 5,000 rows, order per entity" s12_two_relays;
        "S12b" "close gives leases back and answers closed" s12b_close_gives_back;
        "S13" "crash points: nothing lost, nothing stuck" s13_crash_points;
        "S13b" "histories of the protocols" s13b_histories;
        "S14" "inbox: one fresh, abandoned is fresh, completed is done" s14_inbox;
        "S14a" "an inbox mark is stored with its effect" s14a_mark_with_effect;
        "S14b" "dead letters as rows" s14b_dead_letters;
        "S15" "a user's 2,000 bookings, paged" s15_bookings_of_a_user;
        "S16" "away, then back" s16_away_and_back;
        "S17" "hostile text is data" s17_hostile_text;
        "S18" "reconcile finds a planted drift and nothing else" s18_reconcile;
        "S20" "keys for machines: added, listed, used, removed" s20_api_keys;
        "S21" "audit log: one line a change, none without" s21_audit_log;
    }
    let own_tests = async {
        CaseResult::Ok(Finding::not_applicable(
            "shown by the adapter's own tests at its driver",
        ))
    };
    let case = CaseReport::run("S19", "driver errors to typed errors", CASE_LIMIT, own_tests).await;
    print_line(&case);
    report.cases.push(case);
    report
}

#[allow(
    clippy::print_stdout,
    reason = "the suite's report is its output, a line a case"
)]
fn print_line(case: &CaseReport) {
    println!("{case}");
}
