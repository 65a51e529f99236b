//! Online backup, and putting a backup back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use myevents_core::{Error, ErrorKind, Result};
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::config::SqliteConfig;
use super::error::{during, fault, malformed};
use super::store::{SqliteStore, service_lock};
use super::{check, private, schema};

impl SqliteStore {
    /// Copies the database, as it is at one moment, into `folder` under its own file name; answers the copy's path. The
    /// service goes on meanwhile. The copy is whole on the disk when this answers; a copy that was there before is
    /// replaced only then.
    ///
    /// # Errors
    /// `Unavailable` when the copy can't be written; `Malformed` when it is damaged.
    pub async fn backup(&self, folder: &Path) -> Result<PathBuf> {
        let name = self.path().file_name().unwrap_or_default().to_owned();
        let folder = folder.to_owned();
        self.read(move |source| {
            let io = file_fault("back up database", &folder);
            fs::create_dir_all(&folder).map_err(&io)?;
            let target = folder.join(&name);
            let partial = with_suffix(&target, ".partial");
            remove(&partial).map_err(&io)?;
            copy(source, &partial)?;
            put_in_place(&partial, &target).map_err(&io)?;
            Ok(target)
        })
        .await
    }

    /// Puts a backup made by [`backup`](Self::backup) back as the database of `config`. What was there is kept beside it
    /// with the suffix `.replaced`. Blocks.
    ///
    /// # Errors
    /// `Conflict` while a service runs on the database; `NotFound` when there is no backup of this name; `Config` when it
    /// is of another role or a newer version; `Malformed` when it is damaged. Nothing is changed then.
    pub fn restore(folder: &Path, config: &SqliteConfig) -> Result<()> {
        let target = &config.path;
        let io = file_fault("restore database", target);
        let source = folder.join(target.file_name().unwrap_or_default());
        if !source.is_file() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "restore database",
                "the folder holds no such backup",
            )
            .with("file", source.display()));
        }
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(&io)?;
        }
        let _lock = service_lock(target)?;
        let partial = with_suffix(target, ".partial");
        remove(&partial).map_err(&io)?;
        private::copy(&source, &partial).map_err(&io)?;
        examine(&partial, config)?;
        if target.exists() {
            fold_in_wal(config);
            let kept = with_suffix(target, ".replaced");
            remove(&kept).map_err(&io)?;
            remove(&with_suffix(&kept, "-wal")).map_err(&io)?;
            // The old file keeps its name until the backup takes it: a crash in between must not leave none, which the
            // next start would take for a new store.
            fs::hard_link(target, &kept)
                .or_else(|_| private::copy(target, &kept))
                .map_err(&io)?;
            // What could not be folded in belongs to the file that is kept, and must not meet the backup.
            match fs::rename(with_suffix(target, "-wal"), with_suffix(&kept, "-wal")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
                _ => {}
            }
            remove(&with_suffix(target, "-shm")).map_err(&io)?;
        }
        put_in_place(&partial, target).map_err(&io)
    }
}

fn file_fault(operation: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |source| {
        Error::new(ErrorKind::Unavailable, operation, "a file can't be written")
            .with("file", &path)
            .caused_by(source)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// One step takes all pages under one read transaction: the copy is the state of one moment, and writers go on.
fn copy(source: &Connection, partial: &Path) -> Result<()> {
    let op = during("back up database");
    private::make(partial).map_err(file_fault("back up database", partial))?;
    let mut target = Connection::open(partial).map_err(op)?;
    {
        let backup = Backup::new(source, &mut target).map_err(op)?;
        backup
            .run_to_completion(i32::MAX, std::time::Duration::from_millis(50), None)
            .map_err(op)?;
    }
    // A copy in WAL mode would need its WAL file beside it; this one is a single file.
    target
        .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .map_err(op)?;
    target
        .close()
        .map_err(|(_, source)| fault("back up database", source))
}

/// Makes sure that `partial` is on the disk before it takes the place of `target`, and the new name after.
fn put_in_place(partial: &Path, target: &Path) -> std::io::Result<()> {
    File::open(partial)?.sync_all()?;
    fs::rename(partial, target)?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Refuses a backup that is damaged, of another role or too new, before anything is replaced by it.
fn examine(partial: &Path, config: &SqliteConfig) -> Result<()> {
    let op = during("restore database");
    let connection = Connection::open_with_flags(partial, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(op)?;
    let faults = check::pragma_check(&connection, "PRAGMA quick_check(10)")?;
    if !faults.is_empty() {
        return Err(malformed("the backup is damaged").with("found", faults.join("; ")));
    }
    schema::recognise(&connection, config)
}

/// Brings what is only in the old database's WAL into its file, so that the file kept is whole. One that is too
/// damaged for that is kept as it is.
fn fold_in_wal(config: &SqliteConfig) {
    let folded = schema::open_writer(config).and_then(|connection| {
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(during("restore database"))
    });
    if let Err(error) = folded {
        tracing::warn!(%error, "the database that is replaced could not be closed cleanly");
    }
}
