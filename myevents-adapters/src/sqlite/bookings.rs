//! Bookings: the batch decision, cancelling, lists, and the counter held against them.

use std::borrow::Cow;

use myevents_core::counter::{self, Counter, Tally};
use myevents_core::domain::{Booking, BookingId, BookingState, EventId, Text};
use myevents_core::ports::{
    Availability, BookOptions, BookingCursor, BookingFilter, BookingOwner, BookingRequest, CancelOutcome,
    CancelRequest, Committed, Outcome, PageOf, Reconciliation,
};
use myevents_core::{Error, ErrorKind, Result};
use rusqlite::types::ToSql;
use rusqlite::{CachedStatement, Connection, params};
use tokio::time::Instant;

use super::audit;
use super::codec::{self, BOOKING_COLUMNS};
use super::error::during;
use super::inventory;
use super::reader::{all, change, one, surplus};
use super::tx::{Appender, Tx};
use super::users;

/// What became of one wish inside the transaction.
pub(super) type Decision = Result<Committed<Outcome>>;

/// Decides a batch. The transaction holds the write lock, so the counter read here is the one that is written back: no
/// epoch needs to be compared, and no second round is needed for what does not fit.
pub(super) fn book(
    tx: &Tx<'_>,
    event: &EventId,
    requests: &[BookingRequest],
    options: BookOptions,
) -> Result<Vec<Decision>> {
    let mut counter = inventory::load(tx.connection(), event)?;
    let before = counter;
    let stale = counter::is_stale(counter.as_ref(), options);
    let mut insert = Insert::new(tx)?;
    let mut appender = Appender::new(tx)?;
    let mut decisions = Vec::with_capacity(requests.len());
    for request in requests {
        decisions.push(if request.booking.event != *event {
            Err(Error::new(
                ErrorKind::Invalid,
                "book",
                "the wish is for another event than its batch",
            ))
        } else if Instant::now() > request.deadline {
            Err(Error::new(
                ErrorKind::Overloaded,
                "book",
                "its time had run out before it was its turn",
            ))
        } else if stale {
            match find(tx.connection(), &request.booking.id)? {
                Some(stored) => Ok(Committed::quiet(counter::replay(&stored, &request.booking))),
                None => Err(counter::stale_copy()),
            }
        } else {
            Ok(decide(
                tx,
                &mut counter,
                request,
                options,
                &mut insert,
                &mut appender,
            )?)
        });
    }
    if let Some(counter) = counter
        && Some(counter) != before
    {
        inventory::store(tx.connection(), event, &counter)?;
    }
    Ok(decisions)
}

fn decide(
    tx: &Tx<'_>,
    counter: &mut Option<Counter>,
    request: &BookingRequest,
    options: BookOptions,
    insert: &mut Insert<'_>,
    appender: &mut Appender<'_, '_>,
) -> Result<Committed<Outcome>> {
    let mut booking = Cow::Borrowed(&request.booking);
    if let Some(user) = &request.booking.user
        && users::is_removed(tx.connection(), user)?
    {
        booking.to_mut().forget_person();
    }
    let booking = booking.as_ref();
    let limited = request.limits.any();
    // A stored id comes before every refusal. Where nothing is likely to refuse, the insert itself finds it.
    if limited && let Some(stored) = find(tx.connection(), &booking.id)? {
        return Ok(Committed::quiet(counter::replay(&stored, booking)));
    }
    let tally = if limited {
        tally(tx.connection(), booking)?
    } else {
        Tally::default()
    };
    let saved = *counter;
    let taken = counter::take(
        counter.as_mut(),
        booking.seats.get(),
        request.limits,
        tally,
        options,
    );
    if let Err(refusal) = taken {
        return Ok(Committed::quiet(match find(tx.connection(), &booking.id)? {
            Some(stored) => counter::replay(&stored, booking),
            None => refusal,
        }));
    }
    if !insert.run(booking)? {
        *counter = saved;
        let stored = find(tx.connection(), &booking.id)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "book",
                "a booking vanished while it was read",
            )
        })?;
        return Ok(Committed::quiet(counter::replay(&stored, booking)));
    }
    let leased = appender.append(&request.message)?;
    Ok(Committed {
        value: Outcome::Booked(booking.clone()),
        leased: leased.into_iter().collect(),
    })
}

