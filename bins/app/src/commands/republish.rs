//! `republish`: announce stored events again with their version; receivers that have them change nothing.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use myevents_core::domain::{EventId, UnixSeconds};
use myevents_core::ports::{RandomIds, SystemClock};
use myevents_core::relay::handover;
use myevents_core::runtime::config::{ServiceName, Settings};
use myevents_core::service::{EventService, Republished};

use super::say;
use crate::{brokers, stores};

pub(super) async fn run(
    settings: &Settings,
    since: Option<String>,
    event: Option<String>,
) -> Result<ExitCode> {
    let Some(service) = settings.service(ServiceName::Event) else {
        bail!("events are the event service's: run this with `eventservice` or `myevents`");
    };
    let since = since.map(|text| time(&text)).transpose()?;
    let event = event.map(|id| EventId::parse(&id)).transpose()?;
    let largest = brokers::largest_message(settings, service).await?;
    let done = stores::with_open(settings, true, async |stores| {
        let mut done = Republished::default();
        for (_, open) in stores
            .iter()
            .filter(|(service, _)| *service == ServiceName::Event)
        {
            // No relay is here: the messages are left in the outbox for the running service.
            let (to_relay, _offered) = handover(0);
            let service = EventService::with_parts(
                open.store.clone(),
                to_relay,
                Arc::new(SystemClock),
                Arc::new(RandomIds),
                largest,
            );
            if let Some(id) = &event {
                service.republish_event(id).await?;
                done.announced += 1;
                continue;
            }
            let passed_over = |id: &EventId, error: &myevents_core::Error| {
                say(format_args!("{id}: passed over: {}", error.message()));
            };
            let all = service.republish_all(since, |_| {}, passed_over).await?;
            done.announced += all.announced;
            done.too_large += all.too_large;
        }
        Ok(done)
    })
    .await?;
    say(format_args!(
        "{} events will be announced by the running service",
        done.announced
    ));
    if done.too_large == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "{} events were passed over: their messages are larger than {largest} bytes, the most that is allowed and the broker takes",
        done.too_large
    ));
    Ok(ExitCode::FAILURE)
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
