//! `deploy/compose`: read by Compose's own loader and schema, its settings held to the table of configuration keys.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{files, settings, tools};
use crate::shell;

/// Reads what Compose reads, without starting anything.
///
/// # Errors
/// With what is wrong.
pub(super) fn check() -> Result<()> {
    let file = files::path("compose/compose.yaml");
    let mail = files::path("compose/mail.yaml");
    let mut schema = tools::command(tools::PYTHON)?;
    schema
        .args([
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
        ])
        .args([&file, &mail]);
    shell::run(schema)?;

    let mut profiles = BTreeSet::new();
    for document in files::yaml(&file)? {
        for list in files::all(&document, "profiles") {
            let words = list.as_array().context("profiles are no list")?;
            profiles.extend(words.iter().filter_map(|word| word.as_str().map(str::to_owned)));
        }
    }
    ensure!(profiles.len() > 4, "only the profiles {profiles:?}");
    for chosen in profiles.iter().map(String::as_str).chain(["*"]) {
        let mut loader = tools::command(tools::COMPOSE)?;
        loader.env("COMPOSE_PROFILES", chosen).arg(&file);
        let model = shell::read(loader).with_context(|| format!("profile {chosen}"))?;
        ensure!(model.contains("image:"), "profile {chosen} starts nothing");
    }
    println!("{} profiles loaded, each and all together", profiles.len());
    who_mails_has_the_password(&file, &mail)?;
    every_variable_is_there()?;
    settings::names_are_keys()
}

/// With `mail.yaml` those who mail have the password's file, and nobody else.
fn who_mails_has_the_password(file: &Path, mail: &Path) -> Result<()> {
    let mut loader = tools::command(tools::COMPOSE)?;
    // What is beside the files is looked for from here.
    loader
        .current_dir(files::path("compose"))
        .env("COMPOSE_PROFILES", "*")
        .args(["-format", "json"])
        .args([file, mail]);
    let model: Value = serde_json::from_str(&shell::read(loader)?)?;
    let password = model["secrets"]["smtp"]["file"].as_str();
    ensure!(
        password.is_some_and(|path| path.ends_with("/compose/smtp-password")),
        "{}",
        model["secrets"]
    );
    for (name, has) in [
        ("bookingservice", true),
        ("myevents", true),
        ("eventservice", false),
    ] {
        let secrets = &model["services"][name]["secrets"];
        let mut given = secrets.as_array().into_iter().flatten();
        ensure!(
            given.any(|each| each["source"] == "smtp") == has,
            "{name} has {secrets}"
        );
        // All three read the same `.env`, where the password's user is, and want to know the file.
        let settings = &model["services"][name]["environment"];
        let mut told = settings.as_array().into_iter().flatten();
        ensure!(
            told.any(|each| each == "MYEVENTS_SMTP_PASSWORD_FILE=/run/secrets/smtp"),
            "{name} is told {settings}"
        );
    }
    println!("the mail server's password goes to those who mail");
    Ok(())
}

/// `env.example` names each key of the table once, with the table's default, and nothing that is no key.
fn every_variable_is_there() -> Result<()> {
    let table = files::read(&shell::root().join("docs/configuration.md"))?;
    let example = files::read(&files::path("compose/env.example"))?;
    let mut wanted = keys(&table);
    ensure!(wanted.len() > 40, "only {} keys in the table", wanted.len());
    for (name, value) in settings(&example) {
        let at = wanted.iter().position(|(known, _)| known == name);
        let at = at.with_context(|| format!("env.example: {name} is no key, or is there twice"))?;
        let (_, default) = wanted.swap_remove(at);
        ensure!(
            value == default,
            "env.example: the default of {name} is `{default}`"
        );
    }
    ensure!(wanted.is_empty(), "env.example has no {wanted:?}");
    Ok(())
}

/// The names and values of a file of settings, those that are commented out among them.
pub(super) fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .filter(|(name, _)| name.starts_with("MYEVENTS_") && !name.contains(' '))
}

/// Each key of the page of configuration, by its environment name, with its default.
pub(super) fn keys(page: &str) -> Vec<(String, String)> {
    let quoted = |cell: &str| {
        let inner = cell.trim().strip_prefix('`')?.split('`').next()?;
        Some(inner.to_owned())
    };
    page.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let key = quoted(cells.next()?)?;
            let default = quoted(cells.nth(1)?).unwrap_or_default();
            let name = key.to_uppercase().replace('-', "_");
            Some((format!("MYEVENTS_{name}"), default))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_with_their_defaults() {
        let page = "| key | form | default | what |\n|---|---|---|---|\n| `a-b` ² | text | `x`, service `y` | W | `O` |\n| `c` | text |  | W |  |\n";
        let expected = [("MYEVENTS_A_B", "x"), ("MYEVENTS_C", "")];
        assert_eq!(
            keys(page),
            expected.map(|(name, default)| (name.to_owned(), default.to_owned()))
        );
    }

    #[test]
    fn settings_are_found_behind_their_marks() {
        let text = "#MYEVENTS_A=1\n# MYEVENTS_B=2 in words\nMYEVENTS_C=\nPORT=1\n";
        assert_eq!(
            settings(text).collect::<Vec<_>>(),
            [("MYEVENTS_A", "1"), ("MYEVENTS_C", "")]
        );
    }

    #[test]
    fn the_example_is_held_to_the_table() {
        every_variable_is_there().unwrap();
    }
}
