//! The test programs of the workspace: built and named by cargo, each then run as cargo would run it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::layering;

/// A built test program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) package: String,
    /// What cargo made it from, in its own words: `lib`, `bin`, `test`, `example`.
    pub(crate) kind: String,
    pub(crate) name: String,
    file: PathBuf,
    /// Of its package, in which it runs.
    folder: PathBuf,
}

/// One line of `--message-format json`, as far as it is read.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            package, kind, name, ..
        } = self;
        match kind.as_str() {
            "lib" => write!(f, "-p {package} --lib"),
            _ => write!(f, "-p {package} --{kind} {name}"),
        }
    }
}

/// Packages with programs that book as fast as they can, or kill and start again under such a load: beside others they starve them, and
/// the servers that are starting.
const LOADING: [(&str, &[&str]); 3] = [
    ("bookingservice", &["amqp", "kafka"]),
    ("myevents", &["attacks", "crash", "limits", "race"]),
    ("myevents-adapters", &["amqp"]),
];

impl Program {
    /// Whether it wants the machine for itself.
    pub(crate) fn loads(&self) -> bool {
        let of_package = LOADING.iter().filter(|(package, _)| *package == self.package);
        let mut names = of_package.flat_map(|(_, names)| names.iter());
        self.kind == "test" && names.any(|name| *name == self.name)
    }

    /// Runs it with its package's folder as the current one, as cargo does.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Builds them by this `cargo test`, in the order in which cargo would run them.
///
/// # Errors
/// When something does not compile.
pub(crate) fn build(mut cargo: Command) -> Result<Vec<Program>> {
    let output = cargo
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the tests were not built: cargo ended with {}", output.status);
    }
    let mut programs = listed(
        &String::from_utf8(output.stdout)?,
        &layering::names_by_manifest()?,
    )?;
    programs.sort_by(|one, other| {
        let key = |program: &Program| {
            (
                program.folder.clone(),
                program.kind == "test",
                program.name.clone(),
            )
        };
        key(one).cmp(&key(other))
    });
    Ok(programs)
}

/// The programs among cargo's messages.
fn listed(messages: &str, names: &BTreeMap<PathBuf, String>) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line)?;
        let (Some(target), Some(profile), Some(file)) = (message.target, message.profile, message.executable)
        else {
            continue;
        };
        if message.reason != "compiler-artifact" || !profile.test {
            continue;
        }
        let package = names
            .get(&message.manifest_path)
            .with_context(|| format!("{} is of no package", message.manifest_path.display()))?;
        programs.push(Program {
            package: package.clone(),
            kind: target.kind.into_iter().next().unwrap_or_default(),
            name: target.name,
            file,
            folder: message
                .manifest_path
                .parent()
                .map(Path::to_path_buf)
                .unwrap_or_default(),
        });
    }
    Ok(programs)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A program that nobody built.
    pub(crate) fn program(package: &str, kind: &str, name: &str) -> Program {
        Program {
            package: package.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            file: PathBuf::from("/built").join(name),
            folder: PathBuf::from("/work").join(package),
        }
    }

    #[test]
    fn programs_are_found_among_cargos_messages() {
        let artifact = |kind: &str, name: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"x","manifest_path":"/work/core/Cargo.toml","target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let messages = [
            artifact("lib", "core", false, "null"),
            artifact("lib", "core", true, r#""/built/core""#),
            artifact("bin", "tool", false, r#""/built/tool""#),
            r#"{"reason":"build-script-executed","package_id":"y"}"#.to_owned(),
            artifact("test", "rest", true, r#""/built/rest""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let names = BTreeMap::from([(PathBuf::from("/work/core/Cargo.toml"), "core".to_owned())]);
        let found = listed(&messages.join("\n"), &names).unwrap();
        assert_eq!(
            found,
            [program("core", "lib", "core"), program("core", "test", "rest")]
        );
        assert_eq!(found[0].to_string(), "-p core --lib");
        assert_eq!(found[1].to_string(), "-p core --test rest");
        assert!(listed(&messages.join("\n"), &BTreeMap::new()).is_err());
    }
}
