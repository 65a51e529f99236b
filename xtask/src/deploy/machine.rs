//! The unit of systemd for one machine.

use std::fs;

use anyhow::{Result, ensure};

use super::{files, tools};
use crate::shell;

/// Where the unit expects the program.
const PROGRAM: &str = "ExecStart=/usr/local/bin/myevents ";

/// What systemd says to the unit: every word that it would ignore.
///
/// # Errors
/// With that.
pub(super) fn check() -> Result<()> {
    let unit = files::read(&files::path("systemd/myevents.service"))?;
    ensure!(unit.contains(PROGRAM), "no `{PROGRAM}` in the unit");
    let folder = shell::target().join("deploy/machine");
    fs::create_dir_all(&folder)?;
    let file = folder.join("myevents.service");
    // A program that is there; that it takes these arguments the tests of the program show.
    fs::write(&file, unit.replace(PROGRAM, "ExecStart=/bin/true "))?;
    let output = tools::command(tools::SYSTEMD)?
        .arg("verify")
        .arg(&file)
        .output()?;
    // It ends with 0 for words that it ignores.
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.trim().is_empty(), "{said}");
    Ok(())
}
