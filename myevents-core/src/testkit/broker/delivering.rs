//! Cases of delivery: what a listener hands out, to whom, how often.

use std::collections::BTreeSet;
use std::time::Duration;

use super::BrokerFixture;
use super::tools::{
    Consumers, MADE, Notes, emit_one, finished, message, messages, new_id, next, nothing_within, now,
    publish, repeats, restarted, subscription,
};
use crate::contract::{Envelope, header};
use crate::error::ErrorKind;
use crate::ports::StartFrom;
use crate::testkit::{CaseResult, Failure, Finding, ensure};

/// C01: id, name, key, time, headers and body come back unchanged; one byte too much is a typed error.
pub(super) async fn unchanged(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let mut stream = listener.subscribe(subscription("unchanged", 8)).await?;
    let largest = fixture.capabilities().max_message_bytes;
    let binary: Vec<u8> = (0..=255).chain([0, 0xff, 0xfe]).collect();
    let bodies: [(&str, &str, Vec<u8>); 6] = [
        (
            "text",
            "application/json",
            br#"{"name":"caf\u00e9 \u2014 \ud83c\udfab"}"#.to_vec(),
        ),
        (
            "utf-8",
            "application/json",
            r#"{"name":"café — 🎫 ירושלים"}"#.into(),
        ),
        ("binary", "application/octet-stream", binary),
        ("empty", "application/octet-stream", Vec::new()),
        ("not JSON", "text/plain", b"plain words".to_vec()),
        ("largest", "application/octet-stream", vec![0x80; largest]),
    ];
    for (what, content_type, body) in bodies {
        let sent = Envelope::builder(new_id(), MADE, format!("key of {what}"))
            .time(now())
            .header("source", "/suite")
            .header("x-odd", "a, b; \"c\" = d%20e")
            .content_type(content_type)
            .body(body)
            .build();
        let publishing = publish(&emitter, vec![sent.clone()], 1);
        let delivery = next(&mut stream).await?;
        let got = delivery.envelope.clone();
        ensure!(
            got.id() == sent.id(),
            "{what}: id {} became {}",
            sent.id(),
            got.id()
        );
        ensure!(got.name() == sent.name(), "{what}: name became {}", got.name());
        ensure!(got.key() == sent.key(), "{what}: key became {:?}", got.key());
        ensure!(
            got.time() == sent.time(),
            "{what}: time {:?} became {:?}",
            sent.time(),
            got.time()
        );
        ensure!(
            got.headers() == sent.headers(),
            "{what}: headers {:?} became {:?}",
            sent.headers(),
            got.headers()
        );
        ensure!(
            got.content_type() == content_type,
            "{what}: content type became {:?}",
            got.content_type()
        );
        ensure!(got.body() == sent.body(), "{what}: the body changed");
        ensure!(
            delivery.attempt == 1,
            "{what}: first attempt is {}",
            delivery.attempt
        );
        ensure!(!delivery.origin.is_empty(), "{what}: no origin");
        delivery.ack().await?;
        finished(publishing).await?;
    }
    let too_large = message("large", vec![b'x'; largest + 1]);
    match emit_one(emitter.as_ref(), &too_large).await {
        Err(error) if error.kind() == ErrorKind::TooLarge => {}
        other => return Err(Failure::new(format!("a byte too much was answered {other:?}"))),
    }
    nothing_within(&mut stream, fixture.times().quiet).await?;
    Ok(Finding::counted(format!("largest body {largest} bytes")))
}

