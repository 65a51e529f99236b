//! What mails say, and to whom.

use super::*;

#[tokio::test]
async fn a_booking_is_mailed_once_in_its_language_with_an_entry_for_the_calendar() {
    let world = world(Language::German);
    world.project(event("Aida"), 1).await;
    let booking = world.book(1, Some("Ada"), Some("ada@example.org")).await;
    world.booked(&booking).await.unwrap();
    world.booked(&booking).await.unwrap();
    let [mail] = world.mails().try_into().expect("one mail");
    assert_eq!(mail.subject, "Ihre Buchung: Aida");
    assert!(mail.text.starts_with("Guten Tag Ada,\r\n"), "{}", mail.text);
    // 4,000,000,000 is 2096-10-02 07:06:40 UTC, in Berlin two hours later.
    assert!(
        mail.text
            .contains("Wann: Dienstag, 2. Oktober 2096, 09:06 – 11:06 (Europe/Berlin)\r\n"),
        "{}",
        mail.text
    );
    assert!(
        mail.text
            .contains(&format!("https://tickets.example.org/t/{}", booking.id))
    );
    let entry = entry_of(&mail);
    for line in [
        "METHOD:PUBLISH\r\n",
        "DTSTART:20961002T070640Z\r\n",
        "DTEND:20961002T090640Z\r\n",
        "LOCATION:Opera\\; \"House\"\\, 1\\, West Street\r\n",
        "STATUS:CONFIRMED\r\n",
        "ORGANIZER:mailto:tickets@example.org\r\n",
    ] {
        assert!(entry.contains(line), "{line} in {entry}");
    }
    assert!(
        !mail.id.contains(&booking.id.to_string()),
        "the id opens the booking"
    );
    assert!(!format!("{mail:?}").contains("ada"), "{mail:?}");
}

#[tokio::test]
async fn only_what_is_still_true_is_mailed_and_only_to_who_is_there() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    let late = world.book(1, None, Some("late@example.org")).await;
    let silent = world.book(2, None, None).await;
    let blank = world.book(3, None, Some("  ")).await;
    world.cancel(&late).await;
    for booking in [&late, &silent, &blank] {
        world.booked(booking).await.unwrap();
    }
    assert_eq!(world.sent(), []);
    let stored = world.store.find_booking(&late.id).await.unwrap().unwrap();
    let cancelled = BookingAnnouncement::new(&stored, stored.version);
    world.holders.cancelled(&cancelled, SAID).await.unwrap();
    assert_eq!(
        world.sent(),
        [(
            "late@example.org".to_owned(),
            "Booking cancelled: Aida".to_owned()
        )]
    );
    let calendar = world.mails()[0].calendar.clone().unwrap();
    assert_eq!(calendar.method, "CANCEL");
    assert!(calendar.text.contains("SEQUENCE:1\r\n") && calendar.text.contains("STATUS:CANCELLED\r\n"));
    // Of a booking that is not here, and of one that an original service did not name.
    let mut foreign = cancelled.clone();
    foreign.booking_id = Some("ff".into());
    world.holders.cancelled(&foreign, SAID).await.unwrap();
    foreign.booking_id = None;
    world.holders.booked(&foreign, SAID).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn what_people_typed_stays_text() {
    let world = world(Language::English);
    let hostile = "</td><script>alert(1)</script> & \r\nBcc: eve@example.org \u{202E}\u{2028}🎭 שלום;,\\";
    let mut shown = event(&format!("{hostile}{}", "x".repeat(10_000)));
    shown.end = shown.start;
    world.project(shown, 1).await;
    for (number, name) in [hostile, "Visit evil.example now", "J.R.R. Tolkien", ""]
        .into_iter()
        .enumerate()
    {
        let number = u8::try_from(number).unwrap();
        let booking = world.book(number, Some(name), Some("a@example.org")).await;
        world.booked(&booking).await.unwrap();
    }
    let mails = world.mails();
    for mail in &mails {
        assert!(
            !mail.subject.contains(['\r', '\n', '\u{202E}', '\u{2028}']),
            "{:?}",
            mail.subject
        );
        assert!(mail.subject.chars().count() < 150, "{}", mail.subject);
        assert!(
            !mail.html.contains("<script") && mail.html.contains("&lt;script&gt;"),
            "{}",
            mail.html
        );
        assert!(!mail.text.contains("\nBcc"), "{}", mail.text);
        assert!(mail.text.contains("🎭 שלום"), "{}", mail.text);
        for line in entry_of(mail).split("\r\n") {
            assert!(line.len() <= 75 && !line.contains('\n'), "{line:?}");
        }
        let whole = entry_of(mail).replace("\r\n ", "");
        assert!(whole.contains("שלום\\;\\,\\\\"), "{whole}");
        assert!(!whole.contains("DTEND"), "it ends when it starts: {whole}");
    }
    let greeted = |mail: &Mail| mail.text.lines().next().unwrap_or_default().to_owned();
    let greetings: Vec<String> = mails.iter().map(greeted).collect();
    assert_eq!(greetings, ["Hello,", "Hello,", "Hello J.R.R. Tolkien,", "Hello,"]);
}

#[tokio::test]
async fn an_event_of_which_nobody_said_when_has_no_date_and_one_that_is_over_no_news() {
    let world = world(Language::English);
    let mut undated = event("Aida");
    undated.start = UnixSeconds::EPOCH;
    undated.end = UnixSeconds::EPOCH;
    world.project(undated, 1).await;
    let booking = world.book(1, None, Some("a@example.org")).await;
    world.booked(&booking).await.unwrap();
    let [mail] = world.mails().try_into().expect("one mail");
    assert!(
        mail.calendar.is_none() && !mail.text.contains("1970"),
        "{}",
        mail.text
    );
    assert!(
        !mail.html.contains("1970") && !mail.text.contains("attached"),
        "{}",
        mail.text
    );

    let mut over = event("Aida");
    over.cancelled = true;
    over.start = UnixSeconds::from_stored(1_000);
    over.end = UnixSeconds::from_stored(2_000);
    world.project(over.clone(), 2).await;
    let record = world.store.find_event(&over.id).await.unwrap().unwrap();
    let enough = CancellationToken::new();
    let announced = EventAnnouncement::from(&record);
    world
        .holders
        .event_cancelled(&announced, SystemClock.now(), &enough)
        .await
        .unwrap();
    assert_eq!(world.mails().len(), 1);
}
