//! Kafka: one node that is broker and controller, its storage formatted at the first start.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Site, java};
use crate::install;

/// Any 16 bytes in this form name a cluster.
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

/// Little memory, and a quick start rather than the last of the speed.
const OPTIONS: [&str; 4] = [
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
];

/// Its certificate and key, and the authority of its clients, PEM.
pub(super) const OWN: &str = "own.pem";
pub(super) const CLIENTS: &str = "clients.pem";

/// The settings of a listener for TLS, and what is put behind the two lists of listeners.
fn tls(site: &Site) -> (String, String) {
    let Some(port) = site.tls else {
        return <_>::default();
    };
    let [own, clients] = [OWN, CLIENTS].map(|name| site.file(name).display().to_string());
    let settings = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={own}\nssl.truststore.type=PEM\n\
         ssl.truststore.location={clients}\nssl.client.auth=required"
    );
    (settings, format!(",SSL://127.0.0.1:{port}"))
}

pub(super) fn command(site: &Site) -> Result<Command> {
    let front = match site.front {
        Some(front) => front.to_string(),
        None => format!("127.0.0.1:{}", site.port),
    };
    let (tls, listener) = tls(site);
    let settings = include_str!("../../java/kafka/server.properties")
        .replace("{tls}", &tls)
        .replace("{listener}", &listener)
        .replace("{front}", &front)
        .replace("{port}", &site.port.to_string())
        .replace("{controller}", &(site.port + 1).to_string())
        .replace("{folder}", &site.folder.display().to_string());
    let file = site.file("server.properties");
    fs::write(&file, settings)?;
    let log = site.file("log4j2.properties");
    fs::write(&log, include_str!("../../java/kafka/log4j2.properties"))?;

    let logging = format!("-Dlog4j2.configurationFile={}", log.display());
    if !site.file("logs/meta.properties").exists() {
        let mut format = java(site, &OPTIONS);
        format
            .args([
                &logging,
                "kafka.tools.StorageTool",
                "format",
                "--ignore-formatted",
            ])
            .args(["-t", CLUSTER, "-c"]);
        install::run(format.arg(&file))?;
    }
    let mut command = java(site, &OPTIONS);
    command.args([&logging, "kafka.Kafka"]).arg(file);
    Ok(command)
}
