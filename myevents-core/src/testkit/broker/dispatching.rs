//! Cases of listener and dispatch together: retries, dead letters, stopping, the inbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::BrokerFixture;
use super::tools::{
    Made, Notes, PATIENCE, Running, emit_one, eventually, finished, made, message, named, publish, quick,
    repeats, restarted,
};
use crate::contract::{Envelope, MessageName};
use crate::dispatch::{Backoff, Context, Dispatch, DispatchOptions};
use crate::error::{Error, ErrorKind};
use crate::layer::{Chaos, FaultRates, Layered};
use crate::memory::MemoryStore;
use crate::ports::SystemClock;
use crate::testkit::{CaseResult, Finding, ensure};

fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::Internal, "handle suite message", message)
}

/// C08: a failed message is tried again not before its backoff's lower bound, and not after its upper one.
pub(super) async fn backoff(fixture: &dyn BrokerFixture) -> CaseResult {
    const FAILURES: usize = 3;
    let place = fixture.place().await?;
    let options = DispatchOptions {
        backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(2)),
        ..quick()
    };
    let backoff = options.backoff;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&tries);
    let dispatch = Dispatch::builder("backing-off")
        .on(move |_: Made, context: Context| {
            let noted = Arc::clone(&noted);
            async move {
                let mut noted = noted.lock();
                noted.push((context.attempt(), Instant::now()));
                if noted.len() <= FAILURES {
                    return Err(refused("not yet"));
                }
                Ok(())
            }
        })
        .dead_letters(place.dead_letters("backing-off").await?)
        .options(options)
        .build()?;
    let running = Running::start(dispatch, place.listener().await?).await;
    finished(publish(&place.emitter().await?, vec![made("k", 1)], 1)).await?;
    eventually("the last try", || async { Ok(tries.lock().len() > FAILURES) }).await?;
    running.stop().await?;
    let tries = tries.lock().clone();
    let mut longest = Duration::ZERO;
    for (failures, pair) in (1..).zip(tries.windows(2)) {
        let ((attempt, before), (next, after)) = (pair[0], pair[1]);
        ensure!(next == attempt + 1, "attempt {attempt} was followed by {next}");
        let waited = after - before;
        let (least, most) = backoff.bounds(failures);
        ensure!(
            waited >= least && waited <= most + fixture.times().slack,
            "after {failures} failures it waited {waited:?}, not {least:?} to {most:?}"
        );
        longest = longest.max(waited.saturating_sub(most));
    }
    Ok(Finding::counted(format!(
        "at most {} ms past the upper bound",
        longest.as_millis()
    )))
}

