//! Conformance suites as public functions, the fault proxy and the in-memory harness.

pub mod broker;
mod clock;
pub mod fixture;
mod proxy;
mod report;

pub use clock::TestClock;
pub use proxy::FaultProxy;
pub(crate) use report::ensure;
pub use report::{CaseReport, CaseResult, Failure, Finding, SuiteReport, Verdict};
