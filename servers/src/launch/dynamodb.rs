//! DynamoDB Local on files. It listens on all interfaces and takes any credentials; it has no setting for that.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Site, java};

pub(super) fn command(site: &Site) -> Result<Command> {
    let data = site.file("data");
    fs::create_dir_all(&data)?;
    let natives = site.home.join("lib");
    let mut command = java(site, &["-Xmx512m"]);
    command
        .arg(format!("-Djava.library.path={}", natives.display()))
        .arg(format!("-DSQLite.library.path={}", natives.display()))
        .arg("software.amazon.dynamodb.services.local.main.ServerRunner")
        .args([
            "-port",
            &site.port.to_string(),
            "-sharedDb",
            "-disableTelemetry",
            "-dbPath",
        ])
        .arg(data);
    Ok(command)
}