/// C09: after the last attempt a message is a dead letter exactly once; sent back, it is handled and gone.
pub(super) async fn dead_letter(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let letters = place.dead_letters("giving-up").await?;
    let (calls, well) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, is_well) = (Arc::clone(&calls), Arc::clone(&well));
    let dispatch = Dispatch::builder("giving-up")
        .on(move |_: Made, _: Context| {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = if is_well.load(Ordering::SeqCst) {
                Ok(())
            } else {
                Err(refused("the suite says no"))
            };
            async move { answer }
        })
        .dead_letters(Arc::clone(&letters))
        .options(DispatchOptions {
            max_attempts: 3,
            ..quick()
        })
        .build()?;
    let running = Running::start(dispatch, place.listener().await?).await;
    let sent = made("k", 1);
    finished(publish(&place.emitter().await?, vec![sent.clone()], 1)).await?;
    eventually("the dead letter", || async { Ok(letters.count().await? > 0) }).await?;
    tokio::time::sleep(fixture.times().quiet).await;
    ensure!(
        calls.load(Ordering::SeqCst) == 3,
        "{} tries of 3",
        calls.load(Ordering::SeqCst)
    );
    let page = letters.list(None, 10).await?;
    ensure!(
        page.items.len() == 1,
        "{} letters of one message",
        page.items.len()
    );
    let (id, letter) = &page.items[0];
    ensure!(letter.envelope == sent, "the letter holds {:?}", letter.envelope);
    ensure!(
        letter.reason.contains("the suite says no"),
        "reason {:?}",
        letter.reason
    );
    ensure!(!letter.origin.is_empty(), "no origin");
    ensure!(letter.attempts == 3, "{} attempts", letter.attempts);
    ensure!(letter.consumer == "giving-up", "consumer {:?}", letter.consumer);

    // Sent back while it still fails: it is a letter again, and still one.
    ensure!(
        letters.resend(std::slice::from_ref(id)).await? == 1,
        "the letter was not found"
    );
    eventually("the letter tried again", || async {
        Ok(calls.load(Ordering::SeqCst) >= 6)
    })
    .await?;
    tokio::time::sleep(fixture.times().quiet).await;
    eventually("one letter again", || async { Ok(letters.count().await? == 1) }).await?;
    let again = letters.list(None, 10).await?;
    well.store(true, Ordering::SeqCst);
    let ids: Vec<_> = again.items.into_iter().map(|(id, _)| id).collect();
    let before = calls.load(Ordering::SeqCst);
    ensure!(letters.resend(&ids).await? == 1, "the letter was not found again");
    eventually("the letter handled", || async {
        Ok(calls.load(Ordering::SeqCst) > before)
    })
    .await?;
    eventually("no letter", || async { Ok(letters.count().await? == 0) }).await?;
    running.stop().await?;
    Ok(Finding::counted(format!(
        "{} tries in all",
        calls.load(Ordering::SeqCst)
    )))
}

/// C10: a body that does not decode is a dead letter at once; later messages of its key still flow.
pub(super) async fn undecodable(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let letters = place.dead_letters("decoding").await?;
    let notes = Notes::new();
    let running = Running::start(
        noting("decoding", &notes)
            .dead_letters(Arc::clone(&letters))
            .options(quick())
            .build()?,
        place.listener().await?,
    )
    .await;
    let (bad, good) = (message("k", "{\"number\":"), made("k", 2));
    let results = place.emitter().await?.emit(&[bad.clone(), good.clone()]).await;
    ensure!(
        results.iter().all(Result::is_ok),
        "publishing was answered {results:?}"
    );
    notes.complete(&[good], fixture.times().quiet).await?;
    eventually("the dead letter", || async { Ok(letters.count().await? == 1) }).await?;
    let letter = letters.list(None, 10).await?.items.remove(0).1;
    ensure!(letter.envelope == bad, "the letter holds {:?}", letter.envelope);
    ensure!(
        letter.attempts == 1,
        "{} attempts at what can't be decoded",
        letter.attempts
    );
    running.stop().await?;
    Ok(Finding::passed())
}

/// C11: a handler that panics has failed; the service lives, and other messages flow meanwhile.
pub(super) async fn panicking_handler(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let letters = place.dead_letters("panicking").await?;
    let (notes, panicked) = (Notes::new(), Arc::new(AtomicBool::new(false)));
    let (taking, done) = (notes.clone(), Arc::clone(&panicked));
    let dispatch = Dispatch::builder("panicking")
        .on(move |body: Made, context: Context| {
            let (taking, done) = (taking.clone(), Arc::clone(&done));
            async move {
                if body.number == 0 && !done.swap(true, Ordering::SeqCst) {
                    std::panic::resume_unwind(Box::new("a handler panics on purpose"));
                }
                taking.take(context.envelope(), 0);
                Ok(())
            }
        })
        .dead_letters(Arc::clone(&letters))
        .options(quick())
        .build()?;
    let running = Running::start(dispatch, place.listener().await?).await;
    let sent: Vec<Envelope> = (0..20)
        .map(|number| made(&format!("k-{number}"), number))
        .collect();
    let publishing = publish(&place.emitter().await?, sent.clone(), 20);
    let repeated = notes.complete(&sent, fixture.times().quiet).await?;
    finished(publishing).await?;
    ensure!(panicked.load(Ordering::SeqCst), "no handler panicked");
    ensure!(
        letters.count().await? == 0,
        "a panic that was cured left a dead letter"
    );
    running.stop().await?;
    Ok(Finding::counted(repeats(repeated)))
}

