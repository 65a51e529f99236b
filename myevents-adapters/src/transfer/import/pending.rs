//! Storing what was gathered, in an order in which nothing comes before what it needs.

use std::collections::HashSet;
use std::time::Duration;

use myevents_core::domain::{AuditEntry, Booking, EventId, IdSecret, Version};
use myevents_core::ports::{
    ApplyMode, Attached, DatabaseHandler, DeadLetter, DeadLetterQueue, EventProjection, Inserted,
    ParkedMessage, Reconciliation,
};
use myevents_core::{Error, ErrorKind, Result};
use tokio::task::JoinSet;

use super::Imported;
use super::reader::{Expected, Placed, Record};
use crate::connect::OpenStore;
use crate::transfer::{FIRST_PAUSE, Part, TRIES, Watch, patiently};

/// Records that are stored at once, each by a call of its own.
const AT_ONCE: usize = 32;
/// Looks at a counter of a store whose lists lag, and the first of the growing pauses between.
const LOOKS: u32 = 8;
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// A store that is filled.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) part: Part<'a>,
    /// An earlier import of the same file, or the service itself, filled it before.
    resumed: bool,
    /// The dead letters that were there before, by consumer and message; `None` until one comes.
    letters: Option<HashSet<(String, String)>>,
}

/// What became of a record.
#[derive(Debug)]
enum Stored {
    New,
    Existing,
    Refused(String),
}

impl<'a> Target<'a> {
    pub(super) fn new(part: Part<'a>) -> Self {
        Self {
            part,
            resumed: false,
            letters: None,
        }
    }

    /// Makes sure that the store is empty or was filled from the same file before.
    pub(super) async fn adopt(&mut self, secret: &IdSecret) -> Result<()> {
        let store = self.part.store;
        self.resumed = store.store.id_secret().expose() == secret.expose();
        let adopted = patiently(|| store.tools.adopt_id_secret(secret)).await;
        adopted.map_err(|error| match error.kind() {
            ErrorKind::Conflict => Error::new(
                ErrorKind::Conflict,
                "import",
                "the store is not empty, and not the one that an earlier import of this file began to fill",
            )
            .with("store", self.part.role),
            _ => error,
        })
    }

    /// Stores a dead letter, unless it was there when the import began.
    async fn put_letter(&mut self, letter: &DeadLetter) -> Result<Stored> {
        let place = &*self.part.store.dead_letters;
        let there = match self.letters.take() {
            Some(there) => there,
            None if self.resumed => all_letters(place).await?,
            None => HashSet::new(),
        };
        let known = self.letters.insert(there).contains(&names(letter));
        if known {
            return Ok(Stored::Existing);
        }
        patiently(|| place.put(letter)).await?;
        Ok(Stored::New)
    }

