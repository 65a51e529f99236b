//! Faults: full disk, locks of others, damage, panics. Each a clear error, nothing lost, service again afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use myevents_adapters::sqlite::{SqliteStore, rusqlite};
use myevents_core::contract::MessageId;
use myevents_core::ports::{
    Attached, Begin, BookOptions, DatabaseHandler, Inbox, Outbox, Outcome, SystemClock,
};
use myevents_core::{Error, ErrorKind};

use crate::common::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_or_error_in_one_write_leaves_the_others_of_its_transaction() {
    let folder = folder();
    let store = open(config(&folder));
    store
        .with_transaction(|tx| {
            tx.connection()
                .execute_batch("CREATE TABLE mine (n INTEGER)")
                .unwrap();
            Ok(())
        })
        .await
        .unwrap();
    // The writer is kept busy, so that all three are queued together.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let blocker = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .with_transaction(move |_| {
                    let _ = held.recv();
                    Ok(())
                })
                .await
        }
    });
    let insert = |n: i64, end: fn() -> Result<(), Error>| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .with_transaction(move |tx| {
                    tx.append(message(&n.to_string()))?;
                    tx.connection()
                        .execute("INSERT INTO mine VALUES (?1)", [n])
                        .unwrap();
                    end()
                })
                .await
        })
    };
    let good = insert(1, || Ok(()));
    let panics = insert(2, || panic!("on purpose"));
    let fails = insert(3, || Err(Error::invalid("no")));
    let event = record(&event_id(), "e", 1);
    let adds = tokio::spawn({
        let (store, event) = (store.clone(), event.clone());
        async move {
            store
                .add_event(&event, Attached::announcement(message("e")))
                .await
        }
    });
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    blocker.await.unwrap().unwrap();
    assert_eq!(good.await.unwrap().unwrap().leased.len(), 1);
    assert_eq!(panics.await.unwrap().unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(fails.await.unwrap().unwrap_err().kind(), ErrorKind::Invalid);
    adds.await.unwrap().unwrap();
    let rows: i64 = store
        .with_reader(|connection| {
            Ok(connection
                .query_row("SELECT sum(n) FROM mine", [], |row| row.get(0))
                .unwrap())
        })
        .await
        .unwrap();
    assert_eq!(rows, 1);
    assert_eq!(store.depth().await.unwrap().rows, 2);
}

