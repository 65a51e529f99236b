//! The broker itself fails: killed, stopped, low on memory, away for long, not there at the start, one of several.

use std::process::Command;
use std::time::Duration;

use myevents_adapters::amqp::{AmqpBroker, AmqpConfig, AmqpUrl, QueueType};
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::ports::EventEmitter as _;
use myevents_core::{ErrorKind, Result};
use myevents_servers::Server;
use myevents_servers::skip::full_scale;

use crate::common::{config, eventually, server};
use crate::load::{Counts, Load};

/// Does something to the server that takes its time.
async fn with<T: Send + 'static>(
    server: Server,
    work: impl FnOnce(&mut Server) -> anyhow::Result<T> + Send + 'static,
) -> (Server, T) {
    let work = move || {
        let mut server = server;
        let done = work(&mut server).expect("the server does as told");
        (server, done)
    };
    tokio::task::spawn_blocking(work)
        .await
        .expect("a task that only waits")
}

#[allow(clippy::print_stdout, reason = "repeats are counted and shown")]
fn show(what: &str, counts: &Counts) {
    let Counts {
        published,
        publishes_repeated,
        repeats,
    } = counts;
    println!("{what}: loss 0 of {published}, {repeats} repeats, {publishes_repeated} publishes repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_of_the_broker_loses_a_message() {
    let Some(mut server) = server("no_failure_of_the_broker_loses_a_message").await else {
        return;
    };
    low_on_memory(&server).await;
    server = killed_and_stopped(server).await;
    server = away_at_the_start_and_for_long(server).await;
    several_addresses(&server).await;
}

async fn killed_and_stopped(mut server: Server) -> Server {
    let load = Load::start(config(server.port(), QueueType::Quorum)).await;
    load.queue_has_settled().await;
    let kills = if full_scale() { 10 } else { 1 };
    for _ in 0..kills {
        load.flows(300).await;
        (server, ()) = with(server, |server| {
            server.kill()?;
            server.restart()
        })
        .await;
    }
    load.flows(300).await;
    (server, ()) = with(server, |server| {
        server.stop()?;
        server.restart()
    })
    .await;
    load.flows(300).await;
    let counts = load.finish().await;
    show("killed and stopped", &counts);
    server
}

/// Away from the start, then there, then away for long, then there again: the load goes on and memory stays bounded.
async fn away_at_the_start_and_for_long(server: Server) -> Server {
    let port = server.port();
    let (mut server, ()) = with(server, Server::stop).await;
    let starting = tokio::spawn(Load::start(config(port, QueueType::Quorum)));
    let emitter = AmqpBroker::connect(config(port, QueueType::Quorum))
        .unwrap()
        .emitter();
    assert_eq!(emitter.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    (server, ()) = with(server, Server::restart).await;
    let load = starting.await.unwrap();
    load.flows(300).await;
    eventually("a ping", || async { emitter.ping().await.is_ok() }).await;
    load.queue_has_settled().await;
    let away = Duration::from_secs(if full_scale() { 60 } else { 10 });
    (server, ()) = with(server, move |server| {
        server.kill()?;
        std::thread::sleep(away);
        server.restart()
    })
    .await;
    load.flows(300).await;
    show("away for long", &load.finish().await);
    server
}

fn control(server: &Server, arguments: &[&str]) {
    let output = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl")
        .args(arguments)
        .env("HOME", server.folder())
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_NODENAME", "myevents@localhost")
        .env("ERL_EPMD_PORT", (server.port() + 2).to_string())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&said)
    );
}

fn message(number: u32) -> Envelope {
    let name = MessageName::from_static("not.required");
    Envelope::builder(MessageId::new(&format!("blocked-{number}")), name, "")
        .body("{}")
        .build()
}

async fn emit(broker: &AmqpBroker, number: u32) -> Result<()> {
    broker.emitter().emit(&[message(number)]).await.pop().unwrap()
}

/// The broker stops reading from publishers: publishes wait a little and say so, and it shows in the ping.
async fn low_on_memory(server: &Server) {
    let mut settings = config(server.port(), QueueType::Quorum);
    settings.confirm_timeout = Duration::from_secs(2);
    let load = Load::start(settings.clone()).await;
    let broker = AmqpBroker::connect(settings).unwrap();
    load.flows(100).await;
    emit(&broker, 0).await.unwrap();
    control(server, &["set_vm_memory_high_watermark", "absolute", "1"]);
    // The first message after it is what the broker blocks at: it may have it.
    eventually("the block", || async {
        emit(&broker, 1).await.is_err_and(|error| {
            assert!(error.is_retryable(), "{error}");
            error.message().contains("low on memory")
        })
    })
    .await;
    // They wait a little only, and not for the end of the block.
    let error = tokio::time::timeout(Duration::from_secs(60), emit(&broker, 2)).await;
    assert_eq!(error.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    let error = tokio::time::timeout(Duration::from_secs(60), broker.emitter().ping()).await;
    assert_eq!(error.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    control(
        server,
        &["set_vm_memory_high_watermark", "absolute", "1073741824"],
    );
    eventually("the end of the block", || async {
        emit(&broker, 3).await.is_ok()
    })
    .await;
    broker.emitter().ping().await.unwrap();
    load.flows(100).await;
    show("low on memory", &load.finish().await);
}

/// A dead address, one that accepts and says nothing, and then the broker.
async fn several_addresses(server: &Server) {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        unused.local_addr().unwrap().port()
    };
    let mut settings: AmqpConfig = config(server.port(), QueueType::Quorum);
    let url = |port| AmqpUrl::parse(&format!("amqp://me:geheim@127.0.0.1:{port}")).unwrap();
    settings.urls.insert(0, url(dead));
    settings.urls.insert(1, url(silent.local_addr().unwrap().port()));
    settings.connect_timeout = Duration::from_millis(500);
    let broker = AmqpBroker::connect(settings.clone()).unwrap();
    eventually("the third address", || async { emit(&broker, 1).await.is_ok() }).await;
    // None of them answers: what is said names the places and no password.
    settings.urls.truncate(2);
    settings.publish_wait = Duration::from_secs(5);
    let broker = AmqpBroker::connect(settings.clone()).unwrap();
    let unsure = emit(&broker, 1).await.unwrap_err();
    assert_eq!(unsure.kind(), ErrorKind::Unavailable);
    let said = format!("{unsure} {unsure:?} {broker:?} {settings:?}");
    assert!(
        said.contains(&format!("127.0.0.1:{dead}")) && !said.contains("geheim"),
        "{said}"
    );
    // A TLS address that speaks no TLS, and a password that is wrong, are told and not panicked about.
    settings.urls = vec![
        AmqpUrl::parse(&format!("amqps://127.0.0.1:{}", server.port())).unwrap(),
        url(server.port()),
    ];
    settings.connect_timeout = Duration::from_secs(5);
    settings.publish_wait = Duration::from_secs(12);
    let broker = AmqpBroker::connect(settings).unwrap();
    let unsure = emit(&broker, 1).await.unwrap_err();
    assert_eq!(unsure.kind(), ErrorKind::Unavailable);
    assert!(
        unsure.message().contains("ACCESS_REFUSED") && !unsure.to_string().contains("geheim"),
        "{unsure}"
    );
}