    /// Stores bookings of events that are there.
    async fn put_bookings(&self, given: Vec<(u64, Booking)>) -> Result<Vec<(u64, Stored)>> {
        let store = self.part.store;
        let mut events: Vec<EventId> = given.iter().map(|(_, booking)| booking.event.clone()).collect();
        events.sort();
        events.dedup();
        let counters = patiently(|| store.store.availability(&events)).await?;
        let counted: HashSet<_> = events
            .into_iter()
            .zip(counters)
            .filter_map(|(event, counter)| counter.map(|_| event))
            .collect();
        let mut done = Vec::with_capacity(given.len());
        let (mut open, lost): (Vec<_>, Vec<_>) = given
            .into_iter()
            .partition(|(_, booking)| counted.contains(&booking.event));
        done.extend(lost.into_iter().map(|(line, _)| {
            (
                line,
                Stored::Refused("the booking's event is not here: its line is missing or bad".to_owned()),
            )
        }));
        let mut pause = FIRST_PAUSE;
        let mut failed = None;
        for _ in 0..TRIES {
            if open.is_empty() {
                return Ok(done);
            }
            if failed.take().is_some() {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            let (lines, bookings): (Vec<_>, Vec<_>) = std::mem::take(&mut open).into_iter().unzip();
            let results = store.tools.import_bookings(&bookings).await;
            for ((line, booking), result) in lines.into_iter().zip(bookings).zip(results) {
                match result {
                    Ok(Inserted::New) => done.push((line, Stored::New)),
                    Ok(Inserted::Existing(stored)) => {
                        done.push((line, there(stored.version, booking.version)));
                    }
                    Err(error) if error.is_retryable() => {
                        failed = Some(error);
                        open.push((line, booking));
                    }
                    Err(error) => done.push((line, refused(error)?)),
                }
            }
        }
        failed.map_or(Ok(done), Err)
    }

    /// The counter held against the bookings. Where lists lag it is asked until both agree, or for long enough.
    pub(super) async fn settled(&self, event: &EventId, repair: bool) -> Result<Option<Reconciliation>> {
        let store = &self.part.store.store;
        let mut pause = LOOK_PAUSE;
        let mut found = patiently(|| store.reconcile(event, repair)).await?;
        if !store.capabilities().lists_lag {
            return Ok(found);
        }
        for _ in 1..LOOKS {
            if found.as_ref().is_none_or(|found| found.drift == 0) {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            patiently(|| store.reconcile(event, true)).await?;
            found = patiently(|| store.reconcile(event, false)).await?;
        }
        Ok(found)
    }
}

async fn all_letters(place: &dyn DeadLetterQueue) -> Result<HashSet<(String, String)>> {
    let mut all = HashSet::new();
    let mut after = None;
    loop {
        let page = patiently(|| place.list(after.as_ref(), 200)).await?;
        all.extend(page.items.iter().map(|(_, letter)| names(letter)));
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn names(letter: &DeadLetter) -> (String, String) {
    (letter.consumer.clone(), letter.envelope.id().to_string())
}

/// Records that wait to be stored, each with its line.
#[derive(Debug, Default)]
pub(super) struct Pending {
    records: Vec<(u64, usize, Record)>,
    bookings: Vec<(u64, usize, Booking)>,
    counters: Vec<(usize, Expected)>,
    letters: Vec<(u64, usize, DeadLetter)>,
    parked: Vec<(usize, ParkedMessage)>,
    audit: Vec<(usize, AuditEntry)>,
}

impl Pending {
    pub(super) fn push(&mut self, placed: Box<Placed>, line: u64) {
        let store = placed.store;
        match placed.record {
            Record::Booking(booking) => self.bookings.push((line, store, booking)),
            Record::Counter(expected) => self.counters.push((store, expected)),
            Record::DeadLetter(letter) => self.letters.push((line, store, letter)),
            Record::Parked(message) => self.parked.push((store, message)),
            Record::Audit(entry) => self.audit.push((store, entry)),
            record => self.records.push((line, store, record)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
            + self.bookings.len()
            + self.counters.len()
            + self.letters.len()
            + self.parked.len()
            + self.audit.len()
    }

    /// Stores all of it. In the file an event stands before its bookings and its counter behind them; a message stands
    /// behind the record that it is about.
    pub(super) async fn store(
        &mut self,
        targets: &mut [Target<'_>],
        done: &mut Imported,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let records = std::mem::take(&mut self.records);
        let open = |store: usize| (targets[store].part.store.clone(), targets[store].resumed);
        let stored = at_once(records.into_iter().map(|(line, store, record)| {
            let (open, resumed) = open(store);
            async move { Ok((line, put(&open, resumed, &record).await?)) }
        }))
        .await?;
        done.note(stored, watch);

        let mut bookings: Vec<Vec<_>> = targets.iter().map(|_| Vec::new()).collect();
        for (line, store, booking) in self.bookings.drain(..) {
            bookings[store].push((line, booking));
        }
        for (target, bookings) in targets.iter().zip(bookings) {
            if !bookings.is_empty() {
                done.note(target.put_bookings(bookings).await?, watch);
            }
        }

        let counters = std::mem::take(&mut self.counters);
        let found = at_once(counters.into_iter().map(|(store, expected)| {
            let (open, resumed) = open(store);
            async move {
                let finding = set_counter(&*open.store, resumed, &expected).await?;
                Ok(finding.map(|finding| (store, expected.event, finding)))
            }
        }))
        .await?;
        for (store, event, finding) in found.into_iter().flatten() {
            done.off += 1;
            watch.counter(targets[store].part.role, &event.to_string(), &finding);
        }

        for (line, store, letter) in self.letters.drain(..) {
            let stored = targets[store].put_letter(&letter).await?;
            done.note(vec![(line, stored)], watch);
        }
        let mut parked: Vec<Vec<_>> = targets.iter().map(|_| Vec::new()).collect();
        for (store, message) in self.parked.drain(..) {
            parked[store].push(message);
        }
        for (target, messages) in targets.iter().zip(parked) {
            if !messages.is_empty() {
                patiently(|| target.part.store.tools.import_parked(&messages)).await?;
            }
        }
        let mut audit: Vec<Vec<_>> = targets.iter().map(|_| Vec::new()).collect();
        for (store, entry) in self.audit.drain(..) {
            audit[store].push(entry);
        }
        for (target, entries) in targets.iter().zip(audit) {
            if !entries.is_empty() {
                let new = patiently(|| target.part.store.tools.import_audit(&entries)).await?;
                done.existing += (entries.len() as u64).saturating_sub(new);
            }
        }
        Ok(())
    }
}

impl Imported {
    fn note(&mut self, stored: Vec<(u64, Stored)>, watch: &mut dyn Watch) {
        for (line, stored) in stored {
            match stored {
                Stored::New => {}
                Stored::Existing => self.existing += 1,
                Stored::Refused(reason) => {
                    self.faults += 1;
                    watch.fault(line, &reason);
                }
            }
        }
    }
}

/// Runs the work of a few records at a time; the order of the answers is that in which they ended.
async fn at_once<T: Send + 'static>(
    work: impl Iterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    let mut failed = None;
    let mut settle = |joined: std::result::Result<Result<T>, tokio::task::JoinError>| match joined {
        Ok(Ok(value)) => done.push(value),
        Ok(Err(error)) => failed = Some(error),
        Err(panic) => {
            let error = Error::new(
                ErrorKind::Internal,
                "import",
                "a fault of this program stopped a write",
            );
            failed = Some(error.caused_by(panic));
        }
    };
    for one in work {
        if running.len() >= AT_ONCE
            && let Some(joined) = running.join_next().await
        {
            settle(joined);
        }
        running.spawn(one);
    }
    // What was begun is finished, whatever failed beside it.
    while let Some(joined) = running.join_next().await {
        settle(joined);
    }
    failed.map_or(Ok(done), Err)
}

/// Stores a record that needs a call of its own.
async fn put(open: &OpenStore, resumed: bool, record: &Record) -> Result<Stored> {
    let store = &open.store;
    let stored = match record {
        Record::Location(record) => {
            let added = patiently(|| store.add_location(record, Attached::nothing())).await;
            added.map(|added| inserted(added.value, |stored| there(stored.version, record.version)))
        }
        Record::Event(record) => {
            let added = patiently(|| store.add_event(record, Attached::nothing())).await;
            added.map(|added| inserted(added.value, |stored| there(stored.version, record.version)))
        }
        Record::Copy { record, capacity } => {
            if resumed && let Some(stored) = patiently(|| store.find_event(&record.event.id)).await? {
                return Ok(there(stored.version, record.version));
            }
            let projection = EventProjection {
                record: record.clone(),
                capacity: *capacity,
                mode: ApplyMode::Newer,
            };
            let applied = patiently(|| store.project_event(&projection)).await;
            applied.map(|applied| {
                if applied.copy {
                    Stored::New
                } else {
                    Stored::Existing
                }
            })
        }
        Record::User(record) => {
            if resumed && patiently(|| open.tools.is_removed(&record.user.id)).await? {
                return Ok(Stored::Existing);
            }
            let added = patiently(|| store.add_user(record)).await;
            added.map(|added| inserted(added, |_| Stored::Existing))
        }
        Record::RemovedUser(user) => {
            if patiently(|| store.find_user(user)).await?.is_some() {
                return Ok(Stored::Existing);
            }
            patiently(|| store.remove_user(user, None))
                .await
                .map(|_| Stored::New)
        }
        Record::Booking(_)
        | Record::Counter(_)
        | Record::DeadLetter(_)
        | Record::Parked(_)
        | Record::Audit(_) => Ok(Stored::Refused(
            "the record was put into the wrong place".to_owned(),
        )),
    };
    stored.or_else(refused)
}

fn inserted<T>(value: Inserted<T>, existing: impl FnOnce(T) -> Stored) -> Stored {
    match value {
        Inserted::New => Stored::New,
        Inserted::Existing(stored) => existing(stored),
    }
}

/// What is there stays; but a file that knows a later state is another one than the store was filled from.
fn there(stored: Version, offered: Version) -> Stored {
    if stored >= offered {
        return Stored::Existing;
    }
    Stored::Refused(format!(
        "the store holds {stored} of it, the file {offered}: import a later export into an empty store"
    ))
}

/// What is the record's own fault is told by its line; anything else ends the import.
fn refused(error: Error) -> Result<Stored> {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::Unprocessable | ErrorKind::TooLarge => {
            Ok(Stored::Refused(error.message().to_owned()))
        }
        _ => Err(error),
    }
}

/// Sets a counter by the bookings; answers what does not agree with the file.
async fn set_counter(
    store: &(impl DatabaseHandler + ?Sized),
    resumed: bool,
    expected: &Expected,
) -> Result<Option<String>> {
    let looks = if store.capabilities().lists_lag { LOOKS } else { 1 };
    let mut pause = LOOK_PAUSE;
    let mut look = 1;
    loop {
        let Some(found) = patiently(|| store.reconcile(&expected.event, true)).await? else {
            return Ok(Some(
                "the event is not here: its line is missing or bad".to_owned(),
            ));
        };
        // What a service did since is no fault.
        if resumed || (found.confirmed == expected.confirmed && found.capacity == expected.capacity) {
            return Ok(None);
        }
        if look == looks {
            return Ok(Some(format!(
                "confirmed bookings hold {} seats of {}, in the file {} of {}",
                found.confirmed,
                seats(found.capacity),
                expected.confirmed,
                seats(expected.capacity)
            )));
        }
        look += 1;
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

fn seats(capacity: Option<u64>) -> String {
    capacity.map_or_else(|| "unknown".to_owned(), |seats| seats.to_string())
}
