//! Who may depend on whom, read from `cargo tree`: core names no driver, an adapter's feature brings only its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::shell;

/// The two crates that are published.
pub(crate) const LIBRARIES: [&str; 2] = ["myevents-core", "myevents-adapters"];

/// Which crates are the driver of which feature of the adapters. A new backend adds its line here.
const DRIVERS: [(&str, &[&str]); 9] = [
    ("sqlite", &["rusqlite", "libsqlite3-sys"]),
    ("mongodb", &["mongodb", "bson"]),
    ("dynamodb", &["aws-sdk-dynamodb"]),
    ("amqp", &["lapin"]),
    ("kafka", &["rdkafka", "rdkafka-sys"]),
    ("kafka-tls", &["rdkafka", "rdkafka-sys", "openssl-sys"]),
    ("sqs", &["aws-sdk-sqs"]),
    // It publishes to queues all the same.
    ("sns", &["aws-sdk-sns", "aws-sdk-sqs"]),
    ("smtp", &["lettre"]),
];

/// What makes up an HTTP stack; core without `rest` must do without.
const HTTP: [&str; 7] = [
    "axum",
    "axum-core",
    "hyper",
    "hyper-util",
    "http",
    "tower-http",
    "h2",
];

/// The features of a workspace package, `default` left out.
///
/// # Errors
/// When cargo cannot read the workspace.
pub(crate) fn features(package: &str) -> Result<Vec<String>> {
    let metadata = workspace()?;
    let found = packages(&metadata).find(|each| each["name"] == package);
    let Some(found) = found else {
        bail!("no package {package} in the workspace")
    };
    let names = found["features"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone());
    Ok(names.filter(|name| name != "default").collect())
}

/// The names of the workspace's packages that depend on this one, be it only for their tests.
///
/// # Errors
/// When cargo cannot read the workspace.
pub(crate) fn packages_using(package: &str) -> Result<Vec<String>> {
    let metadata = workspace()?;
    let using = packages(&metadata).filter(|each| {
        let dependencies = each["dependencies"].as_array();
        dependencies.is_some_and(|all| all.iter().any(|dependency| dependency["name"] == package))
    });
    Ok(using
        .filter_map(|each| each["name"].as_str().map(str::to_owned))
        .collect())
}

/// The names of the workspace's packages by the path of their `Cargo.toml`.
///
/// # Errors
/// When cargo cannot read the workspace.
pub(crate) fn names_by_manifest() -> Result<BTreeMap<PathBuf, String>> {
    let metadata = workspace()?;
    Ok(packages(&metadata)
        .filter_map(|each| {
            let path = PathBuf::from(each["manifest_path"].as_str()?);
            Some((path, each["name"].as_str()?.to_owned()))
        })
        .collect())
}

/// The workspace's packages that have a library, of which alone the docs are tested.
///
/// # Errors
/// When cargo cannot read the workspace.
pub(crate) fn libraries() -> Result<Vec<String>> {
    let metadata = workspace()?;
    let has_library = |each: &&Value| {
        let targets = each["targets"].as_array().into_iter().flatten();
        let mut kinds = targets.flat_map(|target| target["kind"].as_array().into_iter().flatten());
        kinds.any(|kind| kind == "lib")
    };
    Ok(packages(&metadata)
        .filter(has_library)
        .filter_map(|each| each["name"].as_str().map(str::to_owned))
        .collect())
}

fn workspace() -> Result<Value> {
    let metadata = shell::read(shell::cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    Ok(serde_json::from_str(&metadata)?)
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// Checks every rule and names all that is broken.
///
/// # Errors
/// When a rule is broken.
pub(crate) fn check() -> Result<()> {
    let mut faults = Vec::new();
    let all_drivers: Vec<&str> = DRIVERS
        .iter()
        .flat_map(|(_, crates)| crates.iter().copied())
        .collect();

    let core = tree("myevents-core", &["--all-features"])?;
    faults.extend(unwanted("myevents-core with all features", &core, &all_drivers));
    let bare = tree("myevents-core", &["--no-default-features"])?;
    faults.extend(unwanted("myevents-core without features", &bare, &HTTP));
    let metrics = tree(
        "myevents-core",
        &["--no-default-features", "--features", "metrics,testkit"],
    )?;
    faults.extend(unwanted(
        "myevents-core with metrics and testkit",
        &metrics,
        &HTTP,
    ));
    if core.contains("myevents-adapters") {
        faults.push("myevents-core depends on myevents-adapters".to_owned());
    }

    faults.extend(unwanted(
        "myevents-adapters without features",
        &tree("myevents-adapters", &["--no-default-features"])?,
        &all_drivers,
    ));
    for feature in features("myevents-adapters")? {
        let own = DRIVERS
            .iter()
            .find(|(name, _)| *name == feature)
            .map_or(&[][..], |(_, crates)| crates);
        let others: Vec<&str> = all_drivers
            .iter()
            .copied()
            .filter(|name| !own.contains(name))
            .collect();
        let got = tree(
            "myevents-adapters",
            &["--no-default-features", "--features", &feature],
        )?;
        faults.extend(unwanted(
            &format!("myevents-adapters with {feature}"),
            &got,
            &others,
        ));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("{}", faults.join("\n"))
    }
}

/// The names of all crates below a package, the tests' own left out.
fn tree(package: &str, features: &[&str]) -> Result<BTreeSet<String>> {
    let mut command = shell::cargo(&["tree", "--quiet", "-p", package, "--edges", "normal,build"]);
    command
        .args(["--prefix", "none", "--format", "{p}"])
        .args(features);
    let lines = shell::read(command)?;
    Ok(lines
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

fn unwanted(what: &str, tree: &BTreeSet<String>, names: &[&str]) -> Vec<String> {
    let found = names.iter().filter(|name| tree.contains(**name));
    found
        .map(|name| format!("{what} pulls in {name} (`cargo tree -i {name}` shows how)"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_in_the_tree_is_named() {
        let tree = BTreeSet::from(["tokio".to_owned(), "rusqlite".to_owned()]);
        let faults = unwanted("core", &tree, &["rusqlite", "lapin"]);
        assert_eq!(
            faults,
            ["core pulls in rusqlite (`cargo tree -i rusqlite` shows how)"]
        );
    }
}
