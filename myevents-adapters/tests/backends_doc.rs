//! The tables of `docs/backends.md` are what `capabilities()` say. `MYEVENTS_BLESS=1` writes them.

use std::path::Path;
use std::sync::Arc;

use myevents_adapters::amqp::{AmqpBroker, AmqpConfig};
use myevents_adapters::dynamodb::DynamoStore;
use myevents_adapters::kafka::{KafkaBroker, KafkaConfig};
use myevents_adapters::mongodb::MongoStore;
use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_adapters::sqs::aws_sdk_sqs::config::{BehaviorVersion, Region};
use myevents_adapters::sqs::{SqsBroker, SqsConfig, aws_sdk_sqs};
use myevents_core::local::{LocalBroker, LocalOptions};
use myevents_core::memory::MemoryStore;
use myevents_core::observe::NoObserver;
use myevents_core::ports::{
    BrokerCapabilities, DatabaseHandler, EventEmitter, MessageOrder, StoreCapabilities, SystemClock,
};

fn word(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn store_row(of: &StoreCapabilities) -> String {
    let [durable, shared, inbox, lag, backup] =
        [of.durable, of.shared, of.atomic_inbox, of.lists_lag, of.backup].map(word);
    format!(
        "| `{}` | {durable} | {shared} | {inbox} | {lag} | {backup} | {} |\n",
        of.name, of.max_batch
    )
}

/// `kind` tells apart what one backend has of several kinds.
fn broker_row(of: &BrokerCapabilities, kind: &str) -> String {
    let order = match of.order {
        MessageOrder::InGroup => "in a group",
        MessageOrder::InOneConsumer => "with one consumer",
        MessageOrder::None => "none",
    };
    let [durable, replay, shared, delay, extend, unroutable] = [
        of.durable,
        of.replay,
        of.shared,
        of.delayed_nack,
        of.extend,
        of.detects_unroutable,
    ]
    .map(word);
    let bytes = of.max_message_bytes;
    format!(
        "| `{}`{kind} | {order} | {durable} | {replay} | {shared} | {delay} | {extend} | {unroutable} | {bytes} |\n",
        of.name
    )
}

/// `page` with what stands between the marker named `table` and the next `<!-- end -->` replaced.
fn filled(page: &str, table: &str, rows: &str) -> String {
    let start = page
        .find(&format!("<!-- {table}:"))
        .expect("the page has the marker");
    let start = start + page[start..].find('\n').expect("the marker ends its line") + 1;
    let end = start + page[start..].find("<!-- end -->").expect("the table has an end");
    format!("{}{rows}{}", &page[..start], &page[end..])
}

#[tokio::test]
async fn the_matrix_is_what_the_backends_say() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let sqlite = SqliteStore::open(
        SqliteConfig::service(folder.path().join("a.db"), "test"),
        clock.clone(),
    )
    .unwrap();
    let stores = [
        MemoryStore::new(clock).capabilities(),
        sqlite.capabilities(),
        MongoStore::CAPABILITIES,
        DynamoStore::CAPABILITIES,
    ];
    let local = LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver));
    let amqp = AmqpBroker::connect(AmqpConfig::new(Vec::new(), "test", "test")).unwrap();
    let kafka = KafkaBroker::new(KafkaConfig::new(&["localhost:9092"])).unwrap();
    let queue = |name: &str| {
        let config = aws_sdk_sqs::Config::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new("us-east-1")).build();
        let broker = SqsBroker::with_client(
            &aws_sdk_sqs::Client::from_conf(config),
            SqsConfig::new("test", name),
        );
        broker.unwrap().emitter().capabilities()
    };
    let brokers = [
        (EventEmitter::capabilities(&local), ""),
        (amqp.emitter().capabilities(), ""),
        (kafka.capabilities(), ""),
        (queue("events.fifo"), ", FIFO"),
        (queue("events"), ", standard"),
    ];

    let mut store_table =
        "| store | durable | shared | atomic inbox | lists lag | online backup | batch |\n|---|---|---|---|---|---|---|\n".to_owned();
    store_table.extend(stores.iter().map(store_row));
    let mut broker_table = "| broker | order of a key | durable | replay | shared | delayed redelivery | hold extended | tells unroutable | bytes |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    broker_table.extend(brokers.iter().map(|(of, kind)| broker_row(of, kind)));

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/backends.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let wanted = filled(&filled(&page, "stores", &store_table), "brokers", &broker_table);
    if std::env::var_os("MYEVENTS_BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        wanted,
        "run with MYEVENTS_BLESS=1 to write the tables"
    );
}
