//! Progress on standard error, for work that takes longer than a moment; the answer itself goes to standard output.

use std::time::{Duration, Instant};

use myevents_adapters::migrate::Witness;
use myevents_adapters::transfer::Watch;

/// How long nothing is said, at first and between two lines.
const QUIET: Duration = Duration::from_secs(2);

/// Counts records, and tells people about them and about what is wrong.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    start: Instant,
    said: Instant,
}

impl Progress {
    /// `what` is done to the records, such as `exported`.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            start: Instant::now(),
            said: Instant::now(),
        }
    }

    fn at(&mut self, records: u64) {
        if self.said.elapsed() < QUIET {
            return;
        }
        self.said = Instant::now();
        let rate = records as f64 / self.start.elapsed().as_secs_f64();
        warn(format_args!(
            "{records} records {}, {rate:.0} a second",
            self.what
        ));
    }
}

impl Watch for Progress {
    fn progress(&mut self, records: u64) {
        self.at(records);
    }

    fn fault(&mut self, line: u64, reason: &str) {
        warn(format_args!("line {line}: {reason}"));
    }

    fn counter(&mut self, role: &str, event: &str, finding: &str) {
        warn(format_args!("{role}: event {event}: {finding}"));
    }
}

impl Witness for Progress {
    fn progress(&mut self, documents: u64) {
        self.at(documents);
    }

    fn skipped(&mut self, collection: &str, id: &str, reason: &str) {
        warn(format_args!("not taken: {collection} {id}: {reason}"));
    }
}

/// Tells people something beside a command's answer.
#[allow(
    clippy::print_stderr,
    reason = "what is said beside a command's answer goes to standard error"
)]
pub(super) fn warn(line: impl std::fmt::Display) {
    eprintln!("{line}");
}
