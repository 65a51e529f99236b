//! DynamoDB Local of a test's own, with its files in memory where there is such a place: on a disk it is five times slower.

use std::path::Path;

use myevents_servers::{Kind, NotInstalled, Server, skip};

/// Where files are in memory.
const IN_MEMORY: &str = "/dev/shm";

/// A server that ends with this value.
#[derive(Debug)]
pub(crate) struct Own {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Own {
    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    pub(crate) fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// Starts one; none, and the skip is noted, when it is not installed.
pub(crate) async fn start(test: &'static str) -> Option<Own> {
    tokio::task::spawn_blocking(move || start_blocking(test))
        .await
        .unwrap()
}

pub(crate) fn start_blocking(test: &str) -> Option<Own> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("myevents-dynamodb-");
    let folder = if Path::new(IN_MEMORY).is_dir() {
        folder.tempdir_in(IN_MEMORY)
    } else {
        folder.tempdir()
    };
    let folder = folder.unwrap();
    match Server::start_in(Kind::Dynamodb, folder.path()) {
        Ok(server) => Some(Own {
            server,
            _folder: folder,
        }),
        Err(error) if error.downcast_ref::<NotInstalled>().is_some() => {
            skip::skip(test, &error.to_string());
            None
        }
        Err(error) => panic!("DynamoDB Local does not start: {error:#}"),
    }
}

/// Ends it without blocking the runtime.
pub(crate) async fn stop(server: Own) {
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}
