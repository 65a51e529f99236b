//! Saying that a test cannot run on this machine, so that nobody takes it for passed.

use std::fs::OpenOptions;
use std::io::Write;

/// Notes that a test cannot run here. `cargo xtask test` lists the reasons at its end.
///
/// # Panics
/// With `MYEVENTS_REQUIRE=all`: there a skip is a failure.
#[allow(clippy::print_stderr, reason = "seen by whoever runs the test alone")]
pub fn skip(test: &str, reason: &str) {
    let required = std::env::var("MYEVENTS_REQUIRE").is_ok_and(|value| value == "all");
    assert!(!required, "{test} cannot run here: {reason}");
    eprintln!("skipped {test}: {reason}");
    if let Some(path) = std::env::var_os("SKIPPED_TESTS_FILE")
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path)
    {
        // The list is for people; a test does not fail because it could not be told.
        let _written = writeln!(file, "{test}: {reason}");
    }
}

/// Whether the big sizes are wanted.
#[must_use]
pub fn full_scale() -> bool {
    std::env::var("MYEVENTS_SCALE").is_ok_and(|value| value == "full")
}
