//! Fetching servers: once for all work trees of a user, outside of them, whole or not at all.

mod java;
mod packages;
mod python;
mod tools;

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::Kind;
use crate::process::last_lines;

pub use tools::Tool;

/// A server cannot start because it is not installed, and nothing asked for installing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotInstalled {
    /// The server.
    pub kind: Kind,
    /// What is missing.
    pub missing: String,
}

impl fmt::Display for NotInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, missing } = self;
        write!(
            f,
            "{kind}: {missing} is not installed (`cargo xtask backends up {kind}` installs it)"
        )
    }
}

impl std::error::Error for NotInstalled {}

/// Where a kind of server comes from.
enum Source {
    Java(java::Recipe),
    Debian(packages::Recipe),
    Python(python::Recipe),
}

const fn source(kind: Kind) -> Source {
    match kind {
        Kind::Mongodb => Source::Java(java::MONGODB),
        Kind::Dynamodb => Source::Java(java::DYNAMODB),
        Kind::Kafka => Source::Java(java::KAFKA),
        Kind::Sqs => Source::Java(java::SQS),
        Kind::Amqp => Source::Debian(packages::RABBITMQ),
        Kind::Sns => Source::Python(python::MOTO),
        Kind::Smtp => Source::Python(python::AIOSMTPD),
    }
}

/// The server's name and version, for people.
#[must_use]
pub fn product(kind: Kind) -> String {
    match source(kind) {
        Source::Java(recipe) => format!("{} {}", recipe.name, recipe.version),
        Source::Debian(recipe) => recipe.name.to_owned(),
        Source::Python(recipe) => format!("{} {}", recipe.name, recipe.version),
    }
}

/// Whether it could start without fetching anything.
///
/// # Errors
/// With what is missing.
pub fn check(kind: Kind) -> Result<(), NotInstalled> {
    let missing = match source(kind) {
        Source::Java(recipe) => recipe.missing(kind),
        Source::Debian(recipe) => recipe.missing(),
        Source::Python(recipe) => recipe.missing(kind),
    };
    match missing {
        Some(missing) => Err(NotInstalled { kind, missing }),
        None => Ok(()),
    }
}

/// Fetches what is missing; nothing when all is there. Other processes that want the same wait meanwhile.
/// `say` gets a line before each step that takes long.
///
/// # Errors
/// When something cannot be fetched or made; what its tool said last is in the message.
pub fn install(kind: Kind, say: &dyn Fn(&str)) -> Result<()> {
    if check(kind).is_ok() {
        return Ok(());
    }
    let _one_at_a_time = under_lock(&|line| say(&format!("{kind}: {line}")))?;
    // Whoever held the lock may have brought it.
    if check(kind).is_ok() {
        return Ok(());
    }
    let start = Instant::now();
    match source(kind) {
        Source::Java(recipe) => recipe.install(kind, say),
        Source::Debian(recipe) => recipe.install(kind, say),
        Source::Python(recipe) => recipe.install(kind, say),
    }
    .with_context(|| format!("cannot install {}", product(kind)))?;
    check(kind)?;
    let took = start.elapsed().as_secs_f64();
    say(&format!("{kind}: {} installed in {took:.1} s", product(kind)));
    Ok(())
}

/// Waits until nobody else installs; the lock ends with the value.
fn under_lock(say: &dyn Fn(&str)) -> Result<File> {
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::create(cache.join("lock"))?;
    if lock.try_lock().is_err() {
        say("waiting for another process that installs");
        lock.lock()?;
    }
    Ok(lock)
}

/// The folder for servers of all versions.
fn cache() -> Result<PathBuf> {
    Ok(base()?.join("servers"))
}

/// The folder for all that is fetched.
fn base() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep servers")?;
    Ok(base.join("myevents"))
}

/// The folder of one version. What it is made from is part of its name, so that a changed recipe makes a new one.
fn folder(kind: Kind, version: &str, ingredients: &[&str]) -> Result<PathBuf> {
    Ok(cache()?
        .join(kind.word())
        .join(format!("{version}-{:08x}", digest(ingredients))))
}

/// A number that tells one recipe from another.
fn digest(ingredients: &[&str]) -> u64 {
    // FNV-1a, as std promises no hash that stays the same.
    let hash = ingredients
        .iter()
        .flat_map(|text| text.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash >> 32
}

/// Where the server's files are.
///
/// # Errors
/// When there is no folder for them.
pub(crate) fn home(kind: Kind) -> Result<PathBuf> {
    match source(kind) {
        Source::Java(recipe) => recipe.home(kind),
        Source::Debian(recipe) => Ok(recipe.home.into()),
        Source::Python(recipe) => recipe.home(kind),
    }
}

/// Makes a folder whole or not at all: `make` fills another one beside it that gets the name at the end.
fn whole(home: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = home.parent().context("a folder below the cache")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let unfinished = tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempdir_in(parent)?;
    make(unfinished.path())?;
    let finished = unfinished.keep();
    fs::rename(&finished, home).with_context(|| format!("cannot make {}", home.display()))
}

/// Whether a program is to be found by its name.
pub(crate) fn on_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Runs a tool to its end.
///
/// # Errors
/// With what it said last, when it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    bail!(
        "{program} ended with {}:\n{}",
        output.status,
        last_lines(&String::from_utf8_lossy(&said))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_could_not_be_made_whole_is_not_there() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("kind/1");
        whole(&home, |folder| {
            fs::write(folder.join("half"), "")?;
            bail!("no network")
        })
        .unwrap_err();
        assert!(!home.exists());
        assert_eq!(fs::read_dir(place.path().join("kind")).unwrap().count(), 0);

        whole(&home, |folder| Ok(fs::write(folder.join("all"), "")?)).unwrap();
        assert!(home.join("all").exists());
    }

    #[test]
    fn another_recipe_is_another_folder() {
        let one = folder(Kind::Kafka, "1", &["a"]).unwrap();
        assert_ne!(one, folder(Kind::Kafka, "1", &["b"]).unwrap());
        assert_ne!(one, folder(Kind::Kafka, "2", &["a"]).unwrap());
    }

    #[test]
    fn a_tool_that_fails_is_quoted() {
        let error = run(Command::new("sh").args(["-c", "echo no route; exit 3"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("exit status: 3") && text.contains("no route"),
            "{text}"
        );
    }
}
