//! Where the programs of a test keep their records, and how each is told of its store and its broker: what the tests of
//! two programs joined by a broker share.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(dead_code, reason = "each test program uses its part of this")]

use std::time::Duration;

use loadtest::program::Running;
use loadtest::single::Single;
use myevents_core::ports::{IdSource as _, RandomIds};
use myevents_servers::Server;
use tempfile::TempDir;

/// Settings as environment variables.
pub(crate) type Settings = Vec<(&'static str, String)>;

/// A name that no other test uses.
fn unique() -> String {
    RandomIds.message_id().to_string()
}

/// The empty stores of an event service and a booking service.
pub(crate) struct Stores {
    /// Its one word.
    pub(crate) kind: &'static str,
    events: Settings,
    bookings: Settings,
    folders: TempDir,
}

impl Stores {
    /// Files, each in the folder of its one process.
    pub(crate) fn sqlite() -> Self {
        Self::new("sqlite", Vec::new(), Vec::new())
    }

    /// Two databases of the server at `url`.
    pub(crate) fn mongodb(url: &str) -> Self {
        let (url, run) = (url.trim_end_matches('/'), unique());
        let settings = |database: &str| {
            vec![
                ("MYEVENTS_DATABASETYPE", "mongodb".to_owned()),
                ("MYEVENTS_DBCONNECTION", format!("{url}/{database}-{run}")),
            ]
        };
        Self::new("mongodb", settings("events"), settings("bookings"))
    }

    /// Tables of the server at `url`, with a prefix for each service.
    pub(crate) fn dynamodb(url: &str) -> Self {
        let run = unique();
        let settings = |prefix: &str| {
            vec![
                ("MYEVENTS_DATABASETYPE", "dynamodb".to_owned()),
                ("MYEVENTS_DBCONNECTION", url.to_owned()),
                ("MYEVENTS_TABLE_PREFIX", format!("{prefix}-{run}-")),
                // It takes any, but the client sends nothing without.
                ("AWS_ACCESS_KEY_ID", "test".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
                ("AWS_REGION", "eu-central-1".to_owned()),
            ]
        };
        Self::new("dynamodb", settings("event"), settings("booking"))
    }

    fn new(kind: &'static str, events: Settings, bookings: Settings) -> Self {
        Self {
            kind,
            events,
            bookings,
            folders: tempfile::tempdir().unwrap(),
        }
    }

    /// An `eventservice` on its store, joined by the broker that `broker` names.
    pub(crate) fn event_service(&self, broker: &Settings) -> Single {
        self.single("eventservice", &self.events, broker)
    }

    /// A `bookingservice` likewise.
    pub(crate) fn booking_service(&self, broker: &Settings) -> Single {
        self.single("bookingservice", &self.bookings, broker)
    }

    fn single(&self, name: &str, store: &Settings, broker: &Settings) -> Single {
        let folder = self.folders.path().join(format!("{name}-{}", unique()));
        std::fs::create_dir(&folder).unwrap();
        let own = env!("CARGO_BIN_EXE_bookingservice");
        let mut single = Single::beside(own, name, &folder).unwrap();
        let settings = store.iter().chain(broker);
        single
            .environment
            .extend(settings.map(|(name, value)| ((*name).to_owned(), value.clone())));
        single
    }
}

/// Does something to the server that takes its time.
pub(crate) async fn with(
    server: Server,
    work: impl FnOnce(&mut Server) -> anyhow::Result<()> + Send + 'static,
) -> Server {
    let work = move || {
        let mut server = server;
        work(&mut server).expect("the server does as told");
        server
    };
    tokio::task::spawn_blocking(work)
        .await
        .expect("a task that only waits")
}

/// A program and its process.
pub(crate) struct Process {
    pub(crate) single: Single,
    pub(crate) running: Running,
}

impl Process {
    pub(crate) async fn start(single: Single) -> Self {
        Self {
            running: single.start_ready().await.unwrap(),
            single,
        }
    }

    /// Stopped as its platform stops it, which has to go well, and started again.
    pub(crate) async fn replace(&mut self) {
        self.running.terminate().unwrap();
        let status = self.running.wait(Duration::from_secs(120)).await.unwrap();
        assert!(status.success(), "ended with {status}:\n{}", self.running.log());
        self.running = self.single.start_ready().await.unwrap();
    }

    /// `kill -9`, and started again on the same data.
    pub(crate) async fn kill_and_start(&mut self) {
        self.running.kill().unwrap();
        self.running = self.single.start_ready().await.unwrap();
    }
}
