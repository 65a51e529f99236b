//! Target of `fuzz/`: settings from a file and from the environment. No part of the interface.

use std::path::PathBuf;

use super::config::{Inputs, ListenAddress, Program, Settings};
use crate::fuzzing::Input;

/// A file of settings, then names and values of the environment.
///
/// # Panics
/// When a promise is broken.
pub fn settings(data: &[u8], file: &std::path::Path) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let program = match kind % 3 {
        0 => Program::EventService,
        1 => Program::BookingService,
        _ => Program::MyEvents,
    };
    let mut environment = Vec::new();
    for _ in 0..(kind / 3) % 4 {
        let key = &super::config::KEYS[usize::from(input.byte()) % super::config::KEYS.len()];
        let name = format!("MYEVENTS_{}", key.name.to_ascii_uppercase().replace('-', "_"));
        environment.push((name, input.text()));
    }
    let text = input.rest();
    let with_file = !text.is_empty() && std::fs::write(file, text).is_ok();
    let inputs = Inputs {
        program,
        file: with_file.then(|| PathBuf::from(file)),
        environment,
        flags: Vec::new(),
    };
    if let Err(faults) = Settings::load(&inputs) {
        assert!(!faults.0.is_empty(), "settings are refused without a reason");
    }
    if let Ok(text) = std::str::from_utf8(text)
        && let Ok(address) = ListenAddress::parse(text)
    {
        assert_eq!(ListenAddress::parse(&address.to_string()), Ok(address));
    }
}