/// C02: 5,000 messages for 50 consumers of one group: none lost, repeats counted.
pub(super) async fn competing_consumers(fixture: &dyn BrokerFixture) -> CaseResult {
    const CONSUMERS: usize = 50;
    let count = fixture.times().load(5_000);
    let place = fixture.place().await?;
    let emitter = place.emitter().await?;
    let notes = Notes::new();
    let mut consumers = Consumers::default();
    for _ in 0..CONSUMERS {
        // Where no second process could join, one listener carries all members of the group.
        let listener = place.listener().await?;
        consumers
            .subscribe(&listener, subscription("competing", 16), &notes)
            .await?;
    }
    let sent = messages(count);
    let publishing = publish(&emitter, sent.clone(), 128);
    let repeated = notes.complete(&sent, fixture.times().quiet).await?;
    finished(publishing).await?;
    let busy: BTreeSet<usize> = notes.all().iter().map(|noted| noted.consumer).collect();
    Ok(Finding::counted(format!(
        "{count} messages, {}, {} of {CONSUMERS} consumers busy",
        repeats(repeated),
        busy.len()
    )))
}

/// C03: 20 places with 100 messages each stay apart.
pub(super) async fn places_stay_apart(fixture: &dyn BrokerFixture) -> CaseResult {
    const PLACES: usize = 20;
    let each = fixture.times().load(PLACES * 100) / PLACES;
    let mut running = Vec::new();
    for _ in 0..PLACES {
        let place = fixture.place().await?;
        let (emitter, listener) = (place.emitter().await?, place.listener().await?);
        let notes = Notes::new();
        let mut consumers = Consumers::default();
        consumers
            .subscribe(&listener, subscription("apart", 16), &notes)
            .await?;
        let sent = messages(each);
        let publishing = publish(&emitter, sent.clone(), 32);
        running.push((place, consumers, listener, notes, sent, publishing));
    }
    let mut repeated = 0;
    for (_place, _consumers, _listener, notes, sent, publishing) in running {
        // Fails for a message that was sent elsewhere.
        repeated += notes.complete(&sent, fixture.times().quiet).await?;
        finished(publishing).await?;
    }
    Ok(Finding::counted(format!(
        "{each} messages each, {}",
        repeats(repeated)
    )))
}

/// C04: two groups each get everything.
pub(super) async fn two_groups(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let (first, second) = (Notes::new(), Notes::new());
    let mut consumers = Consumers::default();
    consumers
        .subscribe(&listener, subscription("first", 16), &first)
        .await?;
    consumers
        .subscribe(&listener, subscription("second", 16), &second)
        .await?;
    let sent = messages(fixture.times().load(500));
    let publishing = publish(&emitter, sent.clone(), 64);
    let repeated =
        first.complete(&sent, Duration::ZERO).await? + second.complete(&sent, fixture.times().quiet).await?;
    finished(publishing).await?;
    Ok(Finding::counted(repeats(repeated)))
}

/// C06: an acknowledged message does not come back after its consumer restarted.
pub(super) async fn acknowledged_is_gone(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let mut stream = listener.subscribe(subscription("restarting", 16)).await?;
    let publishing = publish(&emitter, messages(100), 16);
    for _ in 0..100 {
        next(&mut stream).await?.ack().await?;
    }
    finished(publishing).await?;
    drop(stream);

    let listener = restarted(fixture, place.as_ref(), listener).await?;
    let mut stream = listener.subscribe(subscription("restarting", 16)).await?;
    nothing_within(&mut stream, fixture.times().quiet).await?;
    let last = message("later", "{}");
    let publishing = publish(&emitter, vec![last.clone()], 1);
    let delivery = next(&mut stream).await?;
    ensure!(
        delivery.envelope.id() == last.id(),
        "after the restart came {:?} first",
        delivery.envelope
    );
    delivery.ack().await?;
    finished(publishing).await?;
    Ok(Finding::passed())
}

/// C07: a message given back, or lost by its consumer, comes again; the broker's count is one higher each time.
pub(super) async fn given_back_comes_again(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let mut stream = listener.subscribe(subscription("redelivery", 4)).await?;
    let sent = message("again", "{}");
    let publishing = publish(&emitter, vec![sent.clone()], 1);
    for attempt in 1..=3 {
        let delivery = next(&mut stream).await?;
        ensure!(delivery.envelope == sent, "another message came: {delivery:?}");
        ensure!(
            delivery.attempt == attempt,
            "attempt {attempt} was counted as {}",
            delivery.attempt
        );
        delivery.nack(Duration::ZERO).await?;
    }
    // The fourth time its consumer is lost with it.
    let delivery = next(&mut stream).await?;
    ensure!(
        delivery.attempt == 4,
        "attempt 4 was counted as {}",
        delivery.attempt
    );
    drop(delivery);
    drop(stream);
    let mut stream = listener.subscribe(subscription("redelivery", 4)).await?;
    let delivery = next(&mut stream).await?;
    ensure!(delivery.envelope == sent, "another message came: {delivery:?}");
    delivery.ack().await?;
    finished(publishing).await?;
    nothing_within(&mut stream, fixture.times().quiet).await?;
    Ok(Finding::passed())
}

