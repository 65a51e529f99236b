//! Lines to records, each checked by itself; the last line's counts against what was read.

use myevents_core::contract::audit_from_json;
use myevents_core::domain::{AuditEntry, Booking, EventId, EventRecord, LocationRecord, UserId, UserRecord};
use myevents_core::ports::{DeadLetter, ParkedMessage};
use myevents_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

use super::Lines;
use crate::transfer::lines::{
    BookingLine, CopyLine, CounterLine, End, EventLine, Header, Line, LocationLine, RemovedUserLine,
    UserLine, audit_line, bad,
};
use crate::transfer::messages::{LetterLine, ParkedLine};
use crate::transfer::{Counts, count, file_fault};

/// No record of ours comes near this.
const LONGEST_LINE: usize = 64 << 20;

/// A record of the store with this index in the file's first line.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) store: usize,
    pub(super) record: Record,
}

#[derive(Debug)]
pub(super) enum Record {
    Location(LocationRecord),
    Event(EventRecord),
    Copy {
        record: EventRecord,
        capacity: Option<u64>,
    },
    User(UserRecord),
    RemovedUser(UserId),
    Booking(Booking),
    Counter(Expected),
    DeadLetter(DeadLetter),
    Parked(ParkedMessage),
    Audit(AuditEntry),
}

/// What the counter of an event has to be once its bookings are there.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) event: EventId,
    pub(super) capacity: Option<u64>,
    pub(super) confirmed: i64,
}

/// What comes next in the file.
#[derive(Debug)]
pub(super) enum Read {
    Record(Box<Placed>),
    Fault(String),
    End,
}

pub(super) struct Reader<'a> {
    lines: Lines<'a>,
    line: Vec<u8>,
    number: u64,
    /// Lines that are no records.
    bad: u64,
    /// The last line was read, or its lack was told.
    ended: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lines: Lines<'a>) -> Self {
        Self {
            lines,
            line: Vec::new(),
            number: 0,
            bad: 0,
            ended: false,
        }
    }

    /// The number of the line read last; the first is 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) async fn first(&mut self) -> Result<Vec<u8>> {
        self.advance().await?;
        Ok(std::mem::take(&mut self.line))
    }

    /// Reads the next line that is not blank, without its end; `false` at the end of the file.
    async fn advance(&mut self) -> Result<bool> {
        loop {
            self.line.clear();
            let mut bounded = (&mut self.lines).take(LONGEST_LINE as u64);
            let read = bounded.read_until(b'\n', &mut self.line).await;
            if read.map_err(|source| file_fault("import", source))? == 0 {
                return Ok(false);
            }
            self.number += 1;
            if self.line.len() == LONGEST_LINE {
                return Err(Error::new(
                    ErrorKind::Config,
                    "import",
                    "a line is longer than any of an export",
                )
                .with("line", self.number));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    pub(super) async fn next(&mut self, header: &Header<'_>, counts: &mut Counts) -> Result<Read> {
        while self.advance().await? {
            let fault = if self.ended {
                Some("there is a line behind the last one".to_owned())
            } else if self.line.starts_with(b"{\"end\"") {
                self.ended = true;
                self.end(counts)
            } else {
                match read_line(&self.line, header) {
                    Ok(placed) => {
                        count(counts, &header.stores[placed.store].role, placed.record.kind());
                        return Ok(Read::Record(Box::new(placed)));
                    }
                    Err(error) => {
                        self.bad += 1;
                        Some(told(&error))
                    }
                }
            };
            if let Some(reason) = fault {
                return Ok(Read::Fault(reason));
            }
        }
        if self.ended {
            return Ok(Read::End);
        }
        self.ended = true;
        let reason = "the file was cut: its last line, with the counts, is missing";
        Ok(Read::Fault(reason.to_owned()))
    }

    /// What is wrong with the last line. Lines that were told before account for counts that are too high.
    fn end(&self, counts: &Counts) -> Option<String> {
        let end: End = match serde_json::from_slice(&self.line) {
            Ok(end) => end,
            Err(error) => return Some(format!("the last line can't be read: {error}")),
        };
        if end.counts == *counts || (self.bad > 0 && total(&end.counts) == total(counts) + self.bad) {
            return None;
        }
        let (told, read) = (total(&end.counts), total(counts) + self.bad);
        Some(format!(
            "the last line counts {told} records, before it are {read}: lines are missing, doubled or changed"
        ))
    }
}

fn total(counts: &Counts) -> u64 {
    counts.values().flat_map(|kinds| kinds.values()).sum()
}

/// A parser's own words say more than ours, and hold no value of the record.
fn told(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{}: {source}", error.message()),
        None => error.message().to_owned(),
    }
}

pub(super) fn read_line(line: &[u8], header: &Header<'_>) -> Result<Placed> {
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|error| bad("the line is not a record").caused_by(error))?;
    let store = header.stores.iter().position(|store| store.role == line.store);
    let store = store.ok_or_else(|| bad("the first line does not name the record's store"))?;
    let record = line.record;
    let record = match &*line.kind {
        "location" => Record::Location(parse::<LocationLine<'_>>(record)?.read()?),
        "event" => Record::Event(parse::<EventLine<'_>>(record)?.read()?),
        "copy" => {
            let copy = parse::<CopyLine<'_>>(record)?;
            Record::Copy {
                record: copy.event.read()?,
                capacity: copy.capacity,
            }
        }
        "user" => Record::User(parse::<UserLine<'_>>(record)?.read()?),
        "removed_user" => Record::RemovedUser(parse::<RemovedUserLine<'_>>(record)?.read()?),
        "booking" => Record::Booking(parse::<BookingLine<'_>>(record)?.read()?),
        "counter" => {
            let counter = parse::<CounterLine<'_>>(record)?;
            Record::Counter(Expected {
                event: counter.event()?,
                capacity: counter.capacity,
                confirmed: counter.confirmed,
            })
        }
        "dead_letter" => Record::DeadLetter(parse::<LetterLine<'_>>(record)?.read()?),
        "audit" => Record::Audit(audit(record)?),
        "parked" => Record::Parked(parse::<ParkedLine<'_>>(record)?.read()?),
        _ => return Err(bad("the kind of record is not known")),
    };
    Ok(Placed { store, record })
}

/// Stores pass over fields that they don't know; a move must not lose them.
fn audit(record: &RawValue) -> Result<AuditEntry> {
    let entry = audit_from_json(record.get())?;
    let (read, given) = (parse::<Value>(&audit_line(&entry)?)?, parse::<Value>(record)?);
    if read == given {
        return Ok(entry);
    }
    Err(bad("the line of the audit log holds fields that are not known"))
}

fn parse<'a, T: Deserialize<'a>>(record: &'a RawValue) -> Result<T> {
    serde_json::from_str(record.get()).map_err(|error| bad("the record can't be read").caused_by(error))
}

impl Record {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Location(_) => "location",
            Self::Event(_) => "event",
            Self::Copy { .. } => "copy",
            Self::User(_) => "user",
            Self::RemovedUser(_) => "removed_user",
            Self::Booking(_) => "booking",
            Self::Counter(_) => "counter",
            Self::DeadLetter(_) => "dead_letter",
            Self::Parked(_) => "parked",
            Self::Audit(_) => "audit",
        }
    }
}
