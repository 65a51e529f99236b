//! S02, S04 and S17: any text and any id is data, and comes back as it went in.

use super::StoreBed;
use super::records::{add, named};
use super::tools::all_events;
use crate::domain::{EventId, Fingerprint, LocationId, PersonLimits};
use crate::error::ErrorKind;
use crate::ports::{Attached, EventFilter, Inserted, Store};
use crate::testkit::{CaseResult, Failure, Finding, ensure, fixture};

/// Any Unicode, 0 and 500 halls, the first and the last date: comes back equal.
///
/// # Errors
/// What does not hold.
pub async fn s02_any_text(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let long = "长".repeat(2_000);
    let texts = [
        "",
        " ",
        "Zoë 🎻 العربية",
        "e\u{301} is not é",
        "\u{202e}right to left",
        "\u{feff}mark",
        "👩‍👩‍👧‍👦",
        "\u{10ffff}",
        long.as_str(),
    ];
    for (index, sample) in texts.into_iter().enumerate() {
        let mut location = fixture::location(Vec::new());
        location.name = fixture::text(sample);
        location.address = fixture::text(sample);
        location.country = fixture::text(sample);
        if index % 2 == 0 {
            location.halls = (0..500)
                .map(|hall| fixture::hall(&format!("{sample} {hall}"), hall))
                .collect();
        }
        let mut record = named(if sample.trim().is_empty() { "blank" } else { sample });
        record.event.hall_names = location
            .halls
            .iter()
            .take(3)
            .map(|hall| hall.name.clone())
            .collect();
        record.event.start = fixture::date(if index % 2 == 0 { 0 } else { 253_402_300_799 });
        record.event.end = fixture::date(253_402_300_799);
        record.event.sales_start = (index % 3 == 0).then_some(fixture::date(0));
        record.event.sales_end = (index % 3 == 0).then_some(fixture::date(253_402_300_799));
        record.event.max_seats_per_booking = (index % 3 == 1).then_some(i32::MAX as u32);
        record.event.person_limits = PersonLimits {
            seats: (index % 3 == 2).then_some(u32::MAX / 2),
            bookings: (index % 2 == 1).then_some(0),
        };
        record.owner = (index % 2 == 1).then(|| fixture::text(sample));
        record.event.location = (index % 4 != 3).then(|| location.clone());
        add(store.as_ref(), &record).await?;
        let found = store.find_event(&record.event.id).await?;
        ensure!(
            found.as_ref() == Some(&record),
            "the event with text {index} came back unlike it was added"
        );
        let record = fixture::location_record(location);
        store.add_location(&record, Attached::nothing()).await?;
        let found = store.find_location(&record.location.id).await?;
        ensure!(
            found.as_ref() == Some(&record),
            "the location with text {index} came back unlike it was added"
        );
        let user = fixture::user_record(sample, sample);
        store.add_user(&user).await?;
        ensure!(
            store.find_user(&user.user.id).await?.as_ref() == Some(&user),
            "the user with text {index} came back unlike they were added"
        );
    }
    filters_in_any_case(store.as_ref()).await?;
    Ok(Finding::counted(format!("{} texts", texts.len())))
}

async fn filters_in_any_case(store: &dyn Store) -> Result<(), Failure> {
    let mut record = named("Ärztekongress ŽIŽKOV");
    if let Some(location) = &mut record.event.location {
        location.name = fixture::text("Kulturhaus Öst");
        location.address = fixture::text("Улица Мира 5");
    }
    add(store, &record).await?;
    for wanted in ["ärzteKONGRESS", "žižkov", "HAUS ÖST", "улица мира"] {
        let filter = EventFilter {
            text: Some(wanted.to_owned()),
            ..EventFilter::default()
        };
        let found = all_events(store, &filter, 10).await?;
        ensure!(
            found.contains(&record),
            "{wanted:?} does not find the event by its text in another case"
        );
    }
    Ok(())
}

