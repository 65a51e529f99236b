//! ElasticMQ with its queues and messages on disk, written before they are acknowledged, and back before it listens.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Site, java};

/// Little memory, and a quick start rather than the last of the speed.
const OPTIONS: [&str; 3] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

pub(super) fn command(site: &Site) -> Result<Command> {
    let settings = include_str!("../../java/sqs/elasticmq.conf")
        .replace("{port}", &site.port.to_string())
        .replace("{folder}", &site.folder.display().to_string());
    let file = site.file("elasticmq.conf");
    fs::write(&file, settings)?;
    let mut command = java(site, &OPTIONS);
    command
        .arg(format!("-Dconfig.file={}", file.display()))
        .arg("RestoredQueues");
    Ok(command)
}
