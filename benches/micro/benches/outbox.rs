//! How fast does a relay take messages out of the outbox and confirm them, 100 at a time?
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark ends at the first surprise and is no library"
)]

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use micro::Bookable;
use myevents_core::ports::BookOptions;
use myevents_core::testkit::fixture;

const ROWS: usize = 100;
const LEASE: Duration = Duration::from_secs(30);

/// Leaves one message of each of [`ROWS`] bookings free to be claimed.
async fn fill(bookable: &Bookable) {
    let wishes: Vec<_> = (0..ROWS)
        .map(|_| fixture::booking_request(&bookable.event, 1))
        .collect();
    let booked = bookable
        .store
        .book(&bookable.event, &wishes, BookOptions::default())
        .await;
    let rows: Vec<_> = booked.into_iter().flat_map(|each| each.unwrap().leased).collect();
    bookable.store.release(&rows).await.unwrap();
}

async fn drain(bookable: &Bookable) {
    let claim = bookable.store.claim(ROWS, LEASE).await.unwrap();
    assert_eq!(claim.rows.len(), ROWS);
    bookable.store.confirm(&claim.rows).await.unwrap();
}

fn outbox(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stores: [(&str, Bookable); 2] = [
        ("memory", runtime.block_on(micro::memory())),
        ("sqlite", runtime.block_on(micro::sqlite())),
    ];
    let mut group = criterion.benchmark_group("outbox");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, bookable) in &stores {
        group.bench_function(format!("{name}/claim and confirm"), |bencher| {
            bencher.iter_batched(
                || runtime.block_on(fill(bookable)),
                |()| runtime.block_on(drain(bookable)),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, outbox);
criterion_main!(benches);
