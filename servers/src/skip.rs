//! Saying that a test cannot run on this machine, so that nobody takes it for passed.

use std::fs::OpenOptions;
use std::io::Write;

/// The environment name that tells tests where to write what they skip: `cargo xtask test` sets it and lists the file.
pub const FILE: &str = "SKIPPED_TESTS_FILE";

/// Whether everything has to run: a skip is a failure, and what is missing is installed.
#[must_use]
pub fn required() -> bool {
    std::env::var("MYEVENTS_REQUIRE").is_ok_and(|value| value == "all")
}

/// Notes that a test cannot run here. `cargo xtask test` lists the reasons at its end.
///
/// # Panics
/// With `MYEVENTS_REQUIRE=all`: there a skip is a failure.
#[allow(clippy::print_stderr, reason = "seen by whoever runs the test alone")]
pub fn skip(test: &str, reason: &str) {
    assert!(!required(), "{test} cannot run here: {reason}");
    eprintln!("skipped {test}: {reason}");
    if let Some(path) = std::env::var_os(FILE)
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
