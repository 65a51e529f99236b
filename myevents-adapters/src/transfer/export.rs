//! Writing the file: page by page, in an order that is the same as long as nothing changes.

use myevents_core::domain::EventRecord;
use myevents_core::ports::{AuditFilter, BookingFilter, BookingOwner, EventFilter};
use myevents_core::{Error, ErrorKind, Result, counter};
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::lines::{
    BookingLine, CopyLine, CounterLine, End, EventLine, FORMAT, Header, LineOf, LocationLine,
    RemovedUserLine, StoreLine, UserLine, audit_line,
};
use super::messages::{LetterLine, ParkedLine};
use super::{Counts, FORMAT_VERSION, Part, Watch, count, file_fault, patiently};

/// Records of one page: events and locations may be large, with hundreds of halls.
const PAGE: usize = 100;
/// Bookings of one page.
const BOOKINGS: usize = 1_000;
/// Bytes that are gathered before they are written.
const CHUNK: usize = 64 * 1024;

/// What an export leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Leave out what waits in the outboxes, instead of refusing while something does.
    pub without_messages: bool,
}

/// What an export did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// The records written.
    pub counts: Counts,
    /// Messages that waited in an outbox and are not in the file.
    pub left_out: u64,
}

type Out<'a> = &'a mut (dyn AsyncWrite + Unpin + Send);

/// Writes all records of `parts`. Without an error the file is complete; after one it lacks its last line, and no import
/// takes it for whole.
///
/// Nothing may write to the stores meanwhile: where the bookings of an event change while they are listed this is found
/// and refused, elsewhere the file may hold one record as it was before and another as it was after.
///
/// # Errors
/// `Conflict` while messages wait in an outbox (see [`ExportOptions`]), or when bookings changed on the way;
/// `Unsupported` from a store that can't be moved; what the stores and the file answer.
pub async fn export(
    parts: &[Part<'_>],
    options: ExportOptions,
    out: Out<'_>,
    watch: &mut dyn Watch,
) -> Result<Exported> {
    let mut left_out = 0;
    let mut headers = Vec::new();
    for part in parts {
        // A store that can't be moved says so before anything is written.
        part.store.tools.removed_users(None, 1).await?;
        let waiting = part.store.store.depth().await?.rows;
        if waiting > 0 && !options.without_messages {
            return Err(Error::new(
                ErrorKind::Conflict,
                "export",
                "messages wait in the outbox, and the file holds none",
            )
            .with("store", part.role)
            .with("waiting", waiting));
        }
        left_out += waiting;
        let kind = part.store.store.capabilities().name;
        headers.push(StoreLine::new(part.role, kind, &part.store.store.id_secret()));
    }
    let mut writer = Writer {
        out,
        buffer: Vec::with_capacity(2 * CHUNK),
        role: "",
        counts: Counts::new(),
        records: 0,
        watch,
    };
    writer
        .line(&Header {
            format: FORMAT.into(),
            version: FORMAT_VERSION,
            stores: headers,
        })
        .await?;
    for part in parts {
        writer.role = part.role;
        writer.store(part).await?;
    }
    let end = End {
        end: true,
        counts: writer.counts.clone(),
    };
    writer.line(&end).await?;
    writer.flush().await?;
    Ok(Exported {
        counts: end.counts,
        left_out,
    })
}

struct Writer<'a> {
    out: Out<'a>,
    buffer: Vec<u8>,
    role: &'a str,
    counts: Counts,
    records: u64,
    watch: &'a mut dyn Watch,
}

impl<'a> Writer<'a> {
    async fn store(&mut self, part: &Part<'a>) -> Result<()> {
        self.locations(part).await?;
        self.events(part).await?;
        self.users(part).await?;
        self.messages(part).await?;
        self.audit(part).await
    }

