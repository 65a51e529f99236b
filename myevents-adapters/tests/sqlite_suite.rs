//! The store suite on SQLite: one instance and a second one on the same file. A process of its own, as crash points are armed in it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::Result;
use myevents_core::domain::EventId;
use myevents_core::ports::{ApiKeys, DeadLetterQueue, Store};
use myevents_core::testkit::{StoreBed, StoreFixture, TestClock, run_store_suite};

const ROLE: &str = "suite";

/// SQLite gives the lock of a file to whoever asks in the right moment: beside another store that writes without rest, on a busy machine,
/// one may come too late for longer than a service waits.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Sqlite;

#[derive(Debug)]
struct Bed {
    store: Arc<SqliteStore>,
    clock: Arc<TestClock>,
    _folder: tempfile::TempDir,
}

#[async_trait]
impl StoreFixture for Sqlite {
    fn name(&self) -> String {
        "sqlite".to_owned()
    }

    async fn create(&self) -> Result<Box<dyn StoreBed>> {
        let clock = Arc::new(TestClock::default());
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let config = SqliteConfig::service(folder.path().join("store.db"), ROLE).busy_timeout(PATIENCE);
        Ok(Box::new(Bed {
            store: Arc::new(SqliteStore::open(config, clock.clone())?),
            clock,
            _folder: folder,
        }))
    }
}

#[async_trait]
impl StoreBed for Bed {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn api_keys(&self) -> Option<Arc<dyn ApiKeys>> {
        Some(self.store.clone())
    }

    fn dead_letters(&self) -> Option<Arc<dyn DeadLetterQueue>> {
        Some(self.store.clone())
    }

    async fn second(&self) -> Result<Option<Arc<dyn Store>>> {
        let mut second = SqliteConfig::tool(self.store.path(), ROLE).busy_timeout(PATIENCE);
        second.lease = Some(Duration::from_secs(30));
        Ok(Some(Arc::new(SqliteStore::open(second, self.clock.clone())?)))
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    // The other point holds the write lock of the file, which only the end of a process gives back: `sqlite_crash` ends
    // processes at both.
    fn crash_points(&self) -> &'static [&'static str] {
        &["sqlite.after-commit"]
    }

    async fn plant_drift(&self, event: &EventId, seats: i64) -> Result<bool> {
        let event = event.clone();
        let planted = self.store.with_transaction(move |tx| {
            let sql = "UPDATE inventory SET sold = sold + ?2 WHERE event = ?1";
            let changed = tx.connection().execute(
                sql,
                myevents_adapters::sqlite::rusqlite::params![event.as_bytes(), seats],
            );
            Ok(changed == Ok(1))
        });
        Ok(planted.await?.value)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_passes_the_store_suite() {
    let report = run_store_suite(&Sqlite).await;
    if let Err(failure) = report.into_result() {
        panic!("{}", failure.why());
    }
}
