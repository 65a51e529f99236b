//! What is made of files that are no export of ours.

use myevents_core::Error;
use myevents_core::fuzzing::is_refusal;

use super::import::read_any;

/// A file: its first line, then records.
///
/// # Panics
/// When a promise is broken.
pub fn lines(data: &[u8]) {
    let refused = |error: &Error| is_refusal(error);
    let (first, rest) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    for line in rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if let Err(error) = read_any(first, line) {
            refused(&error);
        }
    }
}
