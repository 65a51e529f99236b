//! RabbitMQ by its own script rather than the system's wrapper, which changes the user and the folder.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::Site;

/// Never the last of the machine's memory, and a start on a small disk.
const LIMITS: &str =
    "[{rabbit,[{vm_memory_high_watermark,{absolute,1073741824}},{disk_free_limit,50000000}]}].\n";

pub(super) fn command(site: &Site) -> Result<Command> {
    for folder in ["mnesia", "log"] {
        fs::create_dir_all(site.file(folder))?;
    }
    fs::write(site.file("enabled_plugins"), "[].\n")?;
    fs::write(site.file("advanced.config"), LIMITS)?;

    let mut command = Command::new(site.home.join("bin/rabbitmq-server"));
    // Its cookie is made in its home. Its name stays the same on another port, as its data are filed under it.
    command
        .env("HOME", &site.folder)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_NODENAME", "myevents@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", site.port.to_string())
        .env("RABBITMQ_DIST_PORT", (site.port + 1).to_string())
        .env("RABBITMQ_MNESIA_BASE", site.file("mnesia"))
        .env("RABBITMQ_LOG_BASE", site.file("log"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", site.file("enabled_plugins"))
        .env("RABBITMQ_CONFIG_FILE", site.file("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", site.file("advanced.config"))
        .env("ERL_EPMD_PORT", epmd_port(site.port).to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
        )
        // The script becomes the server itself, so that signals reach it.
        .env("detached", "1");
    Ok(command)
}

/// Erlang's name server outlives the broker. One to each broker keeps equal names apart.
pub(super) fn end_epmd(port: u16) -> Command {
    let mut command = Command::new("epmd");
    command.args(["-port", &epmd_port(port).to_string(), "-kill"]);
    command
}

const fn epmd_port(port: u16) -> u16 {
    port + 2
}
