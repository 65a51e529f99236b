//! Handled once, whatever kills the consumer: a child process consumes with an inbox in SQLite and is ended at an armed point
//! of dispatch, again and again; the last one finishes, and its file says how often each message had its effect.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::dispatch::{Context, Dispatch, DispatchOptions};
use myevents_core::ports::{
    DeadLetters, EventEmitter, EventListener, Inbox, StartFrom, Subscription, SystemClock,
};
use myevents_core::{Error, ErrorKind, Result, crash};
use tokio_util::sync::CancellationToken;

/// Where the child keeps its inbox and its effects; only a child has it.
pub(crate) const STORE: &str = "MYEVENTS_TEST_CONSUMER";
/// The group that is killed.
pub(crate) const GROUP: &str = "once";

const NAME: MessageName = MessageName::from_static("event.created");
const KEYS: usize = 6;
const EACH: usize = 15;
const POINTS: [&str; 3] = [
    "dispatch.before-handler",
    "dispatch.after-handler",
    "dispatch.before-ack",
];
const EFFECTS: &str =
    "create table if not exists effects (number integer primary key autoincrement, message text, key text)";
/// SIGABRT, by which an armed point ends the process.
const ABORTED: i32 = 6;

/// The store that this process is to consume with, if it is a child.
pub(crate) fn child() -> Option<PathBuf> {
    std::env::var_os(STORE).map(PathBuf::from)
}

fn messages() -> Vec<Envelope> {
    let all = (0..EACH).flat_map(|number| (0..KEYS).map(move |key| (key, number)));
    let message = |(key, number)| {
        Envelope::builder(
            MessageId::new(&format!("{key}-{number:02}")),
            NAME,
            format!("key-{key}"),
        )
        .body("{}")
        .build()
    };
    all.map(message).collect()
}

fn open(path: &Path) -> Arc<SqliteStore> {
    let config = SqliteConfig::service(path, "consumer");
    Arc::new(SqliteStore::open(config, Arc::new(SystemClock)).expect("the store opens"))
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "note an effect", "the table can't be used").caused_by(error)
}

/// Each effect, in the order in which they were stored: message and key.
async fn effects(store: &SqliteStore) -> Vec<(String, String)> {
    let reading = store.with_reader(|connection| {
        let mut rows = connection
            .prepare("select message, key from effects order by number")
            .map_err(failed)?;
        let rows = rows
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed)?;
        rows.collect::<std::result::Result<_, _>>().map_err(failed)
    });
    reading.await.expect("the effects can be read")
}

/// What the child does: handles until every message had its effect, or until the armed point ends the process.
pub(crate) async fn consume(
    path: &Path,
    listener: Arc<dyn EventListener>,
    dead_letters: Arc<dyn DeadLetters>,
) {
    let store = open(path);
    let table = store.with_transaction(|tx| tx.connection().execute_batch(EFFECTS).map_err(failed));
    table.await.expect("the table is made");
    let effect = Arc::clone(&store);
    let handler = move |envelope: Envelope, context: Context| {
        let store = Arc::clone(&effect);
        async move { note(&store, envelope, &context).await }
    };
    let inbox: Arc<dyn Inbox> = Arc::<SqliteStore>::clone(&store);
    let dispatch = Dispatch::builder(GROUP)
        .on_envelope(NAME, handler)
        .with_inbox(inbox, Duration::from_secs(60))
        .dead_letters(dead_letters)
        .options(DispatchOptions {
            prefetch: 32,
            concurrency: 4,
            from: start(&*listener),
            ..DispatchOptions::default()
        })
        .build()
        .expect("a dispatch that can work");
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let running = tokio::spawn(async move { dispatch.run(listener, stopping).await });
    let all = async {
        while effects(&store).await.len() < KEYS * EACH {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(60), all).await;
    assert!(within.is_ok(), "some messages had no effect within a minute");
    stop.cancel();
    running
        .await
        .expect("the dispatch does not panic")
        .expect("the dispatch ends");
}

/// The effect and the mark that the message is done, in one step.
async fn note(store: &SqliteStore, envelope: Envelope, context: &Context) -> Result<()> {
    let mark = context.mark().cloned();
    let noting = store.with_transaction(move |tx| {
        let row = (envelope.id().as_str(), envelope.key());
        let insert = "insert into effects (message, key) values (?1, ?2)";
        tx.connection().execute(insert, row).map_err(failed)?;
        mark.iter().try_for_each(|token| tx.complete_inbox(token))
    });
    noting.await.map(drop)
}

/// How a broker's consumers are killed.
pub(crate) struct Kills {
    /// For people.
    pub(crate) broker: &'static str,
    /// The test that is a consumer when it is called with [`STORE`] and `environment`.
    pub(crate) child: &'static str,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) per_point: usize,
}

impl Kills {
    /// Publishes, kills consumers at each point, lets one finish, and counts. `noticed` waits until the broker knows of a kill.
    #[allow(clippy::print_stdout, reason = "what was killed and counted is shown")]
    pub(crate) async fn at_each_point<F: Future<Output = ()>>(
        &self,
        listener: Arc<dyn EventListener>,
        emitter: Arc<dyn EventEmitter>,
        noticed: impl Fn() -> F,
    ) {
        // The group is there before the first message.
        let from = start(&*listener);
        let wanted = Subscription {
            group: GROUP.to_owned(),
            names: vec![NAME],
            prefetch: 1,
            from,
        };
        drop(listener.subscribe(wanted).await.expect("the group can be made"));
        listener.close().await.expect("the listener closes");
        let sent = messages();
        for result in emitter.emit(&sent).await {
            result.expect("the broker takes the message");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("consumer.db");
        let mut kills = 0;
        for round in 0..self.per_point {
            for point in POINTS {
                let at = format!("{point}:{}", 1 + 3 * round);
                let ended = self.consumer(&path, Some(&at)).await;
                assert_eq!(ended.status.signal(), Some(ABORTED), "{at}: {}", said(&ended));
                noticed().await;
                kills += 1;
            }
        }
        let ended = self.consumer(&path, None).await;
        assert!(ended.status.success(), "the last consumer: {}", said(&ended));
        let effects = effects(&open(&path)).await;
        let mut per_key: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (message, key) in &effects {
            per_key.entry(key).or_default().push(message);
        }
        let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for message in &sent {
            expected
                .entry(message.key())
                .or_default()
                .push(message.id().as_str());
        }
        assert_eq!(per_key, expected, "each message once, and each key in its order");
        println!(
            "{}: {kills} consumers killed at {} points, {} messages handled once each, each key in its order",
            self.broker,
            POINTS.len(),
            effects.len()
        );
    }

    /// A consumer in a process of its own, until it ends.
    async fn consumer(&self, path: &Path, crash_at: Option<&str>) -> Output {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", self.child, "--nocapture"])
            .env(STORE, path);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        if let Some(at) = crash_at {
            command.env(crash::ENVIRONMENT, at);
        }
        let running = tokio::task::spawn_blocking(move || command.output());
        running.await.expect("a task that waits").expect("the child runs")
    }
}

fn said(ended: &Output) -> String {
    let [out, err] = [&ended.stdout, &ended.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{}\n{out}{err}", ended.status)
}

/// A log is read from its beginning, so nothing hangs on when the group is made.
fn start(listener: &dyn EventListener) -> StartFrom {
    if listener.capabilities().replay {
        StartFrom::Beginning
    } else {
        StartFrom::Now
    }
}
