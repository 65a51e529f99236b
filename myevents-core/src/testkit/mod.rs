//! Conformance suites as public functions, the fault proxy and the in-memory harness.

mod report;

pub(crate) use report::ensure;
pub use report::{CaseReport, CaseResult, Failure, Finding, SuiteReport, Verdict};
mod proxy;

pub use proxy::FaultProxy;
mod clock;

pub use clock::TestClock;
pub mod fixture;