/// C18: a stop drains within its deadline; what was not handled comes to the next consumer.
pub(super) async fn stopping(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let letters = place.dead_letters("stopping").await?;
    let (started, notes) = (Arc::new(AtomicUsize::new(0)), Notes::new());
    let (starting, taking) = (Arc::clone(&started), notes.clone());
    let options = DispatchOptions {
        concurrency: 8,
        shutdown_timeout: Duration::from_secs(5),
        ..quick()
    };
    // One handler never ends by itself: the deadline is for it.
    const STUBBORN: u64 = 5;
    let slow = Dispatch::builder("stopping")
        .on(move |body: Made, context: Context| {
            let (starting, taking) = (Arc::clone(&starting), taking.clone());
            async move {
                if body.number == STUBBORN {
                    std::future::pending::<()>().await;
                }
                starting.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(30)).await;
                taking.take(context.envelope(), 0);
                Ok(())
            }
        })
        .dead_letters(Arc::clone(&letters))
        .options(options.clone())
        .build()?;
    let listener = place.listener().await?;
    let running = Running::start(slow, Arc::clone(&listener)).await;
    let sent: Vec<Envelope> = (0..200)
        .map(|number| made(&format!("k-{number}"), number))
        .collect();
    let publishing = publish(&place.emitter().await?, sent.clone(), 200);
    notes
        .until("the first messages", |noted| noted.len() >= 20)
        .await?;
    let took = running.stop().await?;
    ensure!(
        took <= options.shutdown_timeout + fixture.times().slack,
        "the stop took {took:?}"
    );
    let before = notes.len();
    ensure!(
        started.load(Ordering::SeqCst) == before,
        "{} handlers were begun and {before} ended",
        started.load(Ordering::SeqCst)
    );
    ensure!(before < 200, "everything was handled before the stop");
    let listener = restarted(fixture, place.as_ref(), listener).await?;
    let running = Running::start(
        noting("stopping", &notes)
            .dead_letters(letters)
            .options(quick())
            .build()?,
        listener,
    )
    .await;
    let repeated = notes.complete(&sent, fixture.times().quiet).await?;
    finished(publishing).await?;
    running.stop().await?;
    Ok(Finding::counted(format!(
        "{before} of 200 handled before the stop, which took {} ms; {}",
        took.as_millis(),
        repeats(repeated)
    )))
}

/// C26: the connection is lost between handler and acknowledgement: the message comes again and the inbox absorbs it.
pub(super) async fn inbox_absorbs(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let always = FaultRates {
        before: 1.0,
        // Without a delay the repeats would leave no time for anything else.
        delay: 1.0,
        longest_delay: Duration::from_millis(10),
        ..FaultRates::default()
    };
    // The acknowledgement is not made and the delivery dropped, as by a consumer that is lost.
    let chaos = Chaos::with_rates(26, FaultRates::default(), always);
    let listener = Arc::new(Layered::new(place.listener().await?, chaos));
    let effects = Arc::new(AtomicUsize::new(0));
    let (network, counted) = (place.network(), Arc::clone(&effects));
    let dispatch = Dispatch::builder("absorbing")
        .on(move |_: Made, _: Context| {
            if counted.fetch_add(1, Ordering::SeqCst) == 0
                && let Some(network) = &network
            {
                network.cut();
            }
            async { Ok(()) }
        })
        .with_inbox(Arc::new(MemoryStore::new(Arc::new(SystemClock))), PATIENCE)
        .dead_letters(place.dead_letters("absorbing").await?)
        .options(quick())
        .build()?;
    let chaos = Arc::clone(listener.around());
    let running = Running::start(dispatch, listener).await;
    let publishing = publish(&place.emitter().await?, vec![made("k", 1)], 1);
    eventually("a lost acknowledgement", || async {
        Ok(chaos.counts().before >= 2)
    })
    .await?;
    chaos.set_calm(true);
    finished(publishing).await?;
    tokio::time::sleep(fixture.times().quiet).await;
    running.stop().await?;
    let effects = effects.load(Ordering::SeqCst);
    ensure!(effects == 1, "the effect happened {effects} times");
    Ok(Finding::counted(format!(
        "{} acknowledgements lost",
        chaos.counts().before
    )))
}

