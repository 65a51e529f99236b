//! Watches the commands that a store sends: its client tells each before it goes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::mongodb::MongoStore;
use myevents_adapters::mongodb::mongodb::Client;
use myevents_adapters::mongodb::mongodb::bson::Document;
use myevents_adapters::mongodb::mongodb::event::EventHandler;
use myevents_adapters::mongodb::mongodb::event::command::CommandEvent;
use myevents_core::ports::SystemClock;
use parking_lot::Mutex;

use crate::common::Database;

/// What a store sent since it was last asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(
    Arc<Mutex<Vec<Document>>>,
    Arc<Mutex<BTreeMap<String, (u32, Duration)>>>,
);

impl Watch {
    /// The commands since the last call.
    pub(crate) fn take(&self) -> Vec<Document> {
        std::mem::take(&mut *self.0.lock())
    }

    /// How often each command was answered since the last call, and how long that took in all.
    pub(crate) fn times(&self) -> BTreeMap<String, (u32, Duration)> {
        std::mem::take(&mut *self.1.lock())
    }

    /// Their names and collections, for a failing test to show.
    pub(crate) fn names(commands: &[Document]) -> Vec<String> {
        let name = |command: &Document| {
            let (name, target) = command.iter().next().expect("a command has a name");
            format!("{name} {}", target.as_str().unwrap_or_default())
        };
        commands.iter().map(name).collect()
    }
}

/// A store over a client of the test's own, which is watched.
pub(crate) async fn watched(database: &Database) -> (MongoStore, Watch) {
    let watch = Watch::default();
    let config = database.config();
    let mut options = config.client_options().await.unwrap();
    let seen = Arc::clone(&watch.0);
    let times = Arc::clone(&watch.1);
    options.command_event_handler = Some(EventHandler::callback(move |event| match event {
        CommandEvent::Started(started) => seen.lock().push(started.command),
        CommandEvent::Succeeded(done) => {
            let mut times = times.lock();
            let of_command = times.entry(done.command_name).or_default();
            of_command.0 += 1;
            of_command.1 += done.duration;
        }
        _ => {}
    }));
    let client = Client::with_options(options).unwrap();
    let store = MongoStore::with_client(client, config, Arc::new(SystemClock))
        .await
        .unwrap();
    (store, watch)
}
