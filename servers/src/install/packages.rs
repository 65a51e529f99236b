//! What comes from Debian's packages: RabbitMQ, and the tools that fetch the other servers.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{on_path, run};
use crate::Kind;

/// A server that is a package of the system.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    package: &'static str,
    /// Its files, of which `program` is one.
    pub(super) home: &'static str,
    program: &'static str,
}

pub(super) const RABBITMQ: Recipe = Recipe {
    name: "RabbitMQ",
    package: "rabbitmq-server",
    home: "/usr/lib/rabbitmq",
    program: "bin/rabbitmq-server",
};

impl Recipe {
    pub(super) fn missing(&self) -> Option<String> {
        let there = Path::new(self.home).join(self.program).exists();
        (!there).then(|| format!("{} (package `{}`)", self.name, self.package))
    }

    pub(super) fn install(&self, kind: Kind, say: &dyn Fn(&str)) -> Result<()> {
        say(&format!(
            "{kind}: installing the package {} (some 20 s)",
            self.package
        ));
        add(self.package)
    }
}

/// Sees that a tool is there, by way of its package where it is not.
pub(super) fn tool(program: &str, package: &str, say: &dyn Fn(&str)) -> Result<()> {
    if on_path(program) {
        return Ok(());
    }
    say(&format!("installing the package {package} for `{program}`"));
    add(package).with_context(|| format!("`{program}` is needed"))
}

pub(super) fn add(package: &str) -> Result<()> {
    ensure!(
        on_path("apt-get"),
        "install {package} by hand: this system has no apt-get"
    );
    ensure!(
        rustix::process::geteuid().is_root(),
        "only root may install: run `apt-get install --no-install-recommends {package}`"
    );
    // Somebody else may be installing: wait for them.
    let apt = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
            .args(arguments))
    };
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", package])
}