/// Ids of 1, 12, 24 and 64 bytes, of any bytes, that share beginnings, stay apart.
///
/// # Errors
/// What does not hold.
pub async fn s04_opaque_ids(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let mut ids: Vec<Vec<u8>> = [1, 2, 11, 12, 13, 24, 63, 64]
        .into_iter()
        .flat_map(|length| [vec![0; length], vec![0xff; length]])
        .collect();
    ids.push(b"507f1f77bcf86cd799439011".to_vec());
    ids.push(b"'; DROP TABLE events; --".to_vec());
    let mut records = Vec::new();
    for bytes in &ids {
        let mut record = named(&format!("event {bytes:?}"));
        record.event.id = EventId::from_bytes(bytes)?;
        ensure!(
            add(store.as_ref(), &record).await? == Inserted::New,
            "an id of {} bytes was taken already",
            bytes.len()
        );
        let mut location = fixture::location(Vec::new());
        location.id = LocationId::from_bytes(bytes)?;
        store
            .add_location(&fixture::location_record(location), Attached::nothing())
            .await?;
        records.push(record);
    }
    for record in &records {
        ensure!(
            store.find_event(&record.event.id).await?.as_ref() == Some(record),
            "the event {:?} came back unlike it was added",
            record.event.id
        );
    }
    let listed = all_events(store.as_ref(), &EventFilter::default(), 3).await?;
    records.sort_by(|one, other| one.event.id.cmp(&other.event.id));
    ensure!(
        listed == records,
        "the list is not in the order of the ids' bytes"
    );
    Ok(Finding::counted(format!("{} ids", ids.len())))
}

/// Text that is a query, a path or a format elsewhere is data here, or is refused clearly.
///
/// # Errors
/// What does not hold.
pub async fn s17_hostile_text(bed: &dyn StoreBed) -> CaseResult {
    let store = bed.store();
    let store = store.as_ref();
    let megabyte = "M".repeat(1 << 20);
    let texts = [
        "$where",
        "{\"$gt\": \"\"}",
        ".",
        "a.b.$c",
        "nul\0inside",
        "\0",
        "'",
        "\"",
        "`",
        "' OR '1'='1",
        "%",
        "_",
        "100%",
        "a_b",
        "\\",
        "\\%",
        "*",
        "?",
        "[a-z]",
        ".*",
        "(",
        "\u{202e}txt.exe",
        "😀",
        "'; DROP TABLE events; --",
        "\r\nX: y",
        "\u{1b}[31m",
        megabyte.as_str(),
    ];
    let mut stored = Vec::new();
    let mut refused = 0;
    for sample in texts {
        let mut record = named(sample);
        record.event.location = None;
        record.fingerprint = Fingerprint::of("hostile").field(sample.as_bytes()).finish();
        match store.add_event(&record, Attached::nothing()).await {
            Ok(_) => stored.push(record),
            Err(error) => {
                refused += 1;
                ensure!(
                    matches!(
                        error.kind(),
                        ErrorKind::Invalid | ErrorKind::Unprocessable | ErrorKind::TooLarge
                    ),
                    "not a clear refusal: {error}"
                );
                ensure!(
                    store.find_event(&record.event.id).await?.is_none(),
                    "what was refused is stored"
                );
            }
        }
    }
    add(store, &named("harmless axb 100x")).await?;
    for record in &stored {
        let name = record.event.name.as_str();
        let found = store.find_event_by_name(name).await?;
        let shown: String = name.chars().take(30).collect();
        ensure!(
            found.as_ref() == Some(record),
            "{shown:?} is not found by its name"
        );
        let filter = EventFilter {
            text: Some(name.to_owned()),
            ..EventFilter::default()
        };
        let found = all_events(store, &filter, 100).await?;
        let wanted = name.to_lowercase();
        ensure!(
            found.contains(record),
            "{shown:?} is not found by itself as part of a name"
        );
        ensure!(
            found
                .iter()
                .all(|found| found.event.name.as_str().to_lowercase().contains(&wanted)),
            "{shown:?} finds names that don't hold it"
        );
    }
    Ok(Finding::counted(format!(
        "{} stored, {refused} refused",
        stored.len()
    )))
}
