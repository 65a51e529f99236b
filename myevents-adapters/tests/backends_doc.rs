//! The tables of `docs/backends.md` are what `capabilities()` say. `MYEVENTS_BLESS=1` writes them.

use std::path::Path;
use std::sync::Arc;

use myevents_adapters::amqp::{AmqpBroker, AmqpConfig};
use myevents_adapters::dynamodb::DynamoStore;
use myevents_adapters::kafka::{KafkaBroker, KafkaConfig};
use myevents_adapters::mongodb::MongoStore;
use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
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

fn broker_row(of: &BrokerCapabilities) -> String {
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
        "| `{}` | {order} | {durable} | {replay} | {shared} | {delay} | {extend} | {unroutable} | {bytes} |\n",
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
    let brokers = [
        EventEmitter::capabilities(&local),
        amqp.emitter().capabilities(),
        kafka.capabilities(),
    ];

    let mut store_table =
        "| store | durable | shared | atomic inbox | lists lag | online backup | batch |\n|---|---|---|---|---|---|---|\n".to_owned();
    store_table.extend(stores.iter().map(store_row));
    let mut broker_table = "| broker | order of a key | durable | replay | shared | delayed redelivery | hold extended | tells unroutable | bytes |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    broker_table.extend(brokers.iter().map(broker_row));

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
