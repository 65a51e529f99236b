//! `dead-letters`: what consumers gave up on; back to them, or away.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use myevents_core::mail;
use myevents_core::memory::MemoryStore;
use myevents_core::observe::{NoObserver, Observer};
use myevents_core::ports::{DeadLetterId, DeadLetters, SystemClock};
use myevents_core::runtime::config::{ServiceName, Settings};

use super::marked::{mark, of_place};
use super::say;
use crate::cli::{Ids, LetterAction};
use crate::{brokers, stores};

const PAGE: usize = 100;

/// Each place of dead letters: the service in whose store they are, or the consumer group.
type Places = [(&'static str, Arc<dyn DeadLetters>)];

/// `local` keeps dead letters in the services' stores; a broker over a network keeps them itself.
pub(super) async fn run(settings: &Settings, action: Option<LetterAction>) -> Result<ExitCode> {
    if settings.broker == "local" {
        return stores::with_open(settings, true, async |stores| {
            let places: Vec<(&str, Arc<dyn DeadLetters>)> = stores
                .iter()
                .map(|(service, open)| {
                    (
                        service.as_str(),
                        open.dead_letters.clone() as Arc<dyn DeadLetters>,
                    )
                })
                .collect();
            let sent = "marked; the running service sends them to their consumer";
            let unmarked = match places[..] {
                [(only, _)] => Some(only),
                _ => None,
            };
            act(&places, unmarked, action, sent).await
        })
        .await;
    }
    let observer: Arc<dyn Observer> = Arc::new(NoObserver);
    let open = brokers::open(settings, &observer).await?;
    // Only the booking service consumes.
    let booking = settings.service(ServiceName::Booking);
    let own = ServiceName::Booking.as_str();
    // Letters stay when mail is turned off.
    let mails = booking.map(|booking| (mail::GROUP, crate::mail::group(booking, &settings.broker)));
    let mailing = booking.is_some_and(|booking| booking.mail.is_some());
    let groups: Vec<_> = [(own, own.to_owned())].into_iter().chain(mails).collect();
    let places: Vec<_> = open
        .iter()
        .filter(|(service, _)| *service == ServiceName::Booking)
        .flat_map(|(_, broker)| groups.iter().map(move |(place, group)| (broker, *place, group)))
        .map(|(broker, place, group)| {
            // The rows of a store are for brokers that have no place of their own.
            let none = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
            (place, broker.tools.dead_letters(group, none))
        })
        .collect();
    let unmarked = (!mailing).then_some(own);
    let done = act(&places, unmarked, action, "sent back to their consumer").await;
    brokers::close(&open).await;
    done
}

/// Does it everywhere; an id without a mark is one of place `unmarked`.
async fn act(
    places: &Places,
    unmarked: Option<&str>,
    action: Option<LetterAction>,
    sent: &str,
) -> Result<ExitCode> {
    let mut found = 0;
    for (place, letters) in places {
        match action.as_ref().unwrap_or(&LetterAction::List) {
            LetterAction::List => {
                let mut after = None;
                loop {
                    let page = letters.list(after.as_ref(), PAGE).await?;
                    for (id, letter) in page.items {
                        found += 1;
                        say(format_args!(
                            "{}  {}  {} tries  {}  {}",
                            mark(place, &id),
                            letter.envelope.name(),
                            letter.attempts,
                            letter.envelope.id(),
                            letter.reason
                        ));
                    }
                    match page.next {
                        Some(next) => after = Some(next),
                        None => break,
                    }
                }
            }
            LetterAction::Resend(wanted) => {
                let ids = pick(&**letters, wanted, place, unmarked).await?;
                found += letters.resend(&ids).await?;
            }
            LetterAction::Drop(wanted) => {
                let ids = pick(&**letters, wanted, place, unmarked).await?;
                found += letters.discard(&ids).await?;
            }
        }
    }
    match action {
        None | Some(LetterAction::List) => say(format_args!("{found} dead letters")),
        Some(LetterAction::Resend(wanted)) => {
            say(format_args!("{found} {sent}"));
            ensure!(found > 0 || wanted.all, "no dead letter has these ids");
        }
        Some(LetterAction::Drop(wanted)) => {
            say(format_args!("{found} deleted"));
            ensure!(found > 0 || wanted.all, "no dead letter has these ids");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn pick(
    letters: &dyn DeadLetters,
    wanted: &Ids,
    place: &str,
    unmarked: Option<&str>,
) -> Result<Vec<DeadLetterId>> {
    if !wanted.all {
        let own = of_place(&wanted.ids, place, unmarked)?;
        return Ok(own.into_iter().map(|id| DeadLetterId(Arc::from(id))).collect());
    }
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = letters.list(after.as_ref(), PAGE).await?;
        ids.extend(page.items.into_iter().map(|(id, _)| id));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(ids),
        }
    }
}
