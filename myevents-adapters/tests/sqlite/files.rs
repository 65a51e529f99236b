//! The files: who may open them, what a clean stop leaves, backup and restore.

use std::sync::Arc;

use myevents_adapters::sqlite::{SqliteConfig, SqliteStore, rusqlite};
use myevents_core::ErrorKind;
use myevents_core::domain::AuditAction;
use myevents_core::ports::{Attached, AuditFilter, BookOptions, DatabaseHandler, Outbox, SystemClock};
use myevents_core::testkit::fixture;

use crate::common::*;

fn refused(config: SqliteConfig) -> myevents_core::Error {
    SqliteStore::open(config, Arc::new(SystemClock)).unwrap_err()
}

#[tokio::test]
async fn a_second_service_and_another_role_are_refused_and_a_tool_is_not() {
    let folder = folder();
    let store = open(config(&folder));
    let error = refused(config(&folder));
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("a service already runs"), "{error}");
    let tool = open(SqliteConfig::tool(store.path(), ROLE));
    let event = bookable(&tool, 3).await;
    let committed = tool
        .announce_event(
            &event,
            record(&event, "", 0).version,
            Attached::announcement(message("k")),
        )
        .await
        .unwrap();
    assert!(committed.leased.is_empty(), "no relay runs beside a tool");
    assert!(store.find_event(&event).await.unwrap().is_some());
    let error = refused(SqliteConfig::tool(store.path(), "eventservice"));
    assert_eq!(error.kind(), ErrorKind::Config);
    tool.close().await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(
        store.find_event(&event).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert_eq!(store.depth().await.unwrap_err().kind(), ErrorKind::Closed);
    let closed = store
        .add_event(&record(&event, "x", 1), Attached::nothing())
        .await;
    assert_eq!(closed.unwrap_err().kind(), ErrorKind::Closed);
    open(config(&folder)).close().await.unwrap();
}

