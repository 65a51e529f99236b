//! The settings that files of `deploy/` give to the services: names are keys, values are taken by the programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::{compose, files, tools};
use crate::shell;

/// The keys of which `myevents` has one for each service, so that a value for both is refused.
const OWN: [&str; 2] = ["RESTFULAPI_ENDPOINT", "RESTFULAPI_TLSENDPOINT"];

/// Every name of a setting anywhere in `deploy/` is that of a key.
///
/// # Errors
/// With those that are none.
pub(super) fn names_are_keys() -> Result<()> {
    let table = files::read(&shell::root().join("docs/configuration.md"))?;
    let keys: BTreeSet<String> = compose::keys(&table).into_iter().map(|(name, _)| name).collect();
    let mut seen = 0;
    let mut folders = vec![files::path("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for name in names(&files::read(&path)?) {
                ensure!(keys.contains(name), "{}: {name} is no key", path.display());
                seen += 1;
            }
        }
    }
    ensure!(seen > 100, "only {seen} names");
    println!("{seen} names of settings, each of a key");
    Ok(())
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter != '_' && !letter.is_ascii_uppercase())
        .filter(|word| word.strip_prefix("MYEVENTS_").is_some_and(|key| !key.is_empty()))
}

/// The real programs take what Compose, the chart and `env.example` give them.
///
/// # Errors
/// With what they say.
pub(super) fn check(programs: &Path) -> Result<()> {
    let example = files::read(&files::path("compose/env.example"))?;
    let given: Vec<(String, String)> = compose::settings(&example)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let key = name.trim_start_matches("MYEVENTS_");
            let own = OWN.contains(&key);
            let name = if own {
                format!("MYEVENTS_EVENTSERVICE_{key}")
            } else {
                name.to_owned()
            };
            (name, value.to_owned())
        })
        .collect();
    takes(programs, "myevents", "env.example", &given)?;

    let mut loader = tools::command(tools::COMPOSE)?;
    loader
        .env("COMPOSE_PROFILES", "*")
        .args(["-format", "json"])
        .arg(files::path("compose/compose.yaml"));
    let model: Value = serde_json::from_str(&shell::read(loader)?)?;
    for name in ["myevents", "eventservice", "bookingservice"] {
        let environment = model["services"][name]["environment"].as_object();
        takes(programs, name, "Compose", &pairs(environment)?)?;
    }
    for document in files::yaml(&files::path("k8s/settings.yaml"))? {
        let name = document["metadata"]["name"].as_str().context("no name")?;
        let name = name.trim_start_matches("myevents-");
        takes(programs, name, "the chart", &pairs(document["data"].as_object())?)?;
    }
    Ok(())
}

fn pairs(members: Option<&Map<String, Value>>) -> Result<Vec<(String, String)>> {
    members
        .context("no settings")?
        .iter()
        .map(|(name, value)| {
            Ok((
                name.clone(),
                value.as_str().context("a value that is no text")?.to_owned(),
            ))
        })
        .collect()
}

/// The program says of each that it is in force, and that it came from there.
fn takes(programs: &Path, program: &str, source: &str, given: &[(String, String)]) -> Result<()> {
    let mut command = Command::new(programs.join(program));
    command
        .env_clear()
        .envs(given.iter().map(|(name, value)| (name, value)))
        .arg("check-config");
    let said = shell::read(command).with_context(|| source.to_owned())?;
    let mut taken = 0;
    for (name, _) in given.iter().filter(|(name, _)| name.starts_with("MYEVENTS_")) {
        ensure!(
            said.contains(&format!("(environment {name})")),
            "{program} does not take {name} of {source}:\n{said}"
        );
        taken += 1;
    }
    ensure!(taken > 3, "{source} gives {program} only {given:?}");
    println!("{program} takes {taken} settings of {source}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_text() {
        let found: Vec<&str> = names("x: ${MYEVENTS_A_B:-y} MYEVENTS_ MYEVENTS_C=1").collect();
        assert_eq!(found, ["MYEVENTS_A_B", "MYEVENTS_C"]);
    }
}
