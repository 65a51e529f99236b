//! The second run of test programs that failed: alone, and what passes only then is said to be flaky.

use crate::programs::Program;

/// With more failed programs than this something is broken, and no second run tells more.
const MOST: usize = 5;
/// Programs whose failure may be a broken promise that shows now and then: their first word counts.
const FIRST_WORD_COUNTS: [&str; 4] = ["crash", "race", "announced", "limits"];
/// Packages that wait for nobody: what fails there once would fail again.
const WITHOUT_CLOCKS: [&str; 2] = ["myevents-model", "xtask"];

/// Whether a second run of all that failed can tell something: they are few, and each waits for others
/// (servers, sockets, browsers, processes), which a busy machine may starve until a limit of time is over.
pub(crate) fn worth_it(failed: &[Program]) -> bool {
    failed.len() <= MOST && failed.iter().all(waits)
}

fn waits(program: &Program) -> bool {
    let first = FIRST_WORD_COUNTS.iter().any(|word| program.name.contains(word));
    program.kind == "test" && !first && !WITHOUT_CLOCKS.contains(&program.package.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::tests::program;

    #[test]
    fn only_a_few_programs_that_wait_run_again() {
        let suite = program("myevents-adapters", "test", "sqs_suite");
        assert!(worth_it(std::slice::from_ref(&suite)));
        for other in [
            program("myevents-model", "test", "counter"),
            program("myevents-adapters", "test", "mongodb_crash"),
            program("myevents-adapters", "lib", "myevents_adapters"),
        ] {
            assert!(!worth_it(&[suite.clone(), other]));
        }
        assert!(!worth_it(&vec![suite; MOST + 1]));
    }
}
