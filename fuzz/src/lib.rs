//! The targets: each is a decoder that is given any bytes, and what must hold whatever they are.
//!
//! Beside "it does not panic": what was read is written and read again unchanged, a cursor is good on its own list only, and a
//! refusal is of a kind that bad input may have. [`TARGETS`] is the table, `seeds/` what each begins with.

use std::path::PathBuf;

use myevents_adapters::fuzzing as adapters;
use myevents_core::{auth, fuzzing, rest, runtime};

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 14] = [
    ("amqp", adapters::amqp),
    ("bodies", rest::fuzzing::bodies),
    ("dynamodb", adapters::dynamodb),
    ("headers", rest::fuzzing::headers),
    ("kafka", adapters::kafka),
    ("keys", auth::fuzzing::key_documents),
    ("messages", fuzzing::messages),
    ("mongodb", adapters::mongodb),
    ("queries", rest::fuzzing::queries),
    ("settings", settings),
    ("sqlite", adapters::sqlite),
    ("sqs", adapters::sqs),
    ("tokens", auth::fuzzing::tokens),
    ("transfer", adapters::transfer),
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<fn(&[u8])> {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, target)| *target)
}

/// Settings are read from a file, which is this process's own and in memory where that can be had.
fn settings(data: &[u8]) {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    let file = folder.join(format!("myevents-fuzz-{}.json", std::process::id()));
    runtime::fuzzing::settings(data, &file);
    let _absent = std::fs::remove_file(&file);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    /// Seeds are also what once broke a target: a crash that was mended is kept there.
    #[test]
    fn every_seed_holds_and_so_does_what_is_near_it() {
        let seeds = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds");
        for (name, target) in TARGETS {
            let mut count = 0;
            for file in std::fs::read_dir(seeds.join(name)).unwrap() {
                let data = std::fs::read(file.unwrap().path()).unwrap();
                count += 1;
                target(&data);
                for end in 0..data.len().min(400) {
                    target(&data[..end]);
                    let mut bent = data.clone();
                    bent[end] ^= 1 << (end % 8);
                    target(&bent);
                }
            }
            assert!(count > 0, "{name} has no seed");
        }
        assert_eq!(std::fs::read_dir(seeds).unwrap().count(), TARGETS.len());
    }
}
