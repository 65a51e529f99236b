//! Cases of publishing: what an emitter answers, and when.

use std::time::Duration;

use super::BrokerFixture;
use super::tools::{
    Consumers, Notes, emit_one, finished, message, named, next, publish, repeats, subscription,
};
use crate::contract::MessageName;
use crate::error::ErrorKind;
use crate::ports::Subscription;
use crate::testkit::{CaseResult, Failure, Finding, ensure};

/// A name for which every emitter requires a subscriber unless it is told otherwise.
const REQUIRED: MessageName = MessageName::from_static("event.created");

/// C15: each entry of a batch has a result of its own.
pub(super) async fn batch_entries(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let notes = Notes::new();
    let mut consumers = Consumers::default();
    consumers
        .subscribe(&listener, subscription("batches", 16), &notes)
        .await?;
    let too_large = vec![b'x'; fixture.capabilities().max_message_bytes + 1];
    let mut batch: Vec<_> = (0..25)
        .map(|number| message(&format!("b-{number}"), "{}"))
        .collect();
    batch[3] = message("b-3", too_large.clone());
    batch[24] = message("b-24", too_large);
    let results = emitter.emit(&batch).await;
    ensure!(
        results.len() == batch.len(),
        "{} results for {} messages",
        results.len(),
        batch.len()
    );
    for (place, result) in results.iter().enumerate() {
        let bad = place == 3 || place == 24;
        let kind = result.as_ref().err().map(crate::Error::kind);
        ensure!(
            kind == bad.then_some(ErrorKind::TooLarge),
            "entry {place} was answered {result:?}"
        );
    }
    let taken: Vec<_> = batch
        .into_iter()
        .enumerate()
        .filter(|(place, _)| *place != 3 && *place != 24)
        .map(|(_, message)| message)
        .collect();
    let repeated = notes.complete(&taken, fixture.times().quiet).await?;
    ensure!(
        emitter.emit(&[]).await.is_empty(),
        "an empty batch was answered with results"
    );
    Ok(Finding::counted(repeats(repeated)))
}

/// C16: a missing destination, or a message that needs a subscriber and has none, is an error and not silence.
pub(super) async fn unroutable(fixture: &dyn BrokerFixture) -> CaseResult {
    let mut shown = Vec::new();
    let place = fixture.place().await?;
    if let Some(emitter) = place.emitter_to_nowhere().await? {
        let answer = emit_one(emitter.as_ref(), &message("lost", "{}")).await;
        ensure!(answer.is_err(), "a missing destination was answered with success");
        shown.push("missing destination");
    }
    if fixture.capabilities().detects_unroutable {
        let (emitter, listener) = (place.emitter().await?, place.listener().await?);
        // Somebody listens, but not to that name.
        let mut stream = listener.subscribe(subscription("elsewhere", 1)).await?;
        match emit_one(emitter.as_ref(), &named(REQUIRED, "unheard", "{}")).await {
            Err(error) if error.kind() == ErrorKind::Unroutable => {}
            other => {
                return Err(Failure::new(format!(
                    "a required name without subscriber: {other:?}"
                )));
            }
        }
        let unrequired = MessageName::from_static("suite.unheard");
        emit_one(emitter.as_ref(), &named(unrequired, "unheard", "{}")).await?;
        let wanted = Subscription {
            names: vec![REQUIRED],
            ..subscription("hearing", 1)
        };
        let mut hearing = listener.subscribe(wanted).await?;
        let publishing = publish(&emitter, vec![named(REQUIRED, "heard", "{}")], 1);
        next(&mut hearing).await?.ack().await?;
        finished(publishing).await?;
        super::tools::nothing_within(&mut stream, Duration::from_millis(50)).await?;
        shown.push("required name without subscriber");
    }
    if shown.is_empty() {
        return Ok(Finding::not_applicable(
            "a publisher can't tell whether somebody listens, and no destination can be missing",
        ));
    }
    Ok(Finding::counted(shown.join(", ")))
}

/// C17: the answer to a publish comes only after the broker took the message.
pub(super) async fn answered_after_taken(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let mut stream = listener.subscribe(subscription("taking", 4)).await?;
    // One goes through first, so that connections are there.
    let publishing = publish(&emitter, vec![message("first", "{}")], 1);
    next(&mut stream).await?.ack().await?;
    finished(publishing).await?;

    let short = Duration::from_millis(200);
    let second = message("second", "{}");
    let mut emit = Box::pin(emit_one(emitter.as_ref(), &second));
    let shown = if let Some(network) = place.network() {
        network.hold();
        let early = tokio::time::timeout(short, &mut emit).await;
        ensure!(
            early.is_err(),
            "answered {early:?} while the broker could not know of it"
        );
        network.resume();
        emit.await?;
        next(&mut stream).await?.ack().await?;
        "while the network was held"
    } else {
        // In process a message is taken when its handlers are done with it.
        let early = tokio::time::timeout(short, &mut emit).await;
        ensure!(early.is_err(), "answered {early:?} before it was settled");
        next(&mut stream).await?.ack().await?;
        emit.await?;
        "while it was not settled"
    };
    Ok(Finding::counted(format!("no answer {shown}")))
}
