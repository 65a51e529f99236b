//! Cases of the network: a broker that is away, cut or stalled connections.

use std::sync::Arc;
use std::time::Duration;

use super::tools::{
    Consumers, Notes, PATIENCE, emit_one, finished, named, next, nothing_within, publish, repeats,
    subscription,
};
use super::{BrokerFixture, BrokerPlace};
use crate::contract::{Envelope, MessageName};
use crate::ports::{DeadLetter, Subscription};
use crate::testkit::{CaseResult, Failure, FaultProxy, Finding, ensure};

/// A name whose messages are refused until somebody subscribes: nothing is lost while bindings are made anew.
const REQUIRED: MessageName = MessageName::from_static("event.created");

const IN_PROCESS: &str = "in process: there is no connection to lose";

fn required(count: usize) -> Vec<Envelope> {
    (0..count)
        .map(|number| {
            named(
                REQUIRED,
                &format!("key-{number}"),
                format!(r#"{{"number":{number}}}"#),
            )
        })
        .collect()
}

fn wanting(group: &str, prefetch: usize) -> Subscription {
    Subscription {
        names: vec![REQUIRED],
        ..subscription(group, prefetch)
    }
}

async fn networked(
    fixture: &dyn BrokerFixture,
) -> Result<Option<(Arc<dyn BrokerPlace>, Arc<FaultProxy>)>, Failure> {
    let place = fixture.place().await?;
    let network = place.network();
    Ok(network.map(|network| (place, network)))
}

/// C21: started while the broker is down, emitter and listener work once it is up.
pub(super) async fn started_while_down(fixture: &dyn BrokerFixture) -> CaseResult {
    let Some((place, network)) = networked(fixture).await? else {
        return Ok(Finding::not_applicable(IN_PROCESS));
    };
    network.refuse().await;
    network.cut();
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let notes = Notes::new();
    let mut consumers = Consumers::default();
    consumers
        .subscribe(&listener, wanting("early", 16), &notes)
        .await?;
    let sent = required(100);
    match emit_one(emitter.as_ref(), &sent[0]).await {
        Err(error) if error.is_retryable() => {}
        other => return Err(Failure::new(format!("while the broker was down: {other:?}"))),
    }
    network.accept_again().await?;
    let published = finished(publish(&emitter, sent.clone(), 16)).await?;
    let repeated = notes.complete(&sent, fixture.times().quiet).await?;
    Ok(Finding::counted(format!(
        "{}, {} publishes repeated",
        repeats(repeated),
        published.repeated
    )))
}

/// C23: connections cut at a third and at half of 10,000 messages: loss 0, repeats reported.
pub(super) async fn cut_under_load(fixture: &dyn BrokerFixture) -> CaseResult {
    let count = fixture.times().load(10_000);
    let Some((place, network)) = networked(fixture).await? else {
        return Ok(Finding::not_applicable(IN_PROCESS));
    };
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let notes = Notes::new();
    let mut consumers = Consumers::default();
    consumers.subscribe(&listener, wanting("cut", 64), &notes).await?;
    let sent = required(count);
    let publishing = publish(&emitter, sent.clone(), 64);
    for point in [count / 3, count / 2] {
        notes
            .until("the flow stopped before the cut", |noted| noted.len() >= point)
            .await?;
        network.cut();
    }
    let published = finished(publishing).await?;
    let repeated = notes.complete(&sent, fixture.times().quiet).await?;
    Ok(Finding::counted(format!(
        "loss 0 of {count}, {}, {} publishes repeated",
        repeats(repeated),
        published.repeated
    )))
}

/// C24: a connection that swallows bytes is noticed after the heartbeat, and replaced: by the consumer, which has nothing to
/// send, and by the emitter.
pub(super) async fn half_open(fixture: &dyn BrokerFixture) -> CaseResult {
    let (Some((place, network)), Some(notices)) =
        (networked(fixture).await?, fixture.times().notices_dead_peer)
    else {
        return Ok(Finding::not_applicable(IN_PROCESS));
    };
    let within = notices + fixture.times().slack;
    let (first, listener) = (place.emitter().await?, place.listener().await?);
    let notes = Notes::new();
    let mut consumers = Consumers::default();
    consumers
        .subscribe(&listener, wanting("half-open", 16), &notes)
        .await?;
    let sent = required(300);
    finished(publish(&first, sent[..100].to_vec(), 16)).await?;
    notes.complete(&sent[..100], Duration::ZERO).await?;
    // From here on whoever dials is the consumer: its old connection is reset only after that, by `resume`.
    first.close().await?;
    drop(first);
    // Whatever is still to be settled or asked is over by then.
    tokio::time::sleep(fixture.times().quiet).await;
    let before = network.accepted();
    network.stall();
    let stalled = tokio::time::Instant::now();
    while network.accepted() == before {
        ensure!(
            stalled.elapsed() <= within,
            "the consumer did not dial again within {within:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let noticed = stalled.elapsed();
    network.resume();
    let emitter = place.emitter().await?;
    finished(publish(&emitter, sent[100..200].to_vec(), 16)).await?;
    notes.complete(&sent[..200], Duration::ZERO).await?;
    network.stall();
    match tokio::time::timeout(within, emit_one(emitter.as_ref(), &sent[200])).await {
        Ok(Err(error)) if error.is_retryable() => {}
        Ok(other) => return Err(Failure::new(format!("into the void: {other:?}"))),
        Err(_) => return Err(Failure::new("the dead connection was not noticed in time")),
    }
    network.resume();
    finished(publish(&emitter, sent[200..].to_vec(), 16)).await?;
    let repeated = notes.complete(&sent, fixture.times().quiet).await?;
    Ok(Finding::counted(format!(
        "the consumer dialled again after {noticed:.1?}, {}, {} connections anew",
        repeats(repeated),
        network.accepted() - before
    )))
}

/// C25: connections cut between a publish and its confirmation, at many points: no loss.
pub(super) async fn cut_before_confirm(fixture: &dyn BrokerFixture) -> CaseResult {
    const ROUNDS: usize = 30;
    let Some((place, network)) = networked(fixture).await? else {
        return Ok(Finding::not_applicable(IN_PROCESS));
    };
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let notes = Notes::new();
    let mut consumers = Consumers::default();
    consumers
        .subscribe(&listener, wanting("unconfirmed", 16), &notes)
        .await?;
    let mut sent = Vec::new();
    let mut published_again = 0;
    for round in 0..ROUNDS {
        // A connection's handshake may fall to the cut too; that is one more point.
        let message = named(REQUIRED, &format!("round-{round}"), vec![b' '; 2_000]);
        sent.push(message.clone());
        network.cut_after(1_500 + 100 * round as u64);
        published_again += finished(publish(&emitter, vec![message], 1)).await?.repeated;
    }
    let repeated = notes.complete(&sent, fixture.times().quiet).await?;
    Ok(Finding::counted(format!(
        "loss 0, {}, {published_again} publishes repeated",
        repeats(repeated)
    )))
}

/// C27: after a recovery the prefetch bounds, the bindings select and dead letters can be put and read.
pub(super) async fn set_up_after_recovery(fixture: &dyn BrokerFixture) -> CaseResult {
    const PREFETCH: usize = 3;
    let Some((place, network)) = networked(fixture).await? else {
        return Ok(Finding::not_applicable(IN_PROCESS));
    };
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let dead_letters = place.dead_letters("recovering").await?;
    let mut stream = listener.subscribe(wanting("recovering", PREFETCH)).await?;
    let publishing = publish(&emitter, required(20), 20);
    let mut lost = Vec::new();
    for _ in 0..PREFETCH {
        lost.push(next(&mut stream).await?);
    }
    network.cut();
    drop(lost);
    finished(publishing).await?;
    // Not wanted by the group: must not come.
    let _ = emit_one(
        emitter.as_ref(),
        &named(MessageName::from_static("suite.unwanted"), "unwanted", "{}"),
    )
    .await;

    let mut handled = std::collections::HashSet::new();
    let mut held = Vec::new();
    while handled.len() < 20 {
        while held.len() < PREFETCH && handled.len() + held.len() < 20 {
            held.push(next(&mut stream).await?);
        }
        if handled.is_empty() && held.len() == PREFETCH {
            nothing_within(&mut stream, fixture.times().quiet).await?;
        }
        let delivery = held.remove(0);
        ensure!(
            delivery.envelope.name() == &REQUIRED,
            "after the recovery came a {}",
            delivery.envelope.name()
        );
        handled.insert(delivery.envelope.id().clone());
        delivery.ack().await?;
    }
    let letter = DeadLetter {
        consumer: "recovering".to_owned(),
        origin: "suite".to_owned(),
        reason: "to see that it can be put".to_owned(),
        attempts: 1,
        at: super::tools::now(),
        envelope: named(REQUIRED, "dead", "{}"),
    };
    let put = tokio::time::timeout(PATIENCE, dead_letters.put(&letter)).await;
    ensure!(matches!(put, Ok(Ok(()))), "putting a dead letter: {put:?}");
    ensure!(dead_letters.count().await? == 1, "the dead letter is not there");
    Ok(Finding::passed())
}