#[tokio::test]
async fn a_full_disk_is_a_retryable_error_and_the_store_goes_on_with_space() {
    let folder = folder();
    let pages = Arc::new(AtomicU32::new(1_000_000));
    let limit = Arc::clone(&pages);
    let setup = config(&folder).setup(move |connection| {
        connection.pragma_update(None, "max_page_count", limit.load(Ordering::SeqCst))
    });
    let store = open(setup);
    let event = bookable(&store, 1_000_000).await;
    store
        .with_transaction(|tx| {
            // The limit of the writer's own connection; a reopened one takes it from the setup.
            tx.connection().pragma_update(None, "max_page_count", 60).unwrap();
            Ok(())
        })
        .await
        .unwrap();
    pages.store(60, Ordering::SeqCst);
    let mut accepted = Vec::new();
    let error = loop {
        let batch: Vec<_> = (0..50).map(|_| request(&event, 1)).collect();
        let mut results = store.book(&event, &batch, BookOptions::default()).await;
        match results.remove(0) {
            Ok(_) => accepted.extend(batch),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("full"), "{error}");
    assert!(error.to_string().contains("store.db"), "{error}");
    assert!(!accepted.is_empty());
    for wish in &accepted {
        assert!(store.find_booking(&wish.booking.id).await.unwrap().is_some());
    }
    let found = store.reconcile(&event, false).await.unwrap().unwrap();
    assert_eq!(
        (found.drift, found.sold),
        (0, i64::try_from(accepted.len()).unwrap())
    );
    pages.store(1_000_000, Ordering::SeqCst);
    let again = store
        .book(&event, &[request(&event, 1)], BookOptions::default())
        .await;
    assert!(matches!(again[0].as_ref().unwrap().value, Outcome::Booked(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_holding_the_write_lock_delays_or_refuses_and_reads_go_on() {
    let folder = folder();
    let store = open(config(&folder).busy_timeout(Duration::from_millis(20)));
    let event = bookable(&store, 10).await;
    let other = rusqlite::Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store
        .book(&event, &[request(&event, 1)], BookOptions::default())
        .await;
    let error = refused.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("lock"), "{error}");
    assert!(store.find_event(&event).await.unwrap().is_some());
    other.execute_batch("ROLLBACK").unwrap();
    let again = store
        .book(&event, &[request(&event, 1)], BookOptions::default())
        .await;
    assert!(again[0].is_ok());
}

#[tokio::test]
async fn a_damaged_file_and_a_foreign_file_are_told_in_words() {
    let folder = folder();
    let path = config(&folder).path;
    std::fs::write(&path, vec![b'x'; 8_192]).unwrap();
    let error = SqliteStore::open(config(&folder), Arc::new(SystemClock)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("not a SQLite database"), "{error}");

    std::fs::remove_file(&path).unwrap();
    let store = open(config(&folder));
    for start in 0..200 {
        let record = record(&event_id(), "e", start);
        store.add_event(&record, Attached::nothing()).await.unwrap();
    }
    store.close().await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let damage = |from: usize| {
        let mut bytes = whole.clone();
        bytes[from..].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
    };
    // Damage that the start meets, and damage in the middle of the events, which are the last pages.
    damage(8 * 4_096);
    let error = SqliteStore::open(config(&folder), Arc::new(SystemClock)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(
        error.to_string().contains("damaged") && error.to_string().contains("store.db"),
        "{error}"
    );
    damage(whole.len() - 20 * 4_096);
    let store = open(config(&folder));
    let found = store.quick_check().await;
    assert!(
        found.as_ref().map_or_else(
            |error| error.kind() == ErrorKind::Malformed,
            |lines| !lines.is_empty()
        ),
        "{found:?}"
    );
    let error = store
        .list_events(&myevents_core::ports::EventFilter::default(), None, 500)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("backup"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told_in_words() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let config = myevents_adapters::sqlite::SqliteConfig::service(folder.path().join("file/a.db"), ROLE);
    let error = SqliteStore::open(config, Arc::new(SystemClock)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("folder"), "{error}");
}

#[tokio::test]
async fn an_effect_and_its_mark_are_rolled_back_together() {
    let folder = folder();
    let store = open(config(&folder));
    let id = MessageId::new("m");
    let Begin::Fresh(token) = store.begin("third", &id, Duration::from_secs(9)).await.unwrap() else {
        panic!("not fresh");
    };
    let kept = token.clone();
    let failed = store
        .with_transaction(move |tx| {
            tx.complete_inbox(&token)?;
            tx.append(message("k"))?;
            Err::<(), _>(Error::invalid("no"))
        })
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(
        store.begin("third", &id, Duration::from_secs(9)).await.unwrap(),
        Begin::InProgress
    );
    assert_eq!(store.depth().await.unwrap().rows, 0);
    let committed = store
        .with_transaction(move |tx| {
            tx.append(message("k"))?;
            tx.complete_inbox(&kept)
        })
        .await
        .unwrap();
    assert_eq!(committed.leased.len(), 1);
    assert_eq!(
        store.begin("third", &id, Duration::from_secs(9)).await.unwrap(),
        Begin::Done
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_is_one_transaction_and_a_full_queue_refuses() {
    let folder = folder();
    let commits = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&commits);
    let mut config = config(&folder).setup(move |connection| {
        let counted = Arc::clone(&counted);
        connection.commit_hook(Some(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            false
        }))?;
        Ok(())
    });
    config.queue = 32;
    let store = open(config);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (began, begun) = tokio::sync::oneshot::channel();
    let blocker = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .with_transaction(move |_| {
                    let _ = began.send(());
                    let _ = held.recv();
                    Ok(())
                })
                .await
        }
    });
    begun.await.unwrap();
    let before = commits.load(Ordering::SeqCst);
    let events: Vec<_> = (0..33).map(|n| record(&event_id(), "e", n)).collect();
    let mut adds: Vec<_> = events
        .iter()
        .map(|event| Box::pin(store.add_event(event, Attached::nothing())))
        .collect();
    // Polled once each, in turn: the queue is filled without a race, and the last one finds it full.
    for add in &mut adds[..32] {
        assert!(futures_poll(add.as_mut()).is_none());
    }
    let refused = futures_poll(adds[32].as_mut()).unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    release.send(()).unwrap();
    blocker.await.unwrap().unwrap();
    adds.pop();
    for add in adds {
        add.await.unwrap();
    }
    // One commit is the blocker's; the 32 adds share the other.
    assert_eq!(commits.load(Ordering::SeqCst) - before, 2);
}

/// Polls once; answers the value if it is there.
fn futures_poll<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_waits_too_long_is_refused_unread_and_point_reads_go_on() {
    let folder = folder();
    let store = open(config(&folder).list_wait(Duration::from_millis(20)));
    let event = record(&event_id(), "e", 1);
    store.add_event(&event, Attached::nothing()).await.unwrap();
    // As many long reads as there may be at once.
    let mut busy = Vec::new();
    for _ in 0..2 {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let store = store.clone();
        let reading = tokio::spawn(async move {
            let read = move |_: &rusqlite::Connection| {
                let _ = began.send(());
                let _ = held.recv();
                Ok(())
            };
            store.with_reader(read).await
        });
        begun.await.unwrap();
        busy.push((release, reading));
    }
    let refused = store.list_locations(None, 10).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(refused.is_retryable());
    assert!(store.find_event(&event.event.id).await.unwrap().is_some());
    for (release, reading) in busy {
        drop(release);
        reading.await.unwrap().unwrap();
    }
    assert!(store.list_locations(None, 10).await.unwrap().items.is_empty());
}
