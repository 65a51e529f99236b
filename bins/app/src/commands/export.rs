//! `export`: every record of the program's services as JSON lines.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use myevents_adapters::transfer::{self, ExportOptions, Exported};
use myevents_core::ErrorKind;
use myevents_core::runtime::config::Settings;
use tokio::io::AsyncWrite;

use super::progress::{Progress, warn};
use super::{parts, told};
use crate::stores;

/// The word for standard output and input.
pub(super) const STREAM: &str = "-";

pub(super) async fn run(settings: &Settings, output: &Path, without_messages: bool) -> Result<ExitCode> {
    let options = ExportOptions { without_messages };
    let done = if output == Path::new(STREAM) {
        write(settings, options, &mut tokio::io::stdout()).await?
    } else {
        into_file(settings, options, output).await?
    };
    for line in told(&done.counts) {
        warn(line);
    }
    if done.left_out > 0 {
        warn(format_args!(
            "{} waiting messages are not in the file: nobody will be told by the new store",
            done.left_out
        ));
    }
    warn("the file holds the stores' secrets and all that they know of persons: keep it as safe as them");
    Ok(ExitCode::SUCCESS)
}

async fn write(
    settings: &Settings,
    options: ExportOptions,
    out: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<Exported> {
    stores::with_open(settings, true, async |stores| {
        let done = transfer::export(&parts(stores), options, out, &mut Progress::new("exported")).await;
        done.map_err(|error| {
            let waiting = error.kind() == ErrorKind::Conflict
                && error.context().iter().any(|(name, _)| *name == "waiting");
            let error = anyhow::Error::from(error);
            if waiting {
                return error.context(
                    "let the service run until `outbox` shows 0 waiting, stop it and export again; or leave the messages out with --without-messages",
                );
            }
            error
        })
    })
    .await
}

/// The file gets its name only when it is whole and on the disk.
async fn into_file(settings: &Settings, options: ExportOptions, target: &Path) -> Result<Exported> {
    ensure!(
        !target.exists(),
        "{} is there already: name another file",
        target.display()
    );
    let partial = partial(target);
    let made = || format!("can't write {}", partial.display());
    // What an export that was killed left behind.
    match tokio::fs::remove_file(&partial).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(made),
        _ => {}
    }
    let mut open = tokio::fs::OpenOptions::new();
    let mut file = open
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .await
        .with_context(made)?;
    let written = match write(settings, options, &mut file).await {
        Ok(done) => file.sync_all().await.map(|()| done).with_context(made),
        Err(error) => Err(error),
    };
    let named = match written {
        Ok(done) => {
            let named = tokio::fs::rename(&partial, target).await.with_context(made);
            named.map(|()| done)
        }
        Err(error) => Err(error),
    };
    if named.is_err() {
        // The error that is told is the first one.
        let _gone = tokio::fs::remove_file(&partial).await;
    }
    named
}

fn partial(target: &Path) -> PathBuf {
    let mut name = OsString::from(target);
    name.push(".partial");
    PathBuf::from(name)
}