/// Stores bookings, with its statement prepared once.
pub(super) struct Insert<'c>(CachedStatement<'c>);

impl<'c> Insert<'c> {
    pub(super) fn new(tx: &Tx<'c>) -> Result<Self> {
        tx.connection()
            .prepare_cached(
                "INSERT INTO bookings (id, event, user, name, email, seats, date, state, version, fingerprint, person)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO NOTHING",
            )
            .map(Self)
            .map_err(during("book"))
    }

    /// Answers `false` when the id is there.
    pub(super) fn run(&mut self, booking: &Booking) -> Result<bool> {
        let changed = self
            .0
            .execute(params![
                booking.id.as_bytes(),
                booking.event.as_bytes(),
                booking.user.as_ref().map(|user| user.as_bytes()),
                booking.name.as_ref().map(Text::as_str),
                booking.email.as_ref().map(Text::as_str),
                booking.seats.get(),
                booking.date.get(),
                booking.state.as_str(),
                codec::version_to_int(booking.version),
                booking.fingerprint.as_bytes(),
                booking.person.as_ref().map(|person| person.as_str()),
            ])
            .map_err(during("book"))?;
        Ok(changed > 0)
    }
}

/// What the booking's person has of its event; grants of the same batch are rows by now.
fn tally(connection: &Connection, booking: &Booking) -> Result<Tally> {
    let Some(person) = &booking.person else {
        return Ok(Tally::default());
    };
    let tally = one(
        connection,
        "count a person's seats",
        "SELECT coalesce(sum(seats), 0), count(*) FROM bookings
         WHERE event = ?1 AND person = ?2 AND state = 'confirmed'",
        params![booking.event.as_bytes(), person.as_str()],
        |row| {
            Ok(Tally {
                seats: u64::try_from(codec::int(row, 0)?).unwrap_or(0),
                bookings: u64::try_from(codec::int(row, 1)?).unwrap_or(0),
            })
        },
    )?;
    Ok(tally.unwrap_or_default())
}

pub(super) fn cancel(tx: &Tx<'_>, request: &CancelRequest) -> Result<Committed<CancelOutcome>> {
    if Instant::now() > request.deadline {
        return Err(Error::new(
            ErrorKind::Overloaded,
            "cancel booking",
            "its time had run out before it was its turn",
        ));
    }
    let Some(mut booking) =
        find(tx.connection(), &request.booking)?.filter(|booking| booking.event == request.event)
    else {
        return Ok(Committed::quiet(CancelOutcome::Unknown));
    };
    if !counter::is_confirmed(&booking.state) {
        return Ok(Committed::quiet(CancelOutcome::Already(booking)));
    }
    booking.state = BookingState::Cancelled;
    booking.version = booking.version.next();
    change(
        tx.connection(),
        "cancel booking",
        "UPDATE bookings SET state = ?2, version = ?3 WHERE id = ?1",
        params![
            booking.id.as_bytes(),
            booking.state.as_str(),
            codec::version_to_int(booking.version)
        ],
    )?;
    if let Some(mut counter) = inventory::load(tx.connection(), &booking.event)? {
        counter.give_back(booking.seats.get());
        inventory::store(tx.connection(), &booking.event, &counter)?;
    }
    audit::append(tx, request.audit.as_ref())?;
    let leased = tx.append(std::slice::from_ref(&request.message))?;
    Ok(Committed {
        value: CancelOutcome::Cancelled(booking),
        leased,
    })
}

pub(super) fn find(connection: &Connection, id: &BookingId) -> Result<Option<Booking>> {
    one(
        connection,
        "find booking",
        &format!("SELECT {BOOKING_COLUMNS} FROM bookings WHERE id = ?1"),
        [id.as_bytes()],
        codec::booking_from_row,
    )
}

