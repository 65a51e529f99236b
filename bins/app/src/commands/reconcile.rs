//! `reconcile`: each event's counter against its bookings; with `--repair` the counter is set right.

use std::process::ExitCode;

use anyhow::{Result, bail};
use myevents_core::runtime::config::{ServiceName, Settings};

use super::say;
use crate::background::EventWalk;
use crate::stores;

pub(super) async fn run(settings: &Settings, repair: bool) -> Result<ExitCode> {
    if settings.service(ServiceName::Booking).is_none() {
        bail!("counters are the booking service's: run this with `bookingservice` or `myevents`");
    }
    stores::with_open(settings, true, async |stores| {
        let (mut checked, mut off) = (0_u64, 0_u64);
        for (_, open) in stores
            .iter()
            .filter(|(service, _)| *service == ServiceName::Booking)
        {
            let mut walk = EventWalk::default();
            while let Some(events) = walk.next(&*open.store).await? {
                for event in events {
                    let Some(found) = open.store.reconcile(&event, repair).await? else {
                        continue;
                    };
                    checked += 1;
                    if found.drift != 0 {
                        off += 1;
                        say(format_args!(
                            "{event}: off by {}: sold {}, confirmed bookings hold {}",
                            found.drift, found.sold, found.confirmed
                        ));
                    }
                }
            }
        }
        let repaired = if repair && off > 0 { ", repaired" } else { "" };
        say(format_args!("{checked} counters checked, {off} off{repaired}"));
        Ok(if off == 0 || repair {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
    .await
}
