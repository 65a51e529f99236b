//! `rebuild` of a lost copy: killed in the middle, run again, run a third time; the group's place in the log stays.

use std::time::{Duration, Instant};

use myevents_core::contract::{Envelope, MessageName};
use myevents_core::ports::{EventEmitter as _, IdSource as _, RandomIds};

use crate::pair::{Pair, told};

/// Events in the log beside the one that the event service made.
const EVENTS: usize = 6_000;

/// As the original services announce an event.
fn announced(number: usize) -> Envelope {
    let id = event(number);
    let body = format!(
        r#"{{"id":"{id}","name":"event {number}","location_id":"","start_date":"2030-01-01T20:00:00Z","end_date":"2030-01-01T22:00:00Z"}}"#
    );
    Envelope::builder(
        RandomIds.message_id(),
        MessageName::from_static("event.created"),
        id,
    )
    .body(body)
    .build()
}

fn event(number: usize) -> String {
    format!("5a{number:022x}")
}

async fn known(pair: &Pair) -> usize {
    let mut known = 0;
    for number in (0..EVENTS).step_by(100) {
        known += usize::from(pair.knows(&event(number)).await);
    }
    known
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_killed_in_the_middle_is_run_again() {
    let Some(mut pair) = Pair::start("a_rebuild_that_is_killed_in_the_middle_is_run_again").await else {
        return;
    };
    let own = pair.service.new_event("opera", 10).await.unwrap();
    let emitter = pair.broker().emitter().unwrap();
    let all: Vec<Envelope> = (0..EVENTS).map(announced).collect();
    for batch in all.chunks(1_000) {
        for result in emitter.emit(batch).await {
            result.unwrap();
        }
    }
    let start = Instant::now();
    while known(&pair).await < EVENTS / 100 {
        assert!(start.elapsed() < Duration::from_secs(120), "the log is not read");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // Its place in the log is not lost, so it hears nothing of what was.
    pair.lose_the_bookings().await;
    assert!(!pair.knows(&own).await);

    let mut rebuilding = pair.bookings.start_command(&["rebuild"]).unwrap();
    let start = Instant::now();
    let half = loop {
        let half = known(&pair).await;
        if half > 0 {
            break half;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{}", rebuilding.log());
    };
    rebuilding.kill().unwrap();
    let half = half.max(known(&pair).await);
    assert!(half < EVENTS / 100, "killed when all was done");

    for _ in 0..2 {
        let said = told(&pair.bookings, &["rebuild"]);
        assert!(
            said.contains(&format!("{} messages read, 0 passed over", EVENTS + 1)),
            "{said}"
        );
        assert_eq!(known(&pair).await, EVENTS / 100);
        pair.service.wait_bookable(&own, 10).await.unwrap();
    }
    // The running service goes on from where it was.
    pair.service.new_event("aida", 20).await.unwrap();
    pair.stop().await;
}
