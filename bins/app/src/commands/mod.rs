//! The operators' commands, one file each.

pub(crate) mod api_keys;
pub(crate) mod asyncapi;
pub(crate) mod check_config;
mod check_store;
mod copies;
mod dead_letters;
pub(crate) mod dev_cert;
mod export;
pub(crate) mod health;
mod import;
mod marked;
mod migrate;
pub(crate) mod openapi;
mod outbox;
mod progress;
mod rebuild;
mod reconcile;
mod republish;

use std::process::ExitCode;

use anyhow::{Result, bail};
use myevents_adapters::connect::OpenStore;
use myevents_adapters::transfer::{Counts, Part};
use myevents_core::runtime::config::{ServiceName, Settings};

use crate::cli::{Command, Origin};

/// Runs a command that needs the stores.
pub(crate) async fn run(settings: &Settings, command: Command) -> Result<ExitCode> {
    match command {
        Command::CheckStore => check_store::run(settings).await,
        Command::ApiKeys { action } => api_keys::run(settings, action).await,
        Command::DeadLetters { action } => dead_letters::run(settings, action).await,
        Command::Outbox { action } => outbox::run(settings, action).await,
        Command::Rebuild => rebuild::run(settings).await,
        Command::Reconcile { repair } => reconcile::run(settings, repair).await,
        Command::Republish { since, event } => republish::run(settings, since, event).await,
        Command::Backup { folder } => copies::backup(settings, &folder).await,
        Command::Restore { folder } => copies::restore(settings, &folder).await,
        Command::Export {
            output,
            without_messages,
        } => export::run(settings, &output, without_messages).await,
        Command::Import { input } => import::run(settings, &input).await,
        Command::Migrate {
            from: Origin::Mongodb { from, dry_run },
        } => migrate::run(settings, from, dry_run).await,
        other => bail!("{other:?} needs no store"),
    }
}

/// Prints a line of a command's answer.
#[allow(clippy::print_stdout, reason = "a command's answer goes to standard output")]
pub(crate) fn say(line: impl std::fmt::Display) {
    println!("{line}");
}

/// The program's stores, as those that records are moved from or into.
fn parts(stores: &[(ServiceName, OpenStore)]) -> Vec<Part<'_>> {
    let stores = stores.iter();
    stores
        .map(|(service, store)| Part {
            role: service.as_str(),
            store,
        })
        .collect()
}

/// What was moved, a line a store.
fn told(counts: &Counts) -> Vec<String> {
    let line = |(role, kinds): (&String, &std::collections::BTreeMap<String, u64>)| {
        let kinds: Vec<_> = kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        format!("{role}: {}", kinds.join(", "))
    };
    counts.iter().map(line).collect()
}
