//! `backup` and `restore`: a consistent copy while the service runs, and putting it back.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use myevents_adapters::connect;
use myevents_core::runtime::config::Settings;

use super::say;
use crate::stores;

pub(super) async fn backup(settings: &Settings, folder: &Path) -> Result<ExitCode> {
    stores::with_open(settings, true, async |stores| {
        // The bookings first: the copy of the events is then never older than what was booked of them.
        for (service, open) in stores.iter().rev() {
            let path = open.tools.backup(folder).await?;
            say(format_args!("{service}: {}", path.display()));
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

pub(super) async fn restore(settings: &Settings, folder: &Path) -> Result<ExitCode> {
    for service in &settings.services {
        let options = stores::options(settings, service, false);
        let (place, from) = (options.location.clone(), folder.to_owned());
        tokio::task::spawn_blocking(move || connect::restore(&options, &from))
            .await?
            .with_context(|| format!("the store of the {}", service.service))?;
        say(format_args!("{}: {place}", service.service));
    }
    Ok(ExitCode::SUCCESS)
}
