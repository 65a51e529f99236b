//! Where the stores of a test are, so that one test runs on every kind of store: with one process where a store belongs to
//! one, with several where processes share it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(dead_code, reason = "each test program uses its part of this")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use loadtest::http::{Answer, Connection, request};
use loadtest::program::{Program, Running};
use myevents_servers::skip::{self, full_scale};
use myevents_servers::{Kind, NotInstalled, Server};
use serde_json::Value;

/// Where files are in memory: servers that write through are several times slower on a disk.
const IN_MEMORY: &str = "/dev/shm";

/// A pair of empty stores, and how the program is told of them.
#[derive(Debug)]
pub(crate) struct Place {
    environment: Vec<(String, String)>,
    shared: bool,
    /// Ends with this value, before its files go.
    _server: Option<Server>,
    folder: tempfile::TempDir,
}

impl Place {
    /// Files in a folder of their own.
    pub(crate) fn sqlite() -> Self {
        Self {
            environment: Vec::new(),
            shared: false,
            _server: None,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Two databases of a MongoDB server of the test's own; none, and the skip is noted, where none is installed. It blocks.
    pub(crate) fn mongodb(test: &str) -> Option<Self> {
        Self::on_server(test, Kind::Mongodb, |url| {
            let url = url.trim_end_matches('/');
            vec![
                ("MYEVENTS_DATABASETYPE", "mongodb".to_owned()),
                ("MYEVENTS_EVENTSERVICE_DBCONNECTION", format!("{url}/events")),
                ("MYEVENTS_BOOKINGSERVICE_DBCONNECTION", format!("{url}/bookings")),
            ]
        })
    }

    /// Tables of a DynamoDB Local of the test's own, with a prefix for each service; otherwise as [`Place::mongodb`].
    pub(crate) fn dynamodb(test: &str) -> Option<Self> {
        Self::on_server(test, Kind::Dynamodb, |url| {
            vec![
                ("MYEVENTS_DATABASETYPE", "dynamodb".to_owned()),
                ("MYEVENTS_DBCONNECTION", url.to_owned()),
                ("MYEVENTS_EVENTSERVICE_TABLE_PREFIX", "test-event-".to_owned()),
                ("MYEVENTS_BOOKINGSERVICE_TABLE_PREFIX", "test-booking-".to_owned()),
                // It takes any, but the client sends nothing without.
                ("AWS_ACCESS_KEY_ID", "test".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
                ("AWS_REGION", "eu-central-1".to_owned()),
            ]
        })
    }

    fn on_server(
        test: &str,
        kind: Kind,
        settings: impl FnOnce(&str) -> Vec<(&'static str, String)>,
    ) -> Option<Self> {
        let mut folder = tempfile::Builder::new();
        folder.prefix("myevents-program-");
        let folder = if Path::new(IN_MEMORY).is_dir() {
            folder.tempdir_in(IN_MEMORY)
        } else {
            folder.tempdir()
        };
        let folder = folder.unwrap();
        let server = match Server::start_in(kind, &folder.path().join("server")) {
            Ok(server) => server,
            Err(error) if error.downcast_ref::<NotInstalled>().is_some() => {
                skip::skip(test, &error.to_string());
                return None;
            }
            Err(error) => panic!("{kind} does not start: {error:#}"),
        };
        let settings = settings(server.url()).into_iter();
        Some(Self {
            environment: settings.map(|(name, value)| (name.to_owned(), value)).collect(),
            shared: true,
            _server: Some(server),
            folder,
        })
    }

    /// Up to `wanted` programs on these stores, each on ports of its own: one where the stores belong to one process.
    pub(crate) fn programs(&self, wanted: usize) -> Vec<Program> {
        let count = if self.shared { wanted } else { 1 };
        let programs = (0..count).map(|_| Program {
            environment: self.environment.clone(),
            ..Program::new(env!("CARGO_BIN_EXE_myevents"), self.folder.path())
        });
        programs.collect()
    }

    /// How often something is killed in a test.
    pub(crate) fn kills(&self) -> u64 {
        match (self.shared, full_scale()) {
            (false, false) => 20,
            (false, true) => 200,
            (true, false) => 10,
            (true, true) => 50,
        }
    }

    /// How long after the last start the outbox may need to run empty. Where processes share a store, what a killed one held
    /// is left to its lease of six seconds, as nobody can know that it is dead.
    pub(crate) fn outbox_patience(&self) -> Duration {
        Duration::from_secs(if self.shared { 45 } else { 30 })
    }

    /// One program on these stores.
    pub(crate) fn program(&self) -> Program {
        self.programs(1).remove(0)
    }
}

/// The booking services of these programs, beginning with the one whose turn it is: so customers spread over them.
pub(crate) fn addresses(programs: &[Program], turn: usize) -> Vec<SocketAddr> {
    let all = programs.iter().map(|program| program.service.bookings);
    let mut all: Vec<_> = all.collect();
    all.rotate_left(turn % programs.len());
    all
}

/// Starts all of them and waits until they are ready.
pub(crate) async fn start_all(programs: &[Program]) -> Vec<Running> {
    let mut running = Vec::new();
    for program in programs {
        running.push(program.start_ready().await.unwrap());
    }
    running
}

/// Stops all of them, which has to go well.
pub(crate) async fn stop_all(running: Vec<Running>) {
    for running in running {
        running.stop().await.unwrap();
    }
}

/// One request with a JSON body, or none for null, on a connection of its own.
pub(crate) async fn send(program: &Program, method: &str, path: &str, body: &Value) -> Answer {
    let mut connection = Connection::open(program.service.bookings).await.unwrap();
    let bytes = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let headers = [("content-type", "application/json")];
    connection
        .send(&request(method, path, &headers, bytes.as_bytes()))
        .await
        .unwrap()
}

/// Makes an event through the first program, and waits until every program's booking service knows it.
pub(crate) async fn new_event(programs: &[Program], body: &Value, capacity: u64) -> String {
    let made = send(&programs[0], "POST", "/events", body).await;
    assert_eq!(made.status, 201, "{:?}", made.json());
    let id = made.json().unwrap()["ID"].as_str().unwrap().to_owned();
    for program in programs {
        program.service.wait_bookable(&id, capacity).await.unwrap();
    }
    id
}

/// A number that differs from turn to turn and is the same in every run.
pub(crate) fn scattered(turn: u64, below: u64) -> u64 {
    (turn + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % below
}

/// Makes each named function, which takes a [`Place`], a test on every kind of store.
#[macro_export]
macro_rules! on_every_store {
    ($($test:ident)+) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::common::Place::sqlite()).await;
                }
            )+
        }
        $crate::on_server! { mongodb $($test)+ }
        $crate::on_server! { dynamodb $($test)+ }
    };
}

/// Those of one kind of store that has a server, which may not be installed.
#[macro_export]
macro_rules! on_server {
    ($store:ident $($test:ident)+) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let name = concat!(stringify!($store), "::", stringify!($test));
                    let place = tokio::task::spawn_blocking(|| $crate::common::Place::$store(name)).await;
                    if let Some(place) = place.unwrap() {
                        super::$test(place).await;
                    }
                }
            )+
        }
    };
}
