//! `cargo xtask page`: the page's own tool chain (Node, npm), called only where it is wanted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Result, bail};
use clap::Args;

use crate::shell;
use crate::skips;
use crate::tools;

/// Build the page that `myevents` embeds, or check its sources.
///
/// Needs Node 20.19, 22.13, or 24 and later with npm. `cargo build` takes up what was built; without it a placeholder is embedded.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// Only check: types, lints, unit tests, and that the types of the interface are those of the program.
    #[arg(long)]
    check: bool,

    /// Only write the types of the interface anew, after a change of it.
    #[arg(long, conflicts_with = "check")]
    types: bool,
}

impl Page {
    pub(crate) fn run(self) -> Result<()> {
        if let Err(reason) = tools::node() {
            bail!("{reason}");
        }
        install()?;
        if self.types {
            return types(&[]);
        }
        if self.check {
            check()?;
            return types(&["--check"]);
        }
        shell::run(npm(&["run", "types"]))?;
        shell::run(npm(&["run", "build"]))
    }
}

/// Builds the page if node is there and the built one is older than its sources. Where it can't, the reason is printed, and
/// the placeholder, or what was built before, is what gets embedded.
///
/// # Errors
/// When it can't be built though node is there, or node is missing and `MYEVENTS_REQUIRE=all` is set.
pub(crate) fn ensure_built() -> Result<()> {
    if !outdated() {
        return Ok(());
    }
    if let Err(reason) = tools::node() {
        if skips::required() {
            bail!("{reason}");
        }
        println!("the page is not built: {reason}");
        return Ok(());
    }
    install()?;
    shell::run(npm(&["run", "build"]))
}

/// Types, lints and unit tests of the page; skipped, with the reason printed, where node is missing.
///
/// # Errors
/// When one of them fails, or node is missing and `MYEVENTS_REQUIRE=all` is set.
pub(crate) fn lint() -> Result<()> {
    if let Err(reason) = tools::node() {
        if skips::required() {
            bail!("{reason}");
        }
        println!("skipped: {reason}");
        return Ok(());
    }
    install()?;
    check()
}

fn check() -> Result<()> {
    for script in ["types", "lint", "test"] {
        shell::run(npm(&["run", script]))?;
    }
    Ok(())
}

/// Holds `src/api/schema.d.ts` against what the program says of itself.
fn types(flags: &[&str]) -> Result<()> {
    let document = shell::read(shell::cargo(&[
        "run", "--quiet", "-p", "myevents", "--", "openapi",
    ]))?;
    let file = shell::target().join("openapi.json");
    fs::write(&file, document)?;
    let mut node = Command::new("node");
    node.current_dir(frontend())
        .arg("scripts/api-types.mjs")
        .args(flags)
        .arg(file);
    shell::run(node)
}

fn frontend() -> PathBuf {
    shell::root().join("frontend")
}

fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(frontend()).args(arguments);
    command
}

/// `npm ci`, if what is installed is older than what the lock file asks for. No package runs a script of its own.
fn install() -> Result<()> {
    let done = changed(&frontend().join("node_modules/.package-lock.json"));
    if done.is_some() && done >= changed(&frontend().join("package-lock.json")) {
        return Ok(());
    }
    shell::run(npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
}

/// Whether the built page is missing or older than a file that it is made from.
fn outdated() -> bool {
    let Some(built) = changed(&frontend().join("dist/site/index.html")) else {
        return true;
    };
    let sources = [
        "src",
        "public",
        "scripts",
        "index.html",
        "package-lock.json",
        "vite.config.ts",
    ];
    sources
        .iter()
        .any(|name| newest(&frontend().join(name)).is_some_and(|changed| changed > built))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let inside = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| newest(&entry.path()));
    inside.chain(changed(path)).max()
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}
