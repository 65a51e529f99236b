//! A mail server for tests: aiosmtpd with a script that writes each mail as a line of `mails.jsonl` in the server's folder.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::Site;

const SCRIPT: &str = include_str!("smtp.py");

pub(super) fn command(site: &Site) -> Result<Command> {
    let script = site.file("smtp.py");
    fs::write(&script, SCRIPT)?;
    let mut command = Command::new(site.home.join("venv/bin/python"));
    // Warnings of deprecated options are no news.
    command
        .args(["-W", "ignore"])
        .arg(script)
        .arg(site.port.to_string());
    Ok(command)
}
