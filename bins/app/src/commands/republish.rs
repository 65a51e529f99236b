//! `republish`: announce stored events again with their version; receivers that have them change nothing.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use myevents_core::domain::{EventId, UnixSeconds};
use myevents_core::relay::handover;
use myevents_core::runtime::config::{ServiceName, Settings};
use myevents_core::service::EventService;

use super::say;
use crate::stores;

pub(super) async fn run(
    settings: &Settings,
    since: Option<String>,
    event: Option<String>,
) -> Result<ExitCode> {
    if settings.service(ServiceName::Event).is_none() {
        bail!("events are the event service's: run this with `eventservice` or `myevents`");
    }
    let since = since.map(|text| time(&text)).transpose()?;
    let event = event.map(|id| EventId::parse(&id)).transpose()?;
    stores::with_open(settings, true, async |stores| {
        for (_, open) in stores
            .iter()
            .filter(|(service, _)| *service == ServiceName::Event)
        {
            // No relay is here: the messages are left in the outbox for the running service.
            let (to_relay, _offered) = handover(0);
            let service = EventService::new(open.store.clone(), to_relay);
            let count = match &event {
                Some(id) => {
                    service.republish_event(id).await?;
                    1
                }
                None => service.republish_all(since, |_| {}).await?,
            };
            say(format_args!(
                "{count} events will be announced by the running service"
            ));
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn time(text: &str) -> Result<UnixSeconds> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixSeconds::parse("since", seconds)?);
    }
    let time: jiff::Timestamp = text
        .parse()
        .with_context(|| format!("`{text}` is no time; write Unix seconds, or 2030-01-31T20:00:00Z"))?;
    Ok(UnixSeconds::parse("since", time.as_second())?)
}
