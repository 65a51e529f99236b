//! S21: the audit log has one line about every change that was taken, and none about anything else.

use futures_util::future::join_all;

use super::StoreBed;
use super::tools::{all_audit, audit_of, book, open_event, settle};
use crate::domain::{
    Actor, AuditAction, AuditEntry, Id, UnixMillis, UnixSeconds, UserId, UserRecord, Version,
};
use crate::ports::{Attached, AuditCursor, AuditFilter, CancelOutcome, CancelRequest, Inserted, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

/// How many at once.
const AT_ONCE: usize = 64;
/// Lines of the long list.
const LINES: usize = 150;

/// A line whose time is `millis` after [`fixture::START`].
fn line(action: AuditAction, object: impl Into<Id>, millis: i64) -> AuditEntry {
    AuditEntry {
        time: UnixMillis(fixture::START * 1_000 + millis),
        ..fixture::audit(action, object)
    }
}

fn carrying(audit: &AuditEntry) -> Attached {
    Attached::change(fixture::message("test.changed", "key"), audit.clone())
}

fn newest_first(entries: &mut [AuditEntry]) {
    entries.sort_by_key(|entry| std::cmp::Reverse(AuditCursor::from(entry)));
}

/// One line a change that was taken, none about what was refused, repeated or announced; complete and newest first, in
/// pages of any size, while others write.
///
/// # Errors
/// What does not hold.
pub async fn s21_audit_log(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    ensure!(
        all_audit(store, &AuditFilter::default(), 10).await?.is_empty(),
        "a new store has an audit log"
    );
    let mut expected = records(store).await?;
    expected.extend(bookings(store).await?);
    expected.extend(people(store).await?);
    expected.extend(at_once(store).await?);
    newest_first(&mut expected);
    let found = all_audit(store, &AuditFilter::default(), 7).await?;
    ensure!(
        found == expected,
        "the audit log is {found:#?}, expected {expected:#?}"
    );
    if let Some(second) = bed.second().await? {
        let seen = all_audit(second.as_ref(), &AuditFilter::default(), 1_000).await?;
        ensure!(seen == expected, "another instance sees another audit log");
    }
    long_list(store, &mut expected).await?;
    Ok(Finding::counted(format!("{} lines", expected.len())))
}

/// Events and locations: made, changed, and what changes nothing.
async fn records(store: &dyn Store) -> Result<Vec<AuditEntry>, Failure> {
    let record = fixture::event_record(fixture::event("audited"));
    let id = &record.event.id;
    let created = AuditEntry {
        actor: Actor::Anonymous,
        request: Some("0198-request".to_owned()),
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        ..line(AuditAction::EVENT_CREATED, id, 10)
    };
    let none = |action| carrying(&line(action, id, 11));
    settle(store, store.add_event(&record, carrying(&created)).await?).await?;
    let again = store.add_event(&record, none(AuditAction::EVENT_CREATED)).await?;
    ensure!(
        matches!(again.value, Inserted::Existing(_)),
        "a repeat was answered {again:?}"
    );
    let mut other = record.clone();
    other.fingerprint = fixture::fingerprint("another request");
    let refused = store.add_event(&other, none(AuditAction::EVENT_CREATED)).await;
    ensure!(refused.is_err(), "an id was taken over");

    let mut newer = record.clone();
    newer.version = Version(2);
    let updated = AuditEntry {
        actor: Actor::Subject {
            issuer: "https://id.example/ü".to_owned(),
            subject: "O'Hara \"\\ {$where: 1} 票 \u{202e}".to_owned(),
        },
        version: Some(Version(2)),
        fields: vec!["Name".into(), "StartDate".into()],
        ..line(AuditAction::EVENT_UPDATED, id, 10)
    };
    settle(
        store,
        store
            .replace_event(&newer, Version(1), carrying(&updated))
            .await?,
    )
    .await?;
    let stale = store
        .replace_event(&newer, Version(1), none(AuditAction::EVENT_UPDATED))
        .await;
    ensure!(stale.is_err(), "an old picture was taken");
    let unknown = fixture::event_record(fixture::event("unknown"));
    let refused = store
        .replace_event(&unknown, Version(1), none(AuditAction::EVENT_UPDATED))
        .await;
    ensure!(refused.is_err(), "an unknown event was replaced");
    settle(
        store,
        store.announce_event(id, Version(2), Attached::nothing()).await?,
    )
    .await?;

    let mut place = fixture::location_record(fixture::location(Vec::new()));
    let made = AuditEntry {
        actor: Actor::ApiKey([3; 12].into()),
        ..line(AuditAction::LOCATION_CREATED, &place.location.id, -5_000)
    };
    settle(store, store.add_location(&place, carrying(&made)).await?).await?;
    place.version = Version(2);
    place.deleted = true;
    let deleted = AuditEntry {
        version: Some(Version(2)),
        // A change without a message has its line too.
        ..line(AuditAction::LOCATION_DELETED, &place.location.id, 20)
    };
    let silent = Attached {
        audit: Some(deleted.clone()),
        ..Attached::nothing()
    };
    settle(store, store.replace_location(&place, Version(1), silent).await?).await?;
    let stale = carrying(&line(AuditAction::LOCATION_DELETED, &place.location.id, 21));
    let refused = store.replace_location(&place, Version(1), stale).await;
    ensure!(refused.is_err(), "a location was deleted twice");

    let found = audit_of(store, id.into()).await?;
    let mut of_event = vec![created.clone(), updated.clone()];
    newest_first(&mut of_event);
    ensure!(found == of_event, "of one event the audit log says {found:#?}");
    Ok(vec![created, updated, made, deleted])
}

/// Bookings: a line where one is given and the booking is cancelled by it.
async fn bookings(store: &dyn Store) -> Result<Vec<AuditEntry>, Failure> {
    let event = open_event(store, Some(20)).await?;
    let mut lines = Vec::new();
    for (given, millis) in [(true, 30), (false, 31)] {
        let request = fixture::booking_request(&event, 2);
        let id = &request.booking.id;
        book(store, &request).await?;
        let cancel = CancelRequest {
            audit: given.then(|| line(AuditAction::BOOKING_CANCELLED, id, millis)),
            ..fixture::cancel_request(&event, id)
        };
        let outcome = settle(store, store.cancel_booking(&cancel).await?).await?;
        ensure!(
            matches!(outcome, CancelOutcome::Cancelled(_)),
            "a cancel was answered {outcome:?}"
        );
        let again = CancelRequest {
            audit: Some(line(AuditAction::BOOKING_CANCELLED, id, 32)),
            ..fixture::cancel_request(&event, id)
        };
        let outcome = settle(store, store.cancel_booking(&again).await?).await?;
        ensure!(
            matches!(outcome, CancelOutcome::Already(_)),
            "a second cancel was answered {outcome:?}"
        );
        lines.extend(cancel.audit);
    }
    let unknown = fixture::booking_id();
    let cancel = CancelRequest {
        audit: Some(line(AuditAction::BOOKING_CANCELLED, &unknown, 33)),
        ..fixture::cancel_request(&event, &unknown)
    };
    let outcome = settle(store, store.cancel_booking(&cancel).await?).await?;
    ensure!(
        outcome == CancelOutcome::Unknown,
        "an unknown booking was answered {outcome:?}"
    );
    Ok(lines)
}

async fn removed(store: &dyn Store, user: &UserId, audit: Option<&AuditEntry>) -> Result<bool, Failure> {
    Ok(store.remove_user(user, audit).await?)
}

/// People: a line about a removal of somebody who was there, each time they were.
async fn people(store: &dyn Store) -> Result<Vec<AuditEntry>, Failure> {
    let record: UserRecord = fixture::user_record("Ada", "Lovelace");
    let id = &record.user.id;
    let removal = |millis| AuditEntry {
        actor: Actor::Oneself,
        version: None,
        ..line(AuditAction::USER_REMOVED, id, millis)
    };
    ensure!(
        !removed(store, id, Some(&removal(40))).await?,
        "somebody unknown was removed"
    );
    let mut lines = Vec::new();
    for millis in [41, 43] {
        store.add_user(&record).await?;
        let first = removal(millis);
        ensure!(
            removed(store, id, Some(&first)).await?,
            "the user was not there to remove"
        );
        ensure!(
            !removed(store, id, Some(&removal(millis + 1))).await?,
            "the user was removed twice"
        );
        lines.push(first);
    }
    Ok(lines)
}

/// One change asked for by many at once: the one that made it has its line.
async fn at_once(store: &dyn Store) -> Result<Vec<AuditEntry>, Failure> {
    let record = fixture::event_record(fixture::event("at once"));
    let tries: Vec<AuditEntry> = (0..AT_ONCE)
        .map(|_| line(AuditAction::EVENT_CREATED, &record.event.id, 50))
        .collect();
    let added = tries.iter().map(|audit| async {
        let added = store.add_event(&record, carrying(audit)).await?;
        settle(store, added).await
    });
    let mut made = Vec::new();
    for (audit, added) in tries.iter().zip(join_all(added).await) {
        if matches!(added?, Inserted::New) {
            made.push(audit.clone());
        }
    }
    ensure!(made.len() == 1, "one event was made {} times", made.len());

    let event = open_event(store, Some(5)).await?;
    let request = fixture::booking_request(&event, 5);
    book(store, &request).await?;
    let cancels: Vec<CancelRequest> = (0..AT_ONCE)
        .map(|_| CancelRequest {
            audit: Some(line(AuditAction::BOOKING_CANCELLED, &request.booking.id, 51)),
            ..fixture::cancel_request(&event, &request.booking.id)
        })
        .collect();
    let cancelled = cancels.iter().map(|cancel| async {
        let cancelled = store.cancel_booking(cancel).await?;
        settle(store, cancelled).await
    });
    let mut by_one = 0;
    for (cancel, outcome) in cancels.iter().zip(join_all(cancelled).await) {
        if matches!(outcome?, CancelOutcome::Cancelled(_)) {
            made.extend(cancel.audit.clone());
            by_one += 1;
        }
    }
    ensure!(by_one == 1, "one booking was cancelled {by_one} times");
    Ok(made)
}

/// Pages of any size are complete while others write, and bounds are the whole seconds they name.
async fn long_list(store: &dyn Store, expected: &mut Vec<AuditEntry>) -> Result<(), Failure> {
    let places: Vec<_> = (0..LINES)
        .map(|_| fixture::location_record(fixture::location(Vec::new())))
        .collect();
    // Three lines share each time, so that the id decides between them.
    let lines: Vec<_> = (0_i64..)
        .zip(&places)
        .map(|(index, place)| {
            line(
                AuditAction::LOCATION_CREATED,
                &place.location.id,
                60 + (index / 3) * 400,
            )
        })
        .collect();
    let added = places.iter().zip(&lines).map(|(place, audit)| async {
        let added = store.add_location(place, carrying(audit)).await?;
        settle(store, added).await
    });
    for added in join_all(added).await {
        added?;
    }
    expected.extend(lines);
    newest_first(expected);
    for page in [1_000, LINES / 3, 7] {
        let found = all_audit(store, &AuditFilter::default(), page).await?;
        ensure!(
            found == *expected,
            "pages of {page} gave {} of {} lines, or not in order",
            found.len(),
            expected.len()
        );
    }
    for (since, until) in [
        (Some(2), None),
        (None, Some(3)),
        (Some(2), Some(3)),
        (Some(9), Some(2)),
    ] {
        let second = |seconds: i64| UnixSeconds::from_stored(fixture::START + seconds);
        let filter = AuditFilter {
            object: None,
            since: since.map(second),
            until: until.map(second),
        };
        let wanted: Vec<_> = expected
            .iter()
            .filter(|entry| filter.since.is_none_or(|since| entry.time.seconds() >= since))
            .filter(|entry| filter.until.is_none_or(|until| entry.time.seconds() <= until))
            .cloned()
            .collect();
        let found = all_audit(store, &filter, 11).await?;
        ensure!(
            found == wanted,
            "from {since:?} s to {until:?} s there are {} lines, expected {}",
            found.len(),
            wanted.len()
        );
    }
    meanwhile(store, expected).await
}

/// Others add lines between the pages, newer ones and one that is older than where a page ended, as of a clock that is
/// behind: what was there comes once, and so does the older one.
async fn meanwhile(store: &dyn Store, expected: &[AuditEntry]) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut after = None;
    let place = fixture::location_record(fixture::location(Vec::new()));
    let older = line(AuditAction::LOCATION_CREATED, &place.location.id, -9_000);
    let mut late = Some(place);
    loop {
        let page = store
            .list_audit(&AuditFilter::default(), after.as_ref(), 40)
            .await?;
        found.extend(page.items);
        let place = fixture::location_record(fixture::location(Vec::new()));
        let newer = line(AuditAction::LOCATION_CREATED, &place.location.id, 1_000_000);
        settle(store, store.add_location(&place, carrying(&newer)).await?).await?;
        if let Some(place) = late.take() {
            settle(store, store.add_location(&place, carrying(&older)).await?).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let expected = [expected, &[older]].concat();
    ensure!(
        found == expected,
        "while others wrote the pages gave {} of {} lines",
        found.len(),
        expected.len()
    );
    Ok(())
}
