//! What tests could not do on this machine: each writes a line into one file, `cargo xtask test` shows them at its end.

use std::fs;
use std::path::PathBuf;

use crate::shell;

pub(crate) use myevents_servers::skip::{FILE, required};

/// The file, empty.
pub(crate) fn fresh() -> PathBuf {
    let path = shell::target().join("skipped-tests.txt");
    // A file that is not there is as good as an empty one.
    let _absent = fs::remove_file(&path);
    path
}

/// The lines in it, once each.
pub(crate) fn read(path: &PathBuf) -> Vec<String> {
    let mut lines: Vec<String> = fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines.dedup();
    lines
}
