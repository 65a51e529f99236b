//! Reading the file: line by line, into stores that are empty or that an earlier import of this file began to fill.

mod pending;
mod reader;

use myevents_core::ports::EventFilter;
use myevents_core::{Error, ErrorKind, Result};
use tokio::io::AsyncBufRead;

use self::pending::{Pending, Target};
use self::reader::{Read, Reader};
use super::lines::Header;
#[cfg(feature = "fuzzing")]
use super::lines::bad;
use super::{Counts, FORMAT_VERSION, Part, Watch, patiently};

/// Records that are gathered before they are stored.
const GATHERED: usize = 512;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The records read.
    pub counts: Counts,
    /// Records that were there already.
    pub existing: u64,
    /// Lines that were not taken; each was told.
    pub faults: u64,
    /// Events whose counter does not agree with their bookings, or with the file; each was told.
    pub off: u64,
}

impl Imported {
    /// Whether the stores hold all that the file holds, and every counter is right.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.faults == 0 && self.off == 0
    }
}

type Lines<'a> = &'a mut (dyn AsyncBufRead + Unpin + Send);

/// Reads a whole file without storing anything; answers how many lines can't be taken. Each is told to `watch`.
///
/// # Errors
/// When the first line is not that of an export of this version, and when the file can't be read.
pub async fn check(lines: Lines<'_>, watch: &mut dyn Watch) -> Result<u64> {
    let mut reader = Reader::new(lines);
    let first = reader.first().await?;
    let header = header(&first)?;
    let mut faults = 0;
    let mut counts = Counts::new();
    loop {
        match reader.next(&header, &mut counts).await? {
            Read::Record(_) => {}
            Read::Fault(reason) => {
                faults += 1;
                watch.fault(reader.number(), &reason);
            }
            Read::End => return Ok(faults),
        }
    }
}

/// Stores what the file holds in the stores of the same roles, and sets and checks every counter. Lines that can't be
/// taken are told to `watch` and passed over.
///
/// May be repeated with the same file after a break: what is there stays as it is, the rest is added.
///
/// # Errors
/// `Conflict` when a store is neither empty nor filled from this file before; `Config` when the file is not an export of
/// this version or holds a store that is not among `parts`; what the stores and the file answer.
pub async fn import(parts: &[Part<'_>], lines: Lines<'_>, watch: &mut dyn Watch) -> Result<Imported> {
    let mut reader = Reader::new(lines);
    let first = reader.first().await?;
    let header = header(&first)?;
    let mut targets = targets(&header, parts)?;
    for (store, target) in header.stores.iter().zip(&mut targets) {
        target.adopt(&store.secret()?).await?;
    }
    let mut done = Imported::default();
    let mut pending = Pending::default();
    let mut records = 0;
    loop {
        match reader.next(&header, &mut done.counts).await? {
            Read::Record(record) => {
                pending.push(record, reader.number());
                if pending.len() >= GATHERED {
                    records += pending.len() as u64;
                    pending.store(&mut targets, &mut done, watch).await?;
                    watch.progress(records);
                }
            }
            Read::Fault(reason) => {
                done.faults += 1;
                watch.fault(reader.number(), &reason);
            }
            Read::End => break,
        }
    }
    pending.store(&mut targets, &mut done, watch).await?;
    for target in &targets {
        check_counters(target, &mut done, watch).await?;
    }
    Ok(done)
}

fn header(line: &[u8]) -> Result<Header<'_>> {
    let refused = |message: &'static str| Error::new(ErrorKind::Config, "import", message);
    let header: Header<'_> = serde_json::from_slice(line)
        .map_err(|error| refused("the first line is not that of an export").caused_by(error))?;
    if header.format != super::lines::FORMAT {
        return Err(refused("the first line is not that of an export"));
    }
    if header.version != FORMAT_VERSION {
        return Err(refused("the export has a format that this program does not know")
            .with("format", header.version)
            .with("known", FORMAT_VERSION));
    }
    for store in &header.stores {
        store.secret()?;
    }
    Ok(header)
}

fn targets<'a>(header: &Header<'_>, parts: &[Part<'a>]) -> Result<Vec<Target<'a>>> {
    let found = header.stores.iter().map(|store| {
        let part = parts.iter().find(|part| part.role == store.role);
        part.map(|part| Target::new(*part)).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "import",
                "the file holds records of a service that this program does not have",
            )
            .with("service", &store.role)
        })
    });
    found.collect()
}

/// Holds every counter of a store against its bookings.
async fn check_counters(target: &Target<'_>, done: &mut Imported, watch: &mut dyn Watch) -> Result<()> {
    let store = &target.part.store.store;
    let all = EventFilter {
        with_cancelled: true,
        ..EventFilter::default()
    };
    let mut after = None;
    loop {
        let page = patiently(|| store.list_events(&all, after.as_ref(), 200)).await?;
        for record in &page.items {
            let event = &record.event.id;
            let Some(found) = target.settled(event, false).await? else {
                continue;
            };
            if found.drift != 0 {
                done.off += 1;
                let finding = format!(
                    "the counter is off by {}: sold {}, confirmed bookings hold {}",
                    found.drift, found.sold, found.confirmed
                );
                watch.counter(target.part.role, &event.to_string(), &finding);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// A record of a file whose first line is `first`, for fuzzing: read and thrown away.
#[cfg(feature = "fuzzing")]
pub(super) fn read_any(first: &[u8], line: &[u8]) -> Result<()> {
    let header = serde_json::from_slice(first)
        .map_err(|error| bad("the first line can't be read").caused_by(error))?;
    reader::read_line(line, &header).map(drop)
}
