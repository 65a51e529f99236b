//! The habits of this repository that no lint knows, checked over every Rust file of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST: usize = 500;
/// Folders that hold nothing of ours.
const FOREIGN: [&str; 4] = ["target", ".git", "node_modules", ".cargo"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Every Rust file of the workspace with its path from the root.
fn rust_files() -> Vec<(String, String)> {
    let root = root();
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                if !FOREIGN
                    .iter()
                    .any(|foreign| name.to_string_lossy().starts_with(foreign))
                {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let from_root = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push((from_root, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(
        files.len() > 50,
        "the workspace has more files than {}",
        files.len()
    );
    files.sort();
    files
}

/// Fails with every file for which `fault` has something to say.
fn check(fault: impl Fn(&str, &str) -> Option<String>) {
    let faults: Vec<String> = rust_files()
        .iter()
        .filter_map(|(path, text)| fault(path, text).map(|fault| format!("{path}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_first_what_it_owns() {
    check(|_, text| {
        let said = text
            .strip_prefix("//!")
            .map(|rest| rest.lines().next().unwrap_or_default());
        match said {
            Some(line) if line.trim().len() > 10 => None,
            _ => Some("does not start with a `//!` line that says what it owns".to_owned()),
        }
    });
}

#[test]
fn no_file_is_too_long_to_read() {
    check(|_, text| {
        let lines = text.lines().count();
        (lines > LONGEST).then(|| format!("{lines} lines, more than {LONGEST}: split it"))
    });
}

#[test]
fn no_test_is_switched_off() {
    check(|_, text| {
        let ignored = text.contains(concat!("#[", "ignore"));
        ignored.then(|| "an ignored test proves nothing; choose by capability or environment".to_owned())
    });
}

#[test]
fn a_folder_is_a_whole_module() {
    let files = rust_files();
    check(|path, _| {
        let folder = path
            .strip_suffix(".rs")
            .filter(|folder| !folder.ends_with("/main"))?;
        let twin = format!("{folder}/mod.rs");
        files
            .iter()
            .any(|(other, _)| *other == twin)
            .then(|| format!("stands beside {twin}: keep one of them"))
    });
}
