//! A foreign SDK of CloudEvents, in Python, reads our messages from Kafka.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use myevents_adapters::kafka::KafkaBroker;
use myevents_core::contract::{Envelope, MessageId, MessageName};
use myevents_core::domain::UnixMillis;
use myevents_core::ports::EventEmitter as _;
use myevents_servers::skip;
use serde_json::{Value, json};

use crate::common::Kafka;

const REQUIREMENTS: [&str; 2] = ["cloudevents==2.2.0", "confluent-kafka==2.16.1"];

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A Python with the SDK, made once and kept beside the build; none where there is no Python or no way to the packages.
fn python(test: &str) -> Result<Option<PathBuf>> {
    if Command::new("python3").arg("--version").output().is_err() {
        skip::skip(test, "python3 is not installed");
        return Ok(None);
    }
    let home = myevents_servers::shared::target().join(format!("python/{}", REQUIREMENTS.join("-")));
    let python = home.join("bin/python");
    if home.join("whole").exists() {
        return Ok(Some(python));
    }
    let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home)).and_then(|_| {
        run(Command::new(&python)
            .args(["-m", "pip", "-q", "install"])
            .args(REQUIREMENTS))
    });
    match made {
        Ok(_) => std::fs::write(home.join("whole"), "")?,
        Err(error) => {
            skip::skip(
                test,
                &format!("the CloudEvents SDK can't be installed: {error:#}"),
            );
            return Ok(None);
        }
    }
    Ok(Some(python))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_sdk_reads_our_messages() -> Result<()> {
    const TEST: &str = "a_foreign_sdk_reads_our_messages";
    let (Some(kafka), Some(python)) = (
        Kafka::shared(TEST).await?,
        tokio::task::spawn_blocking(|| python(TEST)).await??,
    ) else {
        return Ok(());
    };
    let config = kafka.config(1);
    let emitter = KafkaBroker::new(config.clone())?.emitter()?;
    let build = |id: &str, body: &str| {
        Envelope::builder(
            MessageId::new(id),
            MessageName::from_wire("event.created"),
            "5a00",
        )
        .time(UnixMillis(1_700_000_000_001))
        .header("source", "/eventservice")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .body(body.to_owned())
        .build()
    };
    for result in emitter
        .emit(&[build("m-1", r#"{"name":"café"}"#), build("m-2", "no JSON")])
        .await
    {
        result?;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/read_events.py");
    let (address, topic) = (kafka.address().to_owned(), config.topic.clone());
    let said = tokio::task::spawn_blocking(move || {
        run(Command::new(python).arg(script).args([&address, &topic, "2"]))
    })
    .await??;
    let mut events = said.lines().map(serde_json::from_str::<Value>);
    for (id, data) in [
        (
            "m-1",
            json!({"eventName": "event.created", "payload": {"name": "café"}}),
        ),
        (
            "m-2",
            json!({"eventName": "event.created", "payloadEncoding": "base64", "payload": "bm8gSlNPTg=="}),
        ),
    ] {
        let event = events.next().context("an event")??;
        let attribute = |name: &str| event["attributes"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(attribute("specversion"), "1.0");
        assert_eq!(attribute("id"), id);
        assert_eq!(attribute("type"), "event.created");
        assert_eq!(attribute("source"), "/eventservice");
        assert_eq!(attribute("partitionkey"), "5a00");
        assert_eq!(attribute("datacontenttype"), "application/json");
        assert!(
            attribute("time").starts_with("2023-11-14T22:13:20.001"),
            "{event}"
        );
        assert!(attribute("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(event["data"], data);
    }
    Ok(())
}
