//! Conformance suites as public functions, the fault proxy and the in-memory harness.

pub mod broker;
mod clock;
pub mod fixture;
mod harness;
mod proxy;
mod report;
pub mod store;

pub use clock::TestClock;
pub use harness::Harness;
pub use proxy::FaultProxy;
pub(crate) use report::ensure;
pub use report::{CaseReport, CaseResult, Failure, Finding, SuiteReport, Verdict};
pub use store::{StoreBed, StoreFixture, is_full_scale, run_store_suite};
