//! Where the stores of a test are, so that one test runs on every kind of store: with one process where a store belongs to
//! one, with several where processes share it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(dead_code, reason = "each test program uses its part of this")]

use std::net::SocketAddr;

use loadtest::http::{Answer, Connection, request};
use loadtest::program::{Program, Running};
use myevents_servers::skip::full_scale;
use serde_json::Value;

/// A pair of empty stores, and how the program is told of them.
#[derive(Debug)]
pub(crate) struct Place {
    environment: Vec<(String, String)>,
    shared: bool,
    folder: tempfile::TempDir,
}

impl Place {
    /// Files in a folder of their own.
    pub(crate) fn sqlite() -> Self {
        Self {
            environment: Vec::new(),
            shared: false,
            folder: tempfile::tempdir().unwrap(),
        }
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
    };
}
