//! Cargo plug-ins that `lint` needs: found, or installed once when that is asked for.

use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;
use crate::skips;

/// Sees that `cargo-deny` is there. Answers false, with the reason printed, where it is missing and nothing asks for it.
///
/// # Errors
/// When `MYEVENTS_REQUIRE=all` is set and it cannot be installed.
pub(crate) fn cargo_deny() -> Result<bool> {
    if Command::new("cargo-deny")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return Ok(true);
    }
    if !skips::required() {
        println!("cargo-deny is not installed: skipped (`cargo install --locked cargo-deny`)");
        return Ok(false);
    }
    // Its own folder, so that the workspace's dependencies are not built again; no default features, as only local checks run.
    let mut install = shell::cargo(&[
        "install",
        "--locked",
        "--quiet",
        "cargo-deny",
        "--no-default-features",
    ]);
    // Optimising a tool that runs for one second would cost minutes.
    install
        .args(["--debug"])
        .env("CARGO_TARGET_DIR", shell::target().join("tools"));
    shell::run(install)?;
    if Command::new("cargo-deny").arg("--version").output().is_err() {
        bail!("cargo-deny was installed but is not on the PATH");
    }
    Ok(true)
}
