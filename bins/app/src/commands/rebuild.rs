//! `rebuild`: the booking service's copy of events and locations, built anew from the log of a broker that keeps one.
//!
//! It merges by version and deletes nothing, so it may run beside the service and as often as one likes.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use myevents_adapters::connect::{self, ReplayProgress};
use myevents_core::dispatch::{Dispatch, DispatchOptions};
use myevents_core::observe::NoObserver;
use myevents_core::ports::{DatabaseHandler, DeadLetter, DeadLetterId, DeadLetters, PageOf, StartFrom};
use myevents_core::projection;
use myevents_core::runtime::config::{ServiceName, Settings};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::say;
use crate::{brokers, stores};

/// The name that it reads the log under: its own, so that the service's place in the log stays where it is.
const CONSUMER: &str = "bookingservice.rebuild";
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Handlers that are still at work when the log's end is reached are waited for.
const LAST_ONES: Duration = Duration::from_secs(300);

pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let Some(service) = settings.service(ServiceName::Booking) else {
        bail!("the copy is the booking service's: run this with `bookingservice` or `myevents`");
    };
    let options = brokers::options(settings, service);
    let broker = connect::broker(&options, Arc::new(NoObserver)).await?;
    let replay = broker.tools.replay()?;
    stores::with_open(settings, true, async |stores| {
        let (_, open) = stores
            .iter()
            .find(|(name, _)| *name == ServiceName::Booking)
            .context("a service without store")?;
        let passed_over = Arc::new(PassedOver::default());
        let store: Arc<dyn DatabaseHandler> = open.store.clone();
        let dispatch = projection::register(Dispatch::builder(CONSUMER), store)
            .dead_letters(Arc::<PassedOver>::clone(&passed_over))
            .options(DispatchOptions {
                from: StartFrom::Beginning,
                shutdown_timeout: LAST_ONES,
                ..DispatchOptions::default()
            })
            .build()?;
        let listener = Arc::clone(&replay.listener);
        tokio::select! {
            biased;
            ended = dispatch.run(listener, CancellationToken::new()) => ended?,
            () = tell(replay.progress.clone()) => {}
        }
        let mut progress = replay.progress.clone();
        let whole = progress.wait_for(|progress| progress.done == progress.total);
        let whole = tokio::time::timeout(TELL_EVERY, whole).await;
        ensure!(
            matches!(whole, Ok(Ok(_))),
            "the log was not read to its end; what was read is merged, so run this again"
        );
        let total = replay.progress.borrow().total;
        say(format_args!(
            "{total} messages read, {} passed over; the copy has all that the log tells",
            passed_over.0.load(Ordering::Relaxed)
        ));
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// Says how far it is, for ever.
async fn tell(progress: watch::Receiver<ReplayProgress>) {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        let ReplayProgress { done, total } = *progress.borrow();
        say(format_args!("{done} of {total} messages"));
    }
}

/// Messages that can't be merged. They are in the log for good, and among the service's dead letters already.
#[derive(Debug, Default)]
struct PassedOver(AtomicU64);

#[async_trait]
impl DeadLetters for PassedOver {
    async fn put(&self, letter: &DeadLetter) -> myevents_core::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            origin = letter.origin,
            reason = letter.reason,
            "a message is passed over"
        );
        Ok(())
    }

    async fn list(
        &self,
        _after: Option<&DeadLetterId>,
        _limit: usize,
    ) -> myevents_core::Result<PageOf<(DeadLetterId, DeadLetter), DeadLetterId>> {
        Ok(PageOf {
            items: Vec::new(),
            next: None,
        })
    }

    async fn resend(&self, _ids: &[DeadLetterId]) -> myevents_core::Result<usize> {
        Ok(0)
    }

    async fn discard(&self, _ids: &[DeadLetterId]) -> myevents_core::Result<usize> {
        Ok(0)
    }

    async fn count(&self) -> myevents_core::Result<u64> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}
