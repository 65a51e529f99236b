//! `check-config`: what is in force and where it came from, and whether mail can be set up with it.

use std::process::ExitCode;

use anyhow::Result;
use myevents_core::runtime::config::Settings;

use super::say;
use crate::mail;

pub(crate) fn run(settings: &Settings) -> Result<ExitCode> {
    for entry in &settings.in_force {
        let key = match entry.service {
            Some(service) => format!("{service}.{}", entry.key),
            None => entry.key.to_owned(),
        };
        say(format_args!("{key} = {}  ({})", entry.value, entry.origin));
    }
    for warning in &settings.warnings {
        say(format_args!("warning: {warning}"));
    }
    // What a start would find: a program without mail, files that can't be read. Nothing is connected.
    mail::open(settings)?;
    Ok(ExitCode::SUCCESS)
}
