//! The images: Dockerfiles linted, the final stages really built by buildah, the result looked into and run.
//!
//! The stages that compile need images of others, which a build machine without their registry has not. So they are replaced
//! by the programs that the tests have built, laid out by the very script that the stages call.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use myevents_servers::ports;
use serde_json::Value;

use super::process::Running;
use super::{contents, files, tools};
use crate::shell;
use crate::skips;

const PROGRAMS: [&str; 3] = ["myevents", "eventservice", "bookingservice"];

/// What an image may take whose programs are of the profile `image`.
const LIMIT: u64 = 40 * 1024 * 1024;

/// Where the final stages begin.
const FINAL: &str = "FROM scratch AS base\n";

/// What hadolint and a shell say to the files.
///
/// # Errors
/// With that.
pub(super) fn lint() -> Result<()> {
    let mut hadolint = Command::new(tools::path(tools::PYTHON)?.with_file_name("hadolint"));
    hadolint.args(files::list("docker", ".Dockerfile")?);
    shell::run(hadolint)?;
    let mut sh = Command::new("sh");
    sh.arg("-n").arg(files::path("docker/layout.sh"));
    shell::run(sh)
}

/// Builds the three images, looks into them and runs what they hold.
///
/// Skipped without root, who alone may change the root of a process.
///
/// # Errors
/// With what is wrong.
pub(super) fn check(programs: &Path) -> Result<()> {
    if fs::metadata("/proc/self")?.uid() != 0 && !skips::required() {
        println!("skipped: only root can run what is in an image");
        return Ok(());
    }
    let folder = shell::target().join("deploy/images");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let context = folder.join("context");
    fs::create_dir_all(context.join("empty"))?;
    for name in PROGRAMS {
        let stripped = folder.join(name);
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&stripped).arg(programs.join(name));
        shell::run(strip)?;
        let mut layout = Command::new("sh");
        layout
            .arg(files::path("docker/layout.sh"))
            .arg(&stripped)
            .arg(context.join("images").join(name));
        shell::run(layout)?;
    }
    let text = files::read(&files::path("docker/services.Dockerfile"))?;
    let at = text
        .find(FINAL)
        .with_context(|| format!("no `{}`", FINAL.trim()))?;
    let file = folder.join("Dockerfile");
    fs::write(
        &file,
        format!("FROM scratch AS layout\nCOPY . /\n{}", &text[at..]),
    )?;

    let store = Store { folder };
    for name in PROGRAMS {
        store.build(name, &file, &context)?;
        let root = store.mount(name)?;
        let configuration = store.inspect(name)?;
        looked_into(name, &configuration, &root)?;
        let list = store.folder.join(format!("{name}.cdx.json"));
        contents::check(name, &root, &list).with_context(|| format!("the contents of {name}"))?;
        runs(name, &configuration, &root).with_context(|| format!("in the image of {name}"))?;
        let size = size(&root)?;
        println!("{name}: {:.1} MiB", size as f64 / 1024.0 / 1024.0);
        // Programs of the tests' profile are several times as large.
        let optimised = programs.ends_with("image");
        ensure!(!optimised || size <= LIMIT, "{name} takes {size} bytes");
    }
    contents::page(&store.folder)?;
    // Gigabytes that nobody looks at again.
    fs::remove_dir_all(&store.folder)?;
    Ok(())
}

/// Images and containers of one check.
struct Store {
    folder: PathBuf,
}

impl Store {
    fn buildah(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = tools::command(tools::BUILDAH)?;
        command
            .args(["--storage-driver", "vfs", "--root"])
            .arg(self.folder.join("store"))
            .arg("--runroot")
            .arg(self.folder.join("run"))
            .args(arguments);
        Ok(command)
    }

    fn build(&self, name: &str, file: &Path, context: &Path) -> Result<()> {
        // Docker's own format: the other one has no HEALTHCHECK.
        let mut build = self.buildah(&["bud", "--quiet", "--isolation", "chroot", "--format", "docker"])?;
        build
            .args(["--target", name, "-t", name, "-f"])
            .arg(file)
            .arg(context);
        shell::read(build).map(drop)
    }

    fn inspect(&self, name: &str) -> Result<Value> {
        let text = shell::read(self.buildah(&["inspect", "--type", "image", name])?)?;
        Ok(serde_json::from_str::<Value>(&text)?["Docker"]["config"].take())
    }

