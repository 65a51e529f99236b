//! One delivery from its turn to its settlement: inbox, handler, retries, dead letter, acknowledgement.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::Instrument;

use crate::crash;
use crate::dispatch::builder::Route;
use crate::dispatch::dead_letter;
use crate::dispatch::handler::Context;
use crate::dispatch::held::Held;
use crate::dispatch::keyed::Turn;
use crate::dispatch::run::Run;
use crate::dispatch::trace;
use crate::error::{Error, ErrorKind, Result};
use crate::observe::Observation;
use crate::ports::{Begin, InboxToken};

/// How far a delivery has come.
struct Progress {
    /// Failed tries in place.
    failures: u32,
    /// Waits between them, all together.
    waited: Duration,
    /// Waits for our own store, or for another holder, in a row.
    away: u32,
}

/// What is to happen with the delivery.
enum Step {
    Done,
    /// Another consumer has it.
    Lost,
    Again,
    GiveBack(Duration),
    DeadLetter(Error, Option<InboxToken>),
}

/// Brings a delivery to its end. Answers whether it was settled; otherwise it was given back.
pub(super) async fn work(run: &Run, mut held: Held, turn: Option<Turn>) -> bool {
    if let Some(turn) = turn {
        let before = tokio::select! {
            biased;
            before = held.during(turn) => before.is_ok(),
            () = run.stop.cancelled() => false,
        };
        // What came before was given back and comes again: this one must not overtake it.
        if !before {
            held.give_back(Duration::ZERO).await;
            return false;
        }
    }
    let envelope = held.delivery().envelope.clone();
    let Some(route) = run.core.routes.get(envelope.name()) else {
        run.core.observer.observe(&Observation::MessageIgnored {
            consumer: &run.core.group,
            name: envelope.name(),
        });
        held.ack().await;
        return true;
    };
    let mut progress = Progress {
        failures: 0,
        waited: Duration::ZERO,
        away: 0,
    };
    loop {
        match attempt(run, route, &mut held, &mut progress).await {
            Step::Again => {}
            Step::Done => {
                crash::point("dispatch.before-ack").await;
                held.ack().await;
                return true;
            }
            Step::Lost => {
                tracing::debug!(message = %envelope.id(), "a message is another consumer's by now; it is not handled here");
                return false;
            }
            Step::GiveBack(delay) => {
                held.give_back(delay).await;
                return false;
            }
            Step::DeadLetter(error, token) => {
                return give_up(run, route, held, &mut progress, &error, token).await;
            }
        }
    }
}

/// One try, and the wait after it where it is to be tried again in place.
async fn attempt(run: &Run, route: &Route, held: &mut Held, progress: &mut Progress) -> Step {
    let core = &run.core;
    let permit = tokio::select! {
        biased;
        () = run.stop.cancelled() => return Step::GiveBack(Duration::ZERO),
        permit = held.during(core.permits.acquire()) => permit,
    };
    let Ok(permit) = permit else {
        return Step::GiveBack(Duration::ZERO);
    };
    // It may have waited for long. With a key that moved, its later messages must not be handled at both.
    if !held.is_ours().await {
        return Step::Lost;
    }
    let message = held.delivery().envelope.id().clone();
    let mark = match &route.inbox {
        None => None,
        Some(inbox) => match held.during(inbox.begin(&core.group, &message)).await {
            Ok(Begin::Fresh(token)) => Some(token),
            Ok(Begin::Done) => return Step::Done,
            Ok(Begin::InProgress) => {
                drop(permit);
                return in_progress(run, held, progress).await;
            }
            Err(error) => {
                drop(permit);
                return store_away(run, held, progress, &error).await;
            }
        },
    };
    crash::point("dispatch.before-handler").await;
    let tried = held.delivery().attempt.saturating_add(progress.failures);
    let result = handle(run, route, held, tried, mark.clone()).await;
    crash::point("dispatch.after-handler").await;
    drop(permit);
    let error = match result {
        Ok(()) => return complete(run, route, held, progress, mark).await,
        Err(error) => error,
    };
    if let (Some(inbox), Some(token)) = (&route.inbox, &mark) {
        held.during(inbox.abandon(token)).await;
    }
    if is_away(error.kind()) {
        return store_away(run, held, progress, &error).await;
    }
    progress.away = 0;
    progress.failures += 1;
    if error.kind() == ErrorKind::Malformed || tried >= core.options.max_attempts {
        return Step::DeadLetter(error, mark);
    }
    // Where the broker has no order the waiting happens there, and its count is the count of tries.
    let delay = core.options.backoff.delay(tried);
    core.observer.observe(&Observation::MessageRetried {
        consumer: &core.group,
        name: held.delivery().envelope.name(),
    });
    tracing::warn!(message = %message, attempt = tried, %error, "a handler failed; the message is tried again");
    if !run.in_order() {
        return Step::GiveBack(delay);
    }
    if progress.waited + delay > core.options.max_wait {
        return Step::DeadLetter(error, mark);
    }
    progress.waited += delay;
    wait(run, held, delay).await
}

