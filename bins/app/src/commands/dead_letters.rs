//! `dead-letters`: what consumers gave up on; back to them, or away.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use myevents_core::ports::{DeadLetterId, DeadLetterQueue};
use myevents_core::runtime::config::Settings;

use super::marked::{mark, of_service};
use super::say;
use crate::cli::{Ids, LetterAction};
use crate::stores;

const PAGE: usize = 100;

pub(super) async fn run(settings: &Settings, action: Option<LetterAction>) -> Result<ExitCode> {
    stores::with_open(settings, true, async |stores| {
        let mut found = 0;
        for (service, open) in stores {
            let letters = &open.dead_letters;
            match action.as_ref().unwrap_or(&LetterAction::List) {
                LetterAction::List => {
                    let mut after = None;
                    loop {
                        let page = letters.list(after.as_ref(), PAGE).await?;
                        for (id, letter) in page.items {
                            found += 1;
                            say(format_args!(
                                "{}  {}  {} tries  {}  {}",
                                mark(*service, &id),
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
                    let ids = pick(&**letters, wanted, *service, stores.len()).await?;
                    found += letters.resend(&ids).await?;
                }
                LetterAction::Drop(wanted) => {
                    let ids = pick(&**letters, wanted, *service, stores.len()).await?;
                    found += letters.discard(&ids).await?;
                }
            }
        }
        match action {
            None | Some(LetterAction::List) => say(format_args!("{found} dead letters")),
            Some(LetterAction::Resend(wanted)) => {
                say(format_args!(
                    "{found} marked; the running service sends them to their consumer"
                ));
                ensure!(found > 0 || wanted.all, "no dead letter has these ids");
            }
            Some(LetterAction::Drop(wanted)) => {
                say(format_args!("{found} deleted"));
                ensure!(found > 0 || wanted.all, "no dead letter has these ids");
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

async fn pick(
    letters: &dyn DeadLetterQueue,
    wanted: &Ids,
    service: myevents_core::runtime::config::ServiceName,
    services: usize,
) -> Result<Vec<DeadLetterId>> {
    if !wanted.all {
        let own = of_service(&wanted.ids, service, services)?;
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
