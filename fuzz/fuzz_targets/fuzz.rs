//! The program that libFuzzer runs: the target is the one that `FUZZ_TARGET` names.
#![no_main]
#![allow(missing_docs, reason = "libFuzzer's macro writes functions without")]
#![allow(
    clippy::print_stderr,
    reason = "whoever starts it by hand is told what is missing"
)]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn chosen() -> fn(&[u8]) {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    myevents_fuzz::find(&name).unwrap_or_else(|| {
        let known = myevents_fuzz::TARGETS.map(|(name, _)| name).join(", ");
        eprintln!("FUZZ_TARGET names no target: {known}");
        std::process::exit(2)
    })
}

fuzz_target!(|data: &[u8]| {
    TARGET.get_or_init(chosen)(data);
});
