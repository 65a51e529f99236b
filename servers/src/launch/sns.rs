//! moto's server, for SNS. It keeps everything in memory: what a kill or a stop ends is gone.

use std::process::Command;

use super::Site;

pub(super) fn command(site: &Site) -> Command {
    let mut command = Command::new(site.home.join("venv/bin/python"));
    command.args([
        "-m",
        "moto.server",
        "-H",
        "127.0.0.1",
        "-p",
        &site.port.to_string(),
    ]);
    command
}
