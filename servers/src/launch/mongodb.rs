//! mongo-java-server with our main class, which commits before it answers a write.

use std::process::Command;

use super::{Site, java};

pub(super) fn command(site: &Site) -> Command {
    let mut command = java(site, &["-Xmx512m", "-XX:+UseParallelGC"]);
    command
        .arg("MongoStandIn")
        .arg(site.port.to_string())
        .arg(site.file("bson.mv"));
    command
}
