//! The operators' commands, one file each.

pub(crate) mod check_config;
mod check_store;
mod copies;
mod dead_letters;
pub(crate) mod dev_cert;
pub(crate) mod health;
mod marked;
pub(crate) mod openapi;
mod outbox;
mod rebuild;
mod reconcile;
mod republish;

use std::process::ExitCode;

use anyhow::{Result, bail};
use myevents_core::runtime::config::Settings;

use crate::cli::Command;

/// Runs a command that needs the stores.
pub(crate) async fn run(settings: &Settings, command: Command) -> Result<ExitCode> {
    match command {
        Command::CheckStore => check_store::run(settings).await,
        Command::DeadLetters { action } => dead_letters::run(settings, action).await,
        Command::Outbox { action } => outbox::run(settings, action).await,
        Command::Rebuild => rebuild::run(settings).await,
        Command::Reconcile { repair } => reconcile::run(settings, repair).await,
        Command::Republish { since, event } => republish::run(settings, since, event).await,
        Command::Backup { folder } => copies::backup(settings, &folder).await,
        Command::Restore { folder } => copies::restore(settings, &folder).await,
        other => bail!("{other:?} needs no store"),
    }
}

/// Prints a line of a command's answer.
#[allow(clippy::print_stdout, reason = "a command's answer goes to standard output")]
pub(crate) fn say(line: impl std::fmt::Display) {
    println!("{line}");
}