/// C12: what was handed out and is not settled never exceeds the prefetch, and reaches it.
pub(super) async fn prefetch_bounds(fixture: &dyn BrokerFixture) -> CaseResult {
    const PREFETCH: usize = 7;
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let mut stream = listener.subscribe(subscription("bounded", PREFETCH)).await?;
    let publishing = publish(&emitter, messages(60), 60);
    let mut held = Vec::new();
    for _ in 0..PREFETCH {
        held.push(next(&mut stream).await?);
    }
    let mut settled = 0;
    while settled < 60 {
        if held.len() == PREFETCH && settled % 20 == 0 {
            nothing_within(&mut stream, fixture.times().quiet).await?;
        }
        held.swap_remove(0).ack().await?;
        settled += 1;
        if settled + held.len() < 60 {
            held.push(next(&mut stream).await?);
        }
    }
    finished(publishing).await?;
    Ok(Finding::counted(format!("{PREFETCH} in flight at most")))
}

/// C14: a late group reads a log from its start, and from a time. Without a log that is refused.
pub(super) async fn replay(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let from = |group: &str, from| crate::ports::Subscription {
        from,
        ..subscription(group, 16)
    };
    if !fixture.capabilities().replay {
        for start in [StartFrom::Beginning, StartFrom::Time(now())] {
            match listener.subscribe(from("late", start)).await.map(drop) {
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                other => {
                    return Err(Failure::new(format!(
                        "{start:?} without a log was answered {other:?}"
                    )));
                }
            }
        }
        return Ok(Finding::not_applicable(
            "no log: reading from the start or from a time is refused as unsupported",
        ));
    }
    let (early, late) = (messages(100), messages(100));
    finished(publish(&emitter, early.clone(), 16)).await?;
    // The two halves must differ in their times, which the log keeps in milliseconds.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let middle = now();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let late: Vec<Envelope> = late
        .into_iter()
        .map(|made| message(made.key(), made.body().clone()))
        .collect();
    finished(publish(&emitter, late.clone(), 16)).await?;
    let (all, rest) = (Notes::new(), Notes::new());
    let mut consumers = Consumers::default();
    consumers
        .subscribe(&listener, from("late", StartFrom::Beginning), &all)
        .await?;
    consumers
        .subscribe(&listener, from("replaying", StartFrom::Time(middle)), &rest)
        .await?;
    let everything: Vec<Envelope> = early.into_iter().chain(late.clone()).collect();
    let repeated = all.complete(&everything, Duration::ZERO).await?
        + rest.complete(&late, fixture.times().quiet).await?;
    Ok(Finding::counted(repeats(repeated)))
}

/// C29: the trace context of the request that caused a message survives.
pub(super) async fn trace_context(fixture: &dyn BrokerFixture) -> CaseResult {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let mut stream = listener.subscribe(subscription("traced", 1)).await?;
    let sent = Envelope::builder(new_id(), MADE, "traced")
        .header(header::TRACEPARENT, TRACE)
        .body("{}")
        .build();
    let publishing = publish(&emitter, vec![sent], 1);
    let delivery = next(&mut stream).await?;
    let got = delivery.envelope.headers().get(header::TRACEPARENT).cloned();
    delivery.ack().await?;
    finished(publishing).await?;
    ensure!(got.as_deref() == Some(TRACE), "the trace context became {got:?}");
    Ok(Finding::passed())
}
