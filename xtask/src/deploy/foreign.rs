//! Objects of the Prometheus operator and of KEDA, whose schemas no version of Kubernetes has: npm packages made of their definitions do.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::files;
use crate::shell;
use crate::tools;

/// The kinds.
pub(super) const KINDS: [&str; 3] = ["ServiceMonitor", "ScaledObject", "ScrapeConfig"];

/// Holds these to their schemas, and sees one refused that has a number spoilt.
///
/// # Errors
/// With what a schema says, or when a kind is not among them.
pub(super) fn check(objects: &[Value]) -> Result<()> {
    for kind in KINDS {
        ensure!(objects.iter().any(|object| object["kind"] == kind), "no {kind}");
    }
    if let Err(reason) = tools::node() {
        bail!("{reason}");
    }
    let folder = installed()?;
    let check = |name: &str, objects: &[Value]| -> Result<String> {
        fs::write(folder.join(name), json!(objects).to_string())?;
        let mut node = Command::new("node");
        node.current_dir(&folder).args(["check.mjs", name]);
        shell::read(node)
    };
    print!("{}", check("objects.json", objects)?);
    for object in objects {
        let mut spoilt = object.clone();
        spoilt["spec"]["maxReplicaCount"] = json!("many");
        spoilt["spec"]["endpoints"] = json!("all");
        spoilt["spec"]["kubernetesSDConfigs"] = json!([{"role": "pods"}]);
        ensure!(
            check("spoilt.json", &[spoilt]).is_err(),
            "the schema of {} takes anything",
            object["kind"]
        );
    }
    Ok(())
}

/// The folder of the packages, installed unless they are there.
fn installed() -> Result<PathBuf> {
    const LOCK: &str = "package-lock.json";
    let folder = shell::target().join("deploy/foreign");
    let there = files::path("checks/foreign");
    fs::create_dir_all(&folder)?;
    fs::copy(there.join("check.mjs"), folder.join("check.mjs"))?;
    let lock = files::read(&there.join(LOCK))?;
    // What npm writes last.
    let whole = folder.join("node_modules/.package-lock.json").exists();
    if !whole || files::read(&folder.join(LOCK)).ok().as_ref() != Some(&lock) {
        fs::copy(there.join("package.json"), folder.join("package.json"))?;
        fs::write(folder.join(LOCK), lock)?;
        let mut npm = Command::new("npm");
        npm.current_dir(&folder)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        shell::run(npm)?;
    }
    Ok(folder)
}
