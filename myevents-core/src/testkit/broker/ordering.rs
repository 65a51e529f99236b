//! Cases of order: what is promised for the messages of one key.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use super::BrokerFixture;
use super::tools::{Made, Notes, Running, eventually, made, quick, repeats};
use crate::contract::Envelope;
use crate::dispatch::{Context, Dispatch};
use crate::ports::{EventEmitter, MessageOrder};
use crate::testkit::{CaseResult, Failure, Finding, ensure};

const NO_ORDER: &str = "the broker promises no order";

/// C05: 16 keys of 200 messages each, handled with concurrency: the order of each key is kept.
pub(super) async fn order_per_key(fixture: &dyn BrokerFixture) -> CaseResult {
    let mut counted = Vec::new();
    match fixture.capabilities().order {
        MessageOrder::None => return Ok(Finding::not_applicable(NO_ORDER)),
        MessageOrder::InOneConsumer => counted.push(ordered(fixture, 1).await?),
        MessageOrder::InGroup => {
            counted.push(ordered(fixture, 1).await?);
            counted.push(ordered(fixture, 2).await?);
        }
    }
    Ok(Finding::counted(counted.join("; ")))
}

async fn ordered(fixture: &dyn BrokerFixture, consumers: usize) -> Result<String, Failure> {
    const KEYS: usize = 16;
    let messages = fixture.times().load(KEYS * 200) / KEYS;
    let place = fixture.place().await?;
    let emitter = place.emitter().await?;
    let notes = Notes::new();
    let mut running = Vec::new();
    for _ in 0..consumers {
        let taking = notes.clone();
        let dispatch = Dispatch::builder("in-order")
            .on(move |body: Made, context: Context| {
                let taking = taking.clone();
                async move {
                    // Handlers of different length give a later message the chance to overtake.
                    for _ in 0..body.number % 4 {
                        tokio::task::yield_now().await;
                    }
                    taking.take(context.envelope(), 0);
                    Ok(())
                }
            })
            .dead_letters(place.dead_letters("in-order").await?)
            .options(quick())
            .build()?;
        running.push(Running::start(dispatch, place.listener().await?).await);
    }
    let by_key: Vec<Vec<Envelope>> = (0..KEYS)
        .map(|key| {
            (0..)
                .take(messages)
                .map(|number| made(&format!("key-{key}"), number))
                .collect()
        })
        .collect();
    let sent: Vec<Envelope> = by_key.concat();
    try_join_all(
        by_key
            .into_iter()
            .map(|run| publish_batches(Arc::clone(&emitter), run)),
    )
    .await?;
    let repeated = notes.complete(&sent, fixture.times().quiet).await?;
    for running in running {
        running.stop().await?;
    }
    let mut next: HashMap<String, u64> = HashMap::new();
    for noted in notes.all() {
        let body: Made = serde_json::from_slice(noted.envelope.body())?;
        let expected = next.entry(noted.envelope.key().to_owned()).or_default();
        ensure!(
            body.number <= *expected,
            "{}: {} came before {expected}",
            noted.envelope.key(),
            body.number
        );
        *expected = (*expected).max(body.number + 1);
    }
    Ok(format!(
        "{consumers} consumers, {messages} messages a key: {}",
        repeats(repeated)
    ))
}

/// One key's messages, many a call, so that several of the key are under way at once.
async fn publish_batches(emitter: Arc<dyn EventEmitter>, run: Vec<Envelope>) -> Result<(), Failure> {
    for batch in run.chunks(50) {
        for result in emitter.emit(batch).await {
            result?;
        }
    }
    Ok(())
}

/// C13: no next message of a key before the previous one is settled, while other keys go on.
pub(super) async fn one_of_a_key(fixture: &dyn BrokerFixture) -> CaseResult {
    if fixture.capabilities().order == MessageOrder::None {
        return Ok(Finding::not_applicable(NO_ORDER));
    }
    let place = fixture.place().await?;
    let emitter = place.emitter().await?;
    let (notes, gate) = (Notes::new(), Arc::new(Semaphore::new(0)));
    let (taking, waiting) = (notes.clone(), Arc::clone(&gate));
    let dispatch = Dispatch::builder("one-by-one")
        .on(move |body: Made, context: Context| {
            let (taking, waiting) = (taking.clone(), Arc::clone(&waiting));
            async move {
                taking.take(context.envelope(), 0);
                if body.number == 1
                    && let Ok(permit) = waiting.acquire().await
                {
                    permit.forget();
                }
                Ok(())
            }
        })
        .dead_letters(place.dead_letters("one-by-one").await?)
        .options(quick())
        .build()?;
    let running = Running::start(dispatch, place.listener().await?).await;
    let (first, second, other) = (made("same", 1), made("same", 2), made("other", 3));
    let both = [first.clone(), second.clone()];
    let publishing_both = tokio::spawn({
        let emitter = Arc::clone(&emitter);
        async move { emitter.emit(&both).await }
    });
    let came = |message: &Envelope| {
        let id = message.id().clone();
        let notes = notes.clone();
        move || {
            let here = notes.counts().contains_key(&id);
            async move { Ok(here) }
        }
    };
    eventually("the first of the key", came(&first)).await?;
    for result in emitter.emit(std::slice::from_ref(&other)).await {
        result?;
    }
    eventually("the other key", came(&other)).await?;
    tokio::time::sleep(fixture.times().quiet).await;
    ensure!(
        !notes.counts().contains_key(second.id()),
        "the second of the key was begun while the first was at work"
    );
    gate.add_permits(16);
    eventually("the second of the key", came(&second)).await?;
    for result in publishing_both.await? {
        result?;
    }
    running.stop().await?;
    Ok(Finding::passed())
}
