//! `check-store`: the file, the counters against the bookings, the messages.

use std::process::ExitCode;

use anyhow::Result;
use myevents_core::runtime::config::Settings;

use super::say;
use crate::stores;

pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    stores::with_open(settings, true, async |stores| {
        let mut sound = true;
        for (service, open) in stores {
            let found = open.tools.check().await?;
            sound &= found.sound;
            say(format_args!("{service}: {}", found.report));
        }
        Ok(if sound {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
    .await
}
