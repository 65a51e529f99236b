//! Files that only their owner may read: they hold names, addresses and the secret of derived ids.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

fn writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Makes an empty file with mode 0600 for SQLite to fill, which gives what it puts beside a database (`-wal`, `-shm`) the mode of
/// the database. One that is there is not touched, and not even opened: closing it would end the locks that this process has on it.
pub(super) fn make(path: &Path) -> io::Result<()> {
    match writing().create_new(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens a file that is no database to write, made with mode 0600 where it is not there yet.
pub(super) fn open(path: &Path) -> io::Result<File> {
    writing().create(true).truncate(false).open(path)
}

/// Copies into a file that is not there yet; the mode of the source is not taken over.
pub(super) fn copy(source: &Path, target: &Path) -> io::Result<()> {
    let mut from = File::open(source)?;
    let mut to = writing().create_new(true).open(target)?;
    io::copy(&mut from, &mut to).map(drop)
}
