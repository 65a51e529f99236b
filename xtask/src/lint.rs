//! `cargo xtask lint`: everything that is checked without running the program.

use anyhow::Result;
use clap::Args;

use crate::deploy;
use crate::layering::{self, LIBRARIES};
use crate::page;
use crate::shell::{self, Parts};
use crate::tools;

/// Check format, lints, docs, licences, features, layering, packaging, the page and what is in `deploy/`.
///
/// Every part runs even when an earlier one failed. `cargo-deny`, the page and `deploy/` are skipped where what they
/// need is not installed; with MYEVENTS_REQUIRE=all it is installed, except for Node, without which the page fails.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Only the quick parts: format, lints and layering.
    #[arg(long)]
    quick: bool,
}

impl Lint {
    pub(crate) fn run(self) -> Result<()> {
        let mut parts = Parts::default();
        parts.part("format", || {
            shell::run(shell::cargo(&["fmt", "--all", "--", "--check"]))
        });
        parts.part("lints", || {
            let everything = [
                "--workspace",
                "--all-targets",
                "--all-features",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ];
            shell::run(shell::cargo(&[&["clippy"], &everything[..]].concat()))
        });
        parts.part("layering", layering::check);
        if !self.quick {
            parts.part("features", each_feature);
            parts.part("docs", docs);
            parts.part("bans, licences, sources", deny);
            parts.part("packages", packages);
            // That its types are those of the interface is a test beside the built program.
            parts.part("page", page::lint);
            deploy::lint(&mut parts);
        }
        parts.finish()
    }
}

/// Each feature of each library by itself, and none at all: features must not lean on each other by accident.
fn each_feature() -> Result<()> {
    for library in LIBRARIES {
        let mut sets = vec![None];
        sets.extend(layering::features(library)?.into_iter().map(Some));
        for set in &sets {
            let mut clippy = shell::cargo(&["clippy", "--quiet", "-p", library, "--no-default-features"]);
            if let Some(feature) = set {
                clippy.args(["--features", feature]);
            }
            clippy.args(["--", "-D", "warnings"]);
            shell::run(clippy)?;
        }
    }
    Ok(())
}

fn docs() -> Result<()> {
    let mut doc = shell::cargo(&["doc", "--workspace", "--no-deps", "--all-features", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    shell::run(doc)
}

fn deny() -> Result<()> {
    if !tools::cargo_deny()? {
        return Ok(());
    }
    shell::run(shell::cargo(&[
        "deny",
        "--all-features",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

/// Both libraries can be made into packages. The build of the packed files is left out: it is the build that all other parts did.
fn packages() -> Result<()> {
    let mut package = shell::cargo(&["package", "--quiet", "--no-verify", "--allow-dirty"]);
    for library in LIBRARIES {
        package.args(["-p", library]);
    }
    shell::run(package)
}
