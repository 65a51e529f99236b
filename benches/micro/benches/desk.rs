//! How many bookings of one event does a desk get through while 64 customers want seats at once, and while one does?
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark ends at the first surprise and is no library"
)]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use micro::Bookable;
use myevents_core::observe::NoObserver;
use myevents_core::ports::{Outcome, SystemClock};
use myevents_core::relay::{HandoverReceiver, handover};
use myevents_core::service::desk::{DeskOptions, Desks};
use myevents_core::testkit::fixture;

fn desks(bookable: &Bookable) -> (Desks, HandoverReceiver) {
    let (handover, receiver) = handover(1_024);
    let store = Arc::clone(&bookable.store) as Arc<_>;
    let desks = Desks::new(
        store,
        handover,
        Arc::new(SystemClock),
        Arc::new(NoObserver),
        DeskOptions::default(),
    );
    (desks, receiver)
}

/// Books once for each of `customers` at the same time, then clears the outbox as a relay would.
async fn crowd(bookable: &Bookable, desks: &Desks, receiver: &HandoverReceiver, customers: u64) {
    let booked = (0..customers).map(|_| {
        let (desks, event) = (desks.clone(), bookable.event.clone());
        tokio::spawn(async move { desks.book(&event, fixture::booking_request(&event, 1)).await })
    });
    for each in booked.collect::<Vec<_>>() {
        assert!(matches!(each.await.unwrap().unwrap(), Outcome::Booked(_)));
    }
    let (rows, dropped) = receiver.take();
    bookable.store.confirm(&[rows, dropped].concat()).await.unwrap();
}

fn desk(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stores: [(&str, Bookable); 2] = [
        ("memory", runtime.block_on(micro::memory())),
        ("sqlite", runtime.block_on(micro::sqlite())),
    ];
    for (name, bookable) in &stores {
        let (desks, receiver) = desks(bookable);
        let mut group = criterion.benchmark_group(format!("desk/{name}"));
        for customers in [1, 64] {
            group.throughput(Throughput::Elements(customers));
            group.bench_function(format!("{customers}"), |bencher| {
                bencher
                    .to_async(&runtime)
                    .iter(|| crowd(bookable, &desks, &receiver, customers));
            });
        }
    }
}

criterion_group!(benches, desk);
criterion_main!(benches);