/// Errors that say nothing about the message: our own store did not do its part.
fn is_away(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unavailable | ErrorKind::OutcomeUnknown | ErrorKind::Overloaded
    )
}

/// Runs the handler to its end, whatever it takes: two of one message never run at once.
async fn handle(
    run: &Run,
    route: &Route,
    held: &mut Held,
    attempt: u32,
    mark: Option<InboxToken>,
) -> Result<()> {
    let core = &run.core;
    let envelope = held.delivery().envelope.clone();
    let span = trace::span(&core.group, &envelope, attempt);
    let exported = crate::trace::process(&core.group, &envelope, attempt);
    let cancelled = run.deadline.child_token();
    let context = Context {
        envelope: envelope.clone(),
        attempt,
        mark,
        cancelled: cancelled.clone(),
    };
    let started = Instant::now();
    let work = AssertUnwindSafe(route.handler.handle(context)).catch_unwind();
    let bounded = async {
        tokio::pin!(work);
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = tokio::time::sleep(core.options.handler_timeout) => {}
        }
        tracing::warn!("a handler takes too long; it is told to stop and waited for");
        cancelled.cancel();
        work.await
    };
    let bounded = bounded.instrument(span).instrument(exported.clone());
    let result = match held.during(bounded).await {
        Ok(result) => result,
        Err(panic) => Err(panicked(&*panic)),
    };
    match &result {
        Ok(()) => {
            core.observer.observe(&Observation::MessageHandled {
                consumer: &core.group,
                name: envelope.name(),
                elapsed: started.elapsed(),
            });
        }
        Err(error) => crate::trace::failed(&exported, error),
    }
    result
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::new(
        ErrorKind::Internal,
        "handle message",
        format!("the handler panicked: {said}"),
    )
}

/// Marks the message done; until that is stored it is not acknowledged.
async fn complete(
    run: &Run,
    route: &Route,
    held: &mut Held,
    progress: &mut Progress,
    mark: Option<InboxToken>,
) -> Step {
    let (Some(inbox), Some(token)) = (&route.inbox, mark) else {
        return Step::Done;
    };
    loop {
        match held.during(inbox.inbox.complete(&token)).await {
            Ok(true) => return Step::Done,
            // The lease ran out and another took over: its outcome counts, not ours.
            Ok(false) => return in_progress(run, held, progress).await,
            Err(error) => match store_away(run, held, progress, &error).await {
                Step::Again => {}
                other => return other,
            },
        }
    }
}

/// Another holds the message: waits for its outcome without using up an attempt.
async fn in_progress(run: &Run, held: &mut Held, progress: &mut Progress) -> Step {
    progress.away += 1;
    let delay = run.core.options.away_backoff.delay(progress.away);
    if !run.in_order() || held.is_overdue() {
        return Step::GiveBack(delay);
    }
    wait(run, held, delay).await
}

/// Our own store is away: nothing more is taken meanwhile, and no attempt is used up.
async fn store_away(run: &Run, held: &mut Held, progress: &mut Progress, error: &Error) -> Step {
    // Another error speaks of this message or its place only: the others go on.
    let _away = is_away(error.kind()).then(|| run.core.away());
    progress.away += 1;
    if held.is_overdue() {
        return Step::GiveBack(Duration::ZERO);
    }
    tracing::warn!(%error, "a handler can't work for now; the message is held and tried again");
    wait(run, held, run.core.options.away_backoff.delay(progress.away)).await
}

async fn wait(run: &Run, held: &mut Held, delay: Duration) -> Step {
    tokio::select! {
        biased;
        () = run.stop.cancelled() => Step::GiveBack(Duration::ZERO),
        () = held.during(tokio::time::sleep(delay)) => Step::Again,
    }
}

/// Stores the dead letter, then acknowledges: a crash in between repeats the letter, it never loses the message.
async fn give_up(
    run: &Run,
    route: &Route,
    mut held: Held,
    progress: &mut Progress,
    error: &Error,
    token: Option<InboxToken>,
) -> bool {
    let core = &run.core;
    // The last try was counted among the failures already.
    let attempts = held
        .delivery()
        .attempt
        .saturating_add(progress.failures.saturating_sub(1));
    let letter = dead_letter::letter(core, held.delivery(), attempts, error);
    tracing::error!(message = %letter.envelope.id(), name = %letter.envelope.name(), attempts, %error, "a message goes to the dead letters");
    while let Err(error) = held.during(core.dead_letters.put(&letter)).await {
        if let Step::GiveBack(delay) = store_away(run, &mut held, progress, &error).await {
            held.give_back(delay).await;
            return false;
        }
    }
    if let (Some(inbox), Some(token)) = (&route.inbox, &token) {
        held.during(inbox.abandon(token)).await;
    }
    core.observer.observe(&Observation::MessageDeadLettered {
        consumer: &core.group,
        name: letter.envelope.name(),
    });
    held.ack().await;
    true
}