#[tokio::test]
async fn a_clean_stop_leaves_no_wal_and_gives_leases_back() {
    let folder = folder();
    let store = open(config(&folder));
    let secret = store.id_secret();
    let event = bookable(&store, 1_000).await;
    for _ in 0..20 {
        let batch: Vec<_> = (0..20).map(|_| request(&event, 1)).collect();
        store.book(&event, &batch, BookOptions::default()).await;
    }
    let wal = folder.path().join("store.db-wal");
    assert!(wal.metadata().unwrap().len() > 0);
    // A tool looks on, so SQLite can't remove the WAL; it must be emptied all the same.
    let tool = open(SqliteConfig::tool(store.path(), ROLE));
    store.close().await.unwrap();
    assert_eq!(wal.metadata().map_or(0, |meta| meta.len()), 0);
    let claimed = tool
        .claim(1_000, std::time::Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(claimed.rows.len(), 400);
    tool.close().await.unwrap();
    assert!(!wal.exists());
    let again = open(config(&folder));
    assert_eq!(again.id_secret().expose(), secret.expose());
    assert_eq!(
        again
            .claim(1_000, std::time::Duration::from_secs(1))
            .await
            .unwrap()
            .rows
            .len(),
        400
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_one_moment_and_can_be_put_back() {
    let folder = folder();
    let store = open(config(&folder));
    let event = bookable(&store, 1_000_000).await;
    let loader = {
        let (store, event) = (store.clone(), event.clone());
        tokio::spawn(async move {
            for _ in 0..200 {
                let batch: Vec<_> = (0..10).map(|_| request(&event, 2)).collect();
                store.book(&event, &batch, BookOptions::default()).await;
            }
        })
    };
    let backups = folder.path().join("backups");
    for _ in 0..5 {
        store.backup(&backups).await.unwrap();
        tokio::task::yield_now().await;
    }
    loader.await.unwrap();
    let last = store.reconcile(&event, false).await.unwrap().unwrap();
    assert_eq!(last.sold, 4_000);
    let busy = SqliteStore::restore(&backups, &config(&folder)).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Conflict);
    store.close().await.unwrap();

    let other = SqliteConfig::service(folder.path().join("store.db"), "eventservice");
    assert_eq!(
        SqliteStore::restore(&backups, &other).unwrap_err().kind(),
        ErrorKind::Config
    );
    SqliteStore::restore(&backups, &config(&folder)).unwrap();
    let restored = open(config(&folder));
    let report = restored.check_store().await.unwrap();
    assert!(report.is_sound(), "{report}");
    let then = restored.reconcile(&event, false).await.unwrap().unwrap();
    assert!(then.sold <= last.sold);
    assert_eq!(
        restored.depth().await.unwrap().rows,
        u64::try_from(then.sold / 2).unwrap()
    );
    restored.close().await.unwrap();
    assert!(folder.path().join("store.db.replaced").exists());
    assert_eq!(
        SqliteStore::restore(folder.path().join("none").as_path(), &config(&folder))
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
}

/// Whoever opens the file by other means and does not mean to break the log can't change it.
fn only_added_to(store: &SqliteStore) {
    let other = rusqlite::Connection::open(store.path()).unwrap();
    let lines: i64 = other
        .query_row("SELECT count(*) FROM audit", (), |row| row.get(0))
        .unwrap();
    assert_eq!(lines, 1);
    for change in [
        "DELETE FROM audit",
        "UPDATE audit SET time = 0",
        "UPDATE audit SET entry = '{}'",
    ] {
        let refusal = other.execute(change, ()).unwrap_err().to_string();
        assert!(
            refusal.contains("the audit log is only added to"),
            "{change}: {refusal}"
        );
    }
}

#[tokio::test]
async fn the_audit_log_is_only_added_to_also_once_it_was_put_back() {
    let folder = folder();
    let store = open(config(&folder));
    let event = fixture::event_record(fixture::event("audited"));
    let line = fixture::audit(AuditAction::EVENT_CREATED, &event.event.id);
    let attached = Attached {
        audit: Some(line.clone()),
        ..Attached::nothing()
    };
    store.add_event(&event, attached).await.unwrap();
    only_added_to(&store);
    let backups = folder.path().join("backups");
    store.backup(&backups).await.unwrap();
    store.close().await.unwrap();
    SqliteStore::restore(&backups, &config(&folder)).unwrap();
    let restored = open(config(&folder));
    only_added_to(&restored);
    let listed = restored
        .list_audit(&AuditFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(listed.items, [line]);
    restored.close().await.unwrap();
}

#[tokio::test]
async fn a_planted_fault_is_found_and_repaired() {
    let folder = folder();
    let store = open(config(&folder));
    let event = bookable(&store, 10).await;
    let booked = store
        .book(&event, &[request(&event, 4)], BookOptions::default())
        .await;
    booked.into_iter().next().unwrap().unwrap();
    store
        .with_transaction(|tx| {
            tx.connection()
                .execute_batch(
                    "UPDATE inventory SET sold = sold + 3; DELETE FROM outbox;
                     INSERT INTO outbox (seq, entity, lease, written, message, name, time, body)
                     VALUES (1, 'abcd', 0, 0, 'm', 'event.booked', 0, x'00')",
                )
                .unwrap();
            Ok(())
        })
        .await
        .unwrap();
    let report = store.check_store().await.unwrap();
    assert_eq!(report.drifts.len(), 1);
    assert_eq!(report.orphan_messages, 1);
    assert!(report.to_string().contains("off by"), "{report}");
    assert!(store.reconcile(&event, true).await.unwrap().unwrap().drift != 0);
    let found = store.reconcile(&event, false).await.unwrap().unwrap();
    assert_eq!((found.drift, found.available), (0, Some(6)));
    assert!(store.quick_check().await.unwrap().is_empty());
}