    async fn locations(&mut self, part: &Part<'_>) -> Result<()> {
        let mut after = None;
        loop {
            let page = patiently(|| part.store.tools.all_locations(after.as_ref(), PAGE)).await?;
            for record in &page.items {
                self.record("location", LocationLine::of(record)).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Events; behind each that has a counter its bookings, and behind these the counter.
    async fn events(&mut self, part: &Part<'_>) -> Result<()> {
        let store = &part.store.store;
        let all = EventFilter {
            with_cancelled: true,
            ..EventFilter::default()
        };
        let mut after = None;
        loop {
            let page = patiently(|| store.list_events(&all, after.as_ref(), PAGE)).await?;
            let ids: Vec<_> = page.items.iter().map(|record| record.event.id.clone()).collect();
            let counters = patiently(|| store.availability(&ids)).await?;
            for (record, counter) in page.items.iter().zip(counters) {
                let event = EventLine::of(record);
                let Some(counter) = counter else {
                    self.record("event", event).await?;
                    continue;
                };
                let capacity = counter.capacity;
                self.record("copy", CopyLine { event, capacity }).await?;
                self.bookings(part, record).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn bookings(&mut self, part: &Part<'_>, record: &EventRecord) -> Result<()> {
        let store = &part.store.store;
        let event = &record.event.id;
        let all = BookingFilter::all_of(BookingOwner::Event(event.clone()));
        let mut confirmed = 0;
        let mut after = None;
        loop {
            let page = patiently(|| store.list_bookings(&all, after.as_ref(), BOOKINGS)).await?;
            for booking in &page.items {
                if counter::is_confirmed(&booking.state) {
                    confirmed += i64::from(booking.seats.get());
                }
                self.record("booking", BookingLine::of(booking)).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let changed = || {
            Error::new(
                ErrorKind::Conflict,
                "export",
                "the bookings of an event changed while they were listed: stop what writes to the store, and export again",
            )
            .with("event", event)
        };
        let found = patiently(|| store.reconcile(event, false))
            .await?
            .ok_or_else(changed)?;
        if found.confirmed != confirmed {
            return Err(changed());
        }
        if found.drift != 0 {
            let finding = format!(
                "the counter is off by {}: sold {}, confirmed bookings hold {confirmed}; an import sets it by the bookings",
                found.drift, found.sold
            );
            self.watch.counter(part.role, &event.to_string(), &finding);
        }
        self.record("counter", CounterLine::of(&found, confirmed)).await
    }

    async fn users(&mut self, part: &Part<'_>) -> Result<()> {
        let tools = &part.store.tools;
        let mut after = None;
        loop {
            let page = patiently(|| tools.users(after.as_ref(), BOOKINGS)).await?;
            for record in &page.items {
                self.record("user", UserLine::of(record)).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        loop {
            let page = patiently(|| tools.removed_users(after.as_ref(), BOOKINGS)).await?;
            for user in &page.items {
                self.record("removed_user", RemovedUserLine::of(user)).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn messages(&mut self, part: &Part<'_>) -> Result<()> {
        let mut after = None;
        loop {
            let page = patiently(|| part.store.dead_letters.list(after.as_ref(), PAGE)).await?;
            for (_, letter) in &page.items {
                self.record("dead_letter", LetterLine::of(letter)).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = patiently(|| part.store.store.parked(after.as_ref(), PAGE)).await?;
            for message in &page.items {
                self.record("parked", ParkedLine::of(message)).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// The audit log, newest first.
    async fn audit(&mut self, part: &Part<'_>) -> Result<()> {
        let all = AuditFilter::default();
        let mut after = None;
        loop {
            let page = patiently(|| part.store.store.list_audit(&all, after.as_ref(), BOOKINGS)).await?;
            for entry in &page.items {
                self.record("audit", audit_line(entry)?).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn record(&mut self, kind: &str, record: impl Serialize + Send + Sync) -> Result<()> {
        let store = self.role;
        self.line(&LineOf { store, kind, record }).await?;
        count(&mut self.counts, store, kind);
        self.records += 1;
        if self.records.is_multiple_of(PAGE as u64) {
            self.watch.progress(self.records);
        }
        Ok(())
    }

    async fn line(&mut self, line: &(impl Serialize + Sync)) -> Result<()> {
        serde_json::to_writer(&mut self.buffer, line).map_err(|source| {
            Error::new(ErrorKind::Internal, "export", "a record can't be written as JSON").caused_by(source)
        })?;
        self.buffer.push(b'\n');
        if self.buffer.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let written = self.out.write_all(&self.buffer).await;
        written.map_err(|source| file_fault("export", source))?;
        self.buffer.clear();
        let flushed = self.out.flush().await;
        flushed.map_err(|source| file_fault("export", source))
    }
}
