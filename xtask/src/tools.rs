//! Tools beside cargo itself (a plug-in, Node, a browser): found, or installed once when that is asked for.

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

/// Whether Node is there and new enough for the page; else why not.
///
/// # Errors
/// The reason, in words for whoever has to install it.
pub(crate) fn node() -> Result<(), String> {
    let said = |program| {
        let output = Command::new(program).arg("--version").output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let wanted = "the page needs Node 20.19, 22.13, or 24 and later with npm (https://nodejs.org)";
    let version = said("node").ok_or_else(|| format!("{wanted}; there is no `node`"))?;
    if said("npm").is_none() {
        return Err(format!("{wanted}; there is no `npm`"));
    }
    if !suits(numbers(&version)) {
        return Err(format!("{wanted}; this one is {version}"));
    }
    Ok(())
}

/// Whether Vite and ESLint run on it.
fn suits(version: [u32; 2]) -> bool {
    matches!(version, [20, (19..)] | [22, (13..)] | [(24..), _])
}

/// Major and minor of `v20.19.1`; zeros for what is no version.
fn numbers(version: &str) -> [u32; 2] {
    let mut parts = version
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

/// Installs Debian's Chromium for the page's end-to-end tests, if it is missing and `MYEVENTS_REQUIRE=all` asks for it.
///
/// # Errors
/// When it can't be installed.
pub(crate) fn chromium() -> Result<()> {
    if !skips::required() || std::path::Path::new("/usr/bin/chromium").exists() {
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        shell::run(command)
    };
    apt(&["update", "-qq"])?;
    apt(&[
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "chromium",
        "fonts-noto-core",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for version in ["v20.19.1", "v22.13.0", "v24.0.0", "v25.1.0"] {
            assert!(suits(numbers(version)), "{version}");
        }
        for version in ["v20.9.0", "v21.7.0", "v22.2.0", "v23.11.0", "nonsense"] {
            assert!(!suits(numbers(version)), "{version}");
        }
    }
}
