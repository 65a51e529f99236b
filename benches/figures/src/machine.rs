//! The machine: what it is, how much of it other programs use, how fast its disk makes things durable.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::Connection;

/// One line about it.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_matches([':', '\t', ' ']);
    format!("machine: {cores} cores, {model}")
}

/// Clock ticks used so far: by everybody, and by these processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    all: u64,
    ours: u64,
    at: Instant,
}

impl Ticks {
    /// Reads them. `children` are measured beside this process; those that ended are counted with it.
    pub(crate) fn read(children: &[u32]) -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(1)
            .filter_map(|word| word.parse().ok())
            .collect();
        // user, nice, system, irq, softirq: idle and waiting times are nobody's use.
        let all = [0, 1, 2, 5, 6].iter().filter_map(|place| first.get(*place)).sum();
        let ours = used(std::process::id(), true) + children.iter().map(|id| used(*id, false)).sum::<u64>();
        Self {
            all,
            ours,
            at: Instant::now(),
        }
    }

    /// How many cores others used since `before`, on average.
    pub(crate) fn others_since(self, before: Self) -> f64 {
        let others = (self.all - before.all) as f64 - self.ours.saturating_sub(before.ours) as f64;
        // The kernel counts in hundredths of a second everywhere we run.
        (others / 100.0 / (self.at - before.at).as_secs_f64()).max(0.0)
    }
}

/// A process's own ticks, with those of its ended children if asked.
fn used(process: u32, with_ended: bool) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in parentheses may hold spaces; what follows it does not.
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .map(|word| word.parse().unwrap_or(0))
        .collect();
    fields.iter().skip(11).take(if with_ended { 4 } else { 2 }).sum()
}

/// How many times a second a page appended to a file in `folder` can be made durable.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn fsyncs_per_second(folder: &Path, during: Duration) -> Result<f64> {
    let mut file = fs::File::create(folder.join("fsync.probe"))?;
    let page = [7_u8; 4096];
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < during {
        file.write_all(&page)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// A bare SQLite file with the settings of a durable store.
#[derive(Debug)]
pub(crate) struct BareSqlite(Connection);

impl BareSqlite {
    /// Opens it in `folder`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let connection = Connection::open(folder.join("bare.db")).context("opening a bare SQLite file")?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v BLOB);",
        )?;
        Ok(Self(connection))
    }

    /// How long one commit of one small row takes.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn commit(&self) -> Result<Duration> {
        let start = Instant::now();
        self.0
            .execute("INSERT INTO t (v) VALUES (?1)", [[5_u8; 200].as_slice()])?;
        Ok(start.elapsed())
    }
}
