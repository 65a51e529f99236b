//! This crate names no driver, and without `rest` it pulls in no HTTP stack: read from `cargo tree`. What each feature
//! of the adapters brings is checked by `cargo xtask lint`.

use std::collections::BTreeSet;
use std::process::Command;

const DRIVERS: [&str; 8] = [
    "rusqlite",
    "mongodb",
    "aws-sdk-dynamodb",
    "aws-sdk-sqs",
    "aws-sdk-sns",
    "lapin",
    "rdkafka",
    "myevents-adapters",
];
const HTTP: [&str; 6] = ["axum", "axum-core", "hyper", "http", "tower", "tower-http"];

/// The names of all crates below this one, the tests' own left out.
fn crates_with(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--quiet", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}"])
        .args(features)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<String> = names
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(names.contains("tokio"), "the tree was not read: {names:?}");
    names
}

fn found<'a>(names: &BTreeSet<String>, wanted: &[&'a str]) -> Vec<&'a str> {
    wanted
        .iter()
        .copied()
        .filter(|name| names.contains(*name))
        .collect()
}

#[test]
fn core_names_no_driver() {
    assert_eq!(
        found(&crates_with(&["--all-features"]), &DRIVERS),
        Vec::<&str>::new()
    );
}

#[test]
fn core_without_rest_pulls_in_no_http_crate() {
    for features in [
        &["--no-default-features"][..],
        &["--features", "metrics,testkit"][..],
    ] {
        assert_eq!(
            found(&crates_with(features), &HTTP),
            Vec::<&str>::new(),
            "{features:?}"
        );
    }
    // The check can see one: with `rest` they are there.
    assert!(!found(&crates_with(&["--features", "rest"]), &HTTP).is_empty());
}