pub(super) fn list(
    connection: &Connection,
    filter: &BookingFilter,
    after: Option<&BookingCursor>,
    limit: usize,
) -> Result<PageOf<Booking, BookingCursor>> {
    let (column, owner) = match &filter.owner {
        BookingOwner::Event(event) => ("event", event.as_bytes()),
        BookingOwner::User(user) => ("user", user.as_bytes()),
    };
    let mut sql = format!(
        "SELECT {BOOKING_COLUMNS} FROM bookings WHERE {column} = :owner AND (date, id) < (:date, :id)"
    );
    // Newest first: the page begins below the cursor or, without one, below everything up to `to`.
    let end = filter.to.map_or(i64::MAX, |to| to.get().saturating_add(1));
    let (date, id): (i64, &[u8]) = match after {
        Some(cursor) if cursor.date.get() < end => (cursor.date.get(), cursor.id.as_bytes()),
        _ => (end, &[]),
    };
    let from = filter.from.map(|from| from.get());
    let needle = filter.text.as_ref().map(|text| text.to_lowercase());
    let take = surplus(if needle.is_some() { usize::MAX - 1 } else { limit });
    let state = filter.state.as_ref().map(BookingState::as_str);
    let mut bound: Vec<(&str, &dyn ToSql)> = vec![
        (":owner", &owner),
        (":date", &date),
        (":id", &id),
        (":take", &take),
    ];
    if let Some(from) = &from {
        sql.push_str(" AND date >= :from");
        bound.push((":from", from));
    }
    if let Some(state) = &state {
        sql.push_str(" AND state = :state");
        bound.push((":state", state));
    }
    sql.push_str(" ORDER BY date DESC, id DESC LIMIT :take");
    let op = during("list bookings");
    let mut statement = connection.prepare_cached(&sql).map_err(op)?;
    let mut rows = statement.query(bound.as_slice()).map_err(op)?;
    let mut items = Vec::new();
    while items.len() <= limit
        && let Some(row) = rows.next().map_err(op)?
    {
        // Lower-casing any Unicode is beyond SQLite's own `lower`, and a stored copy would cost every booking.
        if let Some(needle) = &needle
            && !contains(codec::optional_text(row, 3)?, needle)
            && !contains(codec::optional_text(row, 4)?, needle)
        {
            continue;
        }
        items.push(codec::booking_from_row(row)?);
    }
    Ok(PageOf::from_surplus(items, limit, |booking| BookingCursor {
        date: booking.date,
        id: booking.id.clone(),
    }))
}

fn contains(text: Option<&str>, needle: &str) -> bool {
    text.is_some_and(|text| text.to_lowercase().contains(needle))
}

pub(super) fn availability(connection: &Connection, events: &[EventId]) -> Result<Vec<Option<Availability>>> {
    events
        .iter()
        .map(|event| {
            let counter = inventory::load(connection, event)?;
            Ok(counter.map(|counter| counter.availability(event)))
        })
        .collect()
}

pub(super) fn reconcile(connection: &Connection, event: &EventId) -> Result<Option<Reconciliation>> {
    let Some(counter) = inventory::load(connection, event)? else {
        return Ok(None);
    };
    Ok(Some(
        counter.reconcile(event, inventory::confirmed(connection, event)?),
    ))
}

pub(super) fn repair(tx: &Tx<'_>, event: &EventId) -> Result<Option<Reconciliation>> {
    let Some(mut counter) = inventory::load(tx.connection(), event)? else {
        return Ok(None);
    };
    let confirmed = inventory::confirmed(tx.connection(), event)?;
    let found = counter.reconcile(event, confirmed);
    if counter.repair(confirmed) {
        inventory::store(tx.connection(), event, &counter)?;
    }
    Ok(Some(found))
}

/// All events that have a counter, by id, from after `after`.
pub(super) fn counted_events(connection: &Connection, after: &[u8], limit: i64) -> Result<Vec<EventId>> {
    all(
        connection,
        "list counters",
        "SELECT event FROM inventory WHERE event > ?1 ORDER BY event LIMIT ?2",
        params![after, limit],
        |row| codec::event_id(row, 0),
    )
}
