//! `outbox`: what waits for the broker, and what it refused for good.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use myevents_core::ports::{Clock, ParkedMessage, RowId, Store, SystemClock};
use myevents_core::runtime::config::{ServiceName, Settings};

use super::marked::{mark, of_place};
use super::say;
use crate::cli::{Ids, OutboxAction};
use crate::stores;

const PAGE: usize = 100;

pub(super) async fn run(settings: &Settings, action: Option<OutboxAction>) -> Result<ExitCode> {
    let action = action.unwrap_or(OutboxAction::List);
    stores::with_open(settings, true, async |stores| {
        let mut found = 0;
        for (service, open) in stores {
            let store = &*open.store;
            match &action {
                OutboxAction::Depth => depth(*service, store).await?,
                OutboxAction::List => {
                    depth(*service, store).await?;
                    parked(*service, store).await?;
                }
                OutboxAction::Parked => parked(*service, store).await?,
                OutboxAction::Resend(wanted) => {
                    found += store
                        .resend(&pick(store, wanted, *service, stores.len()).await?)
                        .await?;
                }
                OutboxAction::Drop(wanted) => {
                    found += store
                        .discard(&pick(store, wanted, *service, stores.len()).await?)
                        .await?;
                }
            }
        }
        let (done, wanted) = match &action {
            OutboxAction::Resend(wanted) => ("may be sent again; the running service does it", wanted),
            OutboxAction::Drop(wanted) => ("deleted", wanted),
            _ => return Ok(ExitCode::SUCCESS),
        };
        say(format_args!("{found} {done}"));
        ensure!(found > 0 || wanted.all, "no parked message has these ids");
        Ok(ExitCode::SUCCESS)
    })
    .await
}

async fn depth(service: ServiceName, store: &dyn Store) -> Result<()> {
    let depth = store.depth().await?;
    let age = depth
        .oldest
        .map_or(0, |oldest| (SystemClock.now().0 - oldest.0).max(0) / 1_000);
    say(format_args!(
        "{service}: {} waiting, the oldest for {age} s, {} parked",
        depth.rows, depth.parked
    ));
    Ok(())
}

async fn all_parked(store: &dyn Store) -> Result<Vec<ParkedMessage>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = store.parked(after.as_ref(), PAGE).await?;
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

async fn parked(service: ServiceName, store: &dyn Store) -> Result<()> {
    for message in all_parked(store).await? {
        say(format_args!(
            "{}  {}  {}  {}",
            mark(service.as_str(), &message.id),
            message.envelope.name(),
            message.envelope.id(),
            message.reason
        ));
    }
    Ok(())
}

async fn pick(store: &dyn Store, wanted: &Ids, service: ServiceName, services: usize) -> Result<Vec<RowId>> {
    if wanted.all {
        return Ok(all_parked(store)
            .await?
            .into_iter()
            .map(|message| message.id)
            .collect());
    }
    let unmarked = (services == 1).then_some(service.as_str());
    let own = of_place(&wanted.ids, service.as_str(), unmarked)?;
    Ok(own.into_iter().map(|id| RowId(Arc::from(id))).collect())
}