/// C28: a handler that outlasts the hold on its delivery is not run twice at once.
pub(super) async fn long_handler(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let extends = fixture.capabilities().extend;
    let hold = fixture.times().hold.unwrap_or(Duration::from_millis(100));
    let options = DispatchOptions {
        hold,
        // Where a hold can't be extended the handler is told to stop before it ends.
        handler_timeout: if extends { PATIENCE } else { hold / 2 },
        ..quick()
    };
    let (at_once, most, runs) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (running_now, highest, total) = (Arc::clone(&at_once), Arc::clone(&most), Arc::clone(&runs));
    let dispatch = Dispatch::builder("lasting")
        .on(move |_: Made, context: Context| {
            let (running_now, highest, total) =
                (Arc::clone(&running_now), Arc::clone(&highest), Arc::clone(&total));
            async move {
                let now = running_now.fetch_add(1, Ordering::SeqCst) + 1;
                highest.fetch_max(now, Ordering::SeqCst);
                tokio::select! {
                    () = tokio::time::sleep(hold * 4) => {}
                    () = context.cancelled().cancelled() => {}
                }
                running_now.fetch_sub(1, Ordering::SeqCst);
                total.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        })
        .dead_letters(place.dead_letters("lasting").await?)
        .options(options)
        .build()?;
    let running = Running::start(dispatch, place.listener().await?).await;
    let publishing = publish(&place.emitter().await?, vec![made("k", 1)], 1);
    eventually("the long handler", || async {
        Ok(runs.load(Ordering::SeqCst) > 0)
    })
    .await?;
    finished(publishing).await?;
    tokio::time::sleep(hold + fixture.times().quiet).await;
    running.stop().await?;
    let (most, runs) = (most.load(Ordering::SeqCst), runs.load(Ordering::SeqCst));
    ensure!(most == 1 && runs == 1, "ran {runs} times, {most} at once");
    Ok(Finding::counted(if extends {
        "the hold was extended"
    } else {
        "the handler was told to stop in time"
    }))
}

/// C30: names in the spelling of the original services reach the same handler as the dotted ones.
pub(super) async fn both_spellings(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let notes = Notes::new();
    let taking = notes.clone();
    let dispatch = Dispatch::builder("spelling")
        .on_envelope(
            MessageName::from_static("event.created"),
            move |envelope: Envelope, _: Context| {
                taking.take(&envelope, 0);
                async { Ok(()) }
            },
        )
        .dead_letters(place.dead_letters("spelling").await?)
        .options(quick())
        .build()?;
    let running = Running::start(dispatch, place.listener().await?).await;
    let dotted = named(MessageName::from_wire("event.created"), "a", "{}");
    let old = named(MessageName::from_wire("eventCreated"), "b", "{}");
    emit_one(place.emitter().await?.as_ref(), &dotted).await?;
    emit_one(place.legacy_emitter().await?.as_ref(), &old).await?;
    let repeated = notes.complete(&[dotted, old], fixture.times().quiet).await?;
    running.stop().await?;
    Ok(Finding::counted(repeats(repeated)))
}

/// A dispatch of the suite's messages that only takes note.
fn noting(group: &str, notes: &Notes) -> crate::dispatch::DispatchBuilder {
    let notes = notes.clone();
    Dispatch::builder(group).on(move |_: Made, context: Context| {
        notes.take(context.envelope(), 0);
        async { Ok(()) }
    })
}
