//! `migrate mongodb`: what the original system left in its database, into the stores of this program.

use std::process::ExitCode;

use anyhow::{Context, Result};
use myevents_adapters::connect;
use myevents_core::runtime::config::{ServiceSettings, Settings};

use super::progress::Progress;
use super::{parts, say};
use crate::stores;

pub(super) async fn run(settings: &Settings, from: Option<String>, dry_run: bool) -> Result<ExitCode> {
    let configured = settings.services.iter().find_map(mongodb_url);
    let url = from
        .or(configured)
        .context("the stores in force are none of MongoDB: name the original's database with --from URL")?;
    stores::with_open(settings, false, async |stores| {
        let mut skipped = 0;
        for part in parts(stores) {
            let done = connect::migrate_mongodb(&url, part, dry_run, &mut Progress::new("read")).await;
            let tallies = done.with_context(|| {
                format!(
                    "bringing over the records of the {}; run it again to complete it",
                    part.role
                )
            })?;
            for (collection, tally) in tallies {
                skipped += tally.skipped;
                say(format_args!(
                    "{}: {collection}: {} {}, {} there already, {} not taken",
                    part.role,
                    tally.taken,
                    if dry_run { "would be taken" } else { "taken" },
                    tally.existing,
                    tally.skipped
                ));
            }
        }
        if skipped > 0 {
            say(format_args!(
                "{skipped} documents were not taken; the reasons are above"
            ));
        }
        if !dry_run {
            say("run `republish` once the service is up, so that everybody hears of the events");
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn mongodb_url(service: &ServiceSettings) -> Option<String> {
    let connection = service.connection.as_ref()?;
    (service.database == "mongodb").then(|| connection.reveal().to_owned())
}