    /// The files of a container of this image.
    fn mount(&self, name: &str) -> Result<PathBuf> {
        let container = shell::read(self.buildah(&["from", name])?)?;
        let root = shell::read(self.buildah(&["mount", container.trim()])?)?;
        Ok(root.trim().into())
    }
}

fn looked_into(name: &str, configuration: &Value, root: &Path) -> Result<()> {
    ensure!(
        configuration["User"] == "65532:65532",
        "{name} runs as {}",
        configuration["User"]
    );
    ensure!(
        configuration["Entrypoint"][0] == format!("/{name}").as_str(),
        "{name} starts {}",
        configuration["Entrypoint"]
    );
    ensure!(
        configuration["Healthcheck"]["Test"]
            .as_array()
            .is_some_and(|test| test.len() == 3),
        "{name} has the health check {}",
        configuration["Healthcheck"]
    );
    let title = &configuration["Labels"]["org.opencontainers.image.title"];
    ensure!(title == "MyEvents", "{name} is called {title}");
    for shell in ["bin", "sbin", "usr/bin", "usr/sbin"] {
        ensure!(!root.join(shell).exists(), "the image of {name} has /{shell}");
    }
    Ok(())
}

/// The program in its image alone, as an engine would start it: with the image's user, variables, entry point and health check. Only
/// ports are ours, as these are shared here.
fn runs(name: &str, configuration: &Value, root: &Path) -> Result<()> {
    let entry = words(&configuration["Entrypoint"])?;
    let health = words(&configuration["Healthcheck"]["Test"])?;
    let (kind, health) = health.split_first().context("no health check")?;
    ensure!(kind == "CMD", "{kind} needs a shell, and there is none");
    let (port, metrics) = (ports::free(1)?, ports::free(1)?);
    let inside = |own: &[(&str, &str)], words: &[String], more: &[&str]| -> Result<Command> {
        let mut command = Command::new("/usr/sbin/chroot");
        command
            .env_clear()
            .arg("--userspec=65532:65532")
            .arg(root)
            .args(words)
            .args(more);
        for variable in self::words(&configuration["Env"])? {
            let (key, value) = variable.split_once('=').context("a variable without value")?;
            command.env(key, value);
        }
        let listen = if name == "myevents" {
            "MYEVENTS_LISTEN"
        } else {
            "LISTEN_URL"
        };
        command
            .env(listen, format!("0.0.0.0:{port}"))
            .env("METRICS_URL", format!("0.0.0.0:{metrics}"))
            .envs(own.iter().copied());
        Ok(command)
    };
    let version = shell::read(inside(&[], &entry, &["--version"])?)?;
    ensure!(version.starts_with(name), "says {version}");

    let (store, serve) = if name == "myevents" {
        let own = ["serve", "--event-listen", "none", "--booking-listen", "none"];
        (None, own.to_vec())
    } else {
        (Some(("MYEVENTS_DBCONNECTION", "/tmp/store.db")), vec!["serve"])
    };
    let mut own: Vec<_> = store.into_iter().collect();
    // Not a broker that happens to run here.
    own.push(("MYEVENTS_AMQP_MESSAGE_BROKER", "amqp://127.0.0.1:1"));
    match shell::read(inside(&own, &entry, &["check-config"])?) {
        Ok(said) => bail!("takes it that nobody said who may write: {said}"),
        Err(error) => ensure!(format!("{error:#}").contains("allow_anonymous"), "{error:#}"),
    }
    own.push(("MYEVENTS_ALLOW_ANONYMOUS", "true"));
    ensure!(
        shell::read(inside(&own, health, &[])?).is_err(),
        "is well before it runs"
    );
    let log = root.with_extension("log");
    let _service = Running::start(inside(&own, &entry, &serve)?, &log, port, "/readyz")?;
    let said = shell::read(inside(&own, health, &[])?)?;
    ensure!(said.trim() == "healthy", "says {said}");
    Ok(())
}

/// A list of words.
fn words(list: &Value) -> Result<Vec<String>> {
    let list = list.as_array().context("no list of words")?;
    let words = list.iter().map(|word| word.as_str().map(str::to_owned));
    words.collect::<Option<_>>().context("not all are words")
}

/// What the files of a folder take.
fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sum += size(&entry.path())?;
        } else if kind.is_file() {
            sum += entry.metadata()?.len();
        }
    }
    Ok(sum)
}
