//! Lists of contents (SBOM): what each image is made of, as CycloneDX, held to the official schema when it is written.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{files, tools};
use crate::shell;

/// The images that have one.
const IMAGES: [&str; 4] = ["myevents", "eventservice", "bookingservice", "page"];

/// Writes a list for each image into this folder. The libraries that the images of the services hold besides are not in it: what
/// looks into an image finds those by `var/lib/dpkg/status.d`.
///
/// # Errors
/// When a list can't be made.
pub(super) fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for name in IMAGES {
        list(name, &folder.join(format!("{name}.cdx.json")), None)?;
    }
    Ok(())
}

/// The list of an image whose files are in this folder, looked into.
///
/// # Errors
/// When it can't be made or lacks what is known to be in the image.
pub(super) fn check(name: &str, root: &Path, output: &Path) -> Result<()> {
    list(name, output, Some(root))?;
    let list: Value = serde_json::from_str(&files::read(output)?)?;
    let addresses: Vec<&str> = files::all(&list["components"], "purl")
        .into_iter()
        .filter_map(Value::as_str)
        .collect();
    let page = ["pkg:npm/react@"];
    let program = [
        "pkg:cargo/tokio@",
        "pkg:cargo/myevents-core@",
        "pkg:deb/debian/libc6@",
    ];
    let more = if name == "myevents" { &page[..] } else { &[] };
    for known in program.iter().chain(more) {
        let found = addresses
            .iter()
            .filter(|address| address.starts_with(known))
            .count();
        ensure!(found == 1, "the list of {name} has {known} {found} times");
    }
    ensure!(
        !addresses.iter().any(|address| address.contains("/proptest@")),
        "what only tests use is in the list of {name}"
    );
    Ok(())
}

/// The list of the page's image, looked into.
///
/// # Errors
/// As [`check`].
pub(super) fn page(folder: &Path) -> Result<()> {
    let output = folder.join("page.cdx.json");
    list("page", &output, None)?;
    let list = files::read(&output)?;
    ensure!(
        list.contains("pkg:npm/react@") && !list.contains("pkg:cargo/"),
        "the list of the page"
    );
    Ok(())
}

fn list(name: &str, output: &Path, root: Option<&Path>) -> Result<()> {
    let mut python = tools::command(tools::PYTHON)?;
    python
        .current_dir(shell::root())
        .arg(files::path("checks/contents.py"))
        .arg(name)
        .arg(std::path::absolute(output)?)
        .args(root);
    shell::run(python)
}
