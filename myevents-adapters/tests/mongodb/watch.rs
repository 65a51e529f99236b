//! Watches the commands that a store sends: its client tells each before it goes out.

use std::sync::Arc;

use myevents_adapters::mongodb::mongodb::Client;
use myevents_adapters::mongodb::mongodb::bson::Document;
use myevents_adapters::mongodb::mongodb::event::EventHandler;
use myevents_adapters::mongodb::mongodb::event::command::CommandEvent;
use myevents_adapters::mongodb::{MongoConfig, MongoStore};
use myevents_core::ports::SystemClock;
use parking_lot::Mutex;

use crate::common::{Database, ROLE};

/// What a store sent since it was last asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Vec<Document>>>);

impl Watch {
    /// The commands since the last call.
    pub(crate) fn take(&self) -> Vec<Document> {
        std::mem::take(&mut *self.0.lock())
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
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(started) = event {
            seen.lock().push(started.command);
        }
    }));
    let client = Client::with_options(options).unwrap();
    let config = MongoConfig::service("", ROLE).database(&database.name);
    let store = MongoStore::with_client(client, config, Arc::new(SystemClock)).await.unwrap();
    (store, watch)
}
