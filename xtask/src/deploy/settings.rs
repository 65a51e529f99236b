//! The settings that files of `deploy/` give to the services: names are keys, values are taken by the programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::{chart, compose, files, tools};
use crate::shell;

const PROGRAMS: [&str; 3] = ["myevents", "eventservice", "bookingservice"];

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

    let folder = shell::target().join("deploy/compose");
    fs::create_dir_all(&folder)?;
    let page = files::read(&shell::root().join("docs/deploy/compose.md"))?;
    let sign_in = files::block(&page, "sh sign-in")?;
    for (source, own) in [("Compose", ""), ("Compose with sign-in", sign_in)] {
        for name in PROGRAMS {
            let given = of_compose(&folder, own, name)?;
            signs_in(source, &given, !own.is_empty())?;
            takes(programs, name, source, &given)?;
        }
    }
    let only = [&chart::SIGN_IN[..], &["--show-only", "templates/settings.yaml"]].concat();
    let signed_in = folder.join("settings.yaml");
    fs::write(&signed_in, chart::template(&only)?)?;
    for (source, file) in [
        ("the chart", &files::path("k8s/settings.yaml")),
        ("the chart with sign-in", &signed_in),
    ] {
        for document in files::yaml(file)? {
            let name = document["metadata"]["name"].as_str().context("no name")?;
            let name = name.trim_start_matches("myevents-");
            let given = pairs(document["data"].as_object())?;
            signs_in(source, &given, source.ends_with("sign-in"))?;
            takes(programs, name, source, &given)?;
        }
    }
    Ok(())
}

/// What Compose gives to a service with this `.env`: its variables, and above them what `compose.yaml` makes of them. `docker compose`
/// reads the file for both; its loader, alone, fills in defaults and names the file.
fn of_compose(folder: &Path, own: &str, name: &str) -> Result<Vec<(String, String)>> {
    let mut text = files::read(&files::path("compose/compose.yaml"))?;
    for (name, value) in compose::settings(own) {
        text = filled_in(&text, name, value);
    }
    fs::write(folder.join("compose.yaml"), text)?;
    let mut loader = tools::command(tools::COMPOSE)?;
    loader
        .current_dir(folder)
        .env("COMPOSE_PROFILES", "*")
        .args(["-format", "json", "compose.yaml"]);
    let model: Value = serde_json::from_str(&shell::read(loader)?)?;
    let service = &model["services"][name];
    let file = service["env_file"][0]["path"].as_str();
    ensure!(
        file.is_some_and(|path| path.ends_with("/.env")),
        "{name} reads {file:?}"
    );
    let mut given = pairs(service["environment"].as_object())?;
    for (key, value) in compose::settings(own) {
        if given.iter().all(|(name, _)| name != key) {
            given.push((key.to_owned(), value.to_owned()));
        }
    }
    Ok(given)
}

/// The text with this value in place of each `${NAME:-default}`.
fn filled_in(text: &str, name: &str, value: &str) -> String {
    let begin = format!("${{{name}:-");
    let mut parts = text.split(begin.as_str());
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        filled.push_str(value);
        filled.push_str(part.split_once('}').map_or(part, |(_, rest)| rest));
    }
    filled
}

/// Either everybody may write, and the settings say so, or whoever writes signs in.
fn signs_in(source: &str, given: &[(String, String)], wanted: bool) -> Result<()> {
    let value = |name: &str| {
        given
            .iter()
            .find(|(each, _)| each == name)
            .map(|(_, value)| value.as_str())
    };
    let open = value("MYEVENTS_ALLOW_ANONYMOUS") == Some("true");
    ensure!(
        (value("MYEVENTS_AUTH") == Some("jwt")) == wanted && open != wanted,
        "{source}: who may write is not as it says: {given:?}"
    );
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
    fn values_take_the_place_of_defaults() {
        let text = "a: ${A:-b}, ${B:-c} ${A:-}";
        assert_eq!(filled_in(text, "A", "x"), "a: x, ${B:-c} x");
    }

    #[test]
    fn names_are_found_in_any_text() {
        let found: Vec<&str> = names("x: ${MYEVENTS_A_B:-y} MYEVENTS_ MYEVENTS_C=1").collect();
        assert_eq!(found, ["MYEVENTS_A_B", "MYEVENTS_C"]);
    }
}
