//! What holders are told, by which parts of a mail, in which language, and who is told nothing.

use serde_json::{Value, json};

use crate::post::{
    PATIENCE, Post, book, by_recipient, counted, delete, header, log_is_discreet, new_event, summary,
};
use loadtest::program::{Program, Running};
use loadtest::service::ask;

fn to<'a>(mails: &'a [Value], recipient: &str, subject: &str) -> &'a Value {
    let wanted = (recipient.to_owned(), subject.to_owned());
    let found: Vec<_> = mails.iter().filter(|mail| summary(mail) == wanted).collect();
    assert_eq!(
        found.len(),
        1,
        "{wanted:?} in {:?}",
        mails.iter().map(summary).collect::<Vec<_>>()
    );
    found[0]
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Ends the program in order and starts it again: what was in hand is sent by then, and what was not is found by the next.
async fn settled(program: &Program, running: Running) -> Running {
    running.stop().await.unwrap();
    program.start_ready().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_hears_of_the_booking_of_its_end_and_of_the_event_s() {
    let Some(post) = Post::open("mail::said::a_holder_hears", |_| {}).await else {
        return;
    };
    let program = post.plain(&[("MYEVENTS_PUBLIC_URL", "https://tickets.example.org/")]);
    let running = program.start_ready().await.unwrap();
    let event = new_event(&program, "Aida").await;
    let ada = book(
        &program,
        &event,
        &json!({"name": "Ada", "email": "ada@example.net"}),
    )
    .await;
    let mails = post.count(&running, 1).await;
    let mail = to(&mails, "ada@example.net", "Your booking: Aida");
    assert_eq!(word(mail, "sender"), "tickets@example.org");
    assert_eq!(header(mail, "From"), "The Box Office <tickets@example.org>");
    assert_eq!(header(mail, "To"), "ada@example.net");
    assert_eq!(header(mail, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(mail, "Content-Language"), "en");
    assert_eq!(mail["types"], json!(["text/plain", "text/html", "text/calendar"]));
    assert_eq!(mail["defects"], json!([]));
    // 9:06 in Vienna, in summer.
    for shown in [
        "Hello Ada,",
        "Tuesday, 2 October 2096, 09:06 – 11:06 (Europe/Vienna)",
        "Seats: 2",
    ] {
        assert!(
            word(mail, "text").contains(shown),
            "{shown} in {}",
            word(mail, "text")
        );
    }
    let link = format!("https://tickets.example.org/t/{ada}");
    assert!(word(mail, "text").contains(&link), "{mail}");
    assert!(
        word(mail, "html").contains(&format!("<a href=\"{link}\">")),
        "{mail}"
    );
    assert!(
        !header(mail, "Message-ID").contains(&ada),
        "the id opens the booking"
    );
    let entry = &mail["calendars"][0];
    assert_eq!(
        (
            word(entry, "method"),
            word(entry, "method_of_part"),
            word(entry, "status")
        ),
        ("PUBLISH", "PUBLISH", "CONFIRMED")
    );
    assert_eq!(
        (word(entry, "summary"), word(entry, "location")),
        ("Aida", "Opera, House, 1 West Street, Austria")
    );
    assert_eq!(word(entry, "start"), "2096-10-02T07:06:40+00:00");
    assert_eq!(word(entry, "end"), "2096-10-02T09:06:40+00:00");

    delete(&program, &format!("/bookings/{ada}")).await;
    let mails = post.count(&running, 2).await;
    let cancelled = &to(&mails, "ada@example.net", "Booking cancelled: Aida")["calendars"][0];
    assert_eq!(
        (
            word(cancelled, "method"),
            word(cancelled, "method_of_part"),
            word(cancelled, "status")
        ),
        ("CANCEL", "CANCEL", "CANCELLED")
    );
    assert_eq!(cancelled["uid"], entry["uid"]);
    assert!(cancelled["sequence"].as_i64() > entry["sequence"].as_i64());

    // Nobody to write to, one who was removed, and five who hold seats when the event is cancelled.
    book(&program, &event, &json!({"name": "Nobody"})).await;
    book(&program, &event, &json!({"email": "no address"})).await;
    let user = json!({"First": "Gone", "Last": "Away", "Age": 40});
    let user = ask(program.service.bookings, "POST", "/users", Some(&user))
        .await
        .unwrap();
    let user = user.json().unwrap()["ID"].as_str().unwrap().to_owned();
    book(
        &program,
        &event,
        &json!({"email": "gone@example.net", "userId": user}),
    )
    .await;
    for number in 0..5 {
        book(
            &program,
            &event,
            &json!({"email": format!("h{number}@example.net")}),
        )
        .await;
    }
    post.count(&running, 8).await;
    delete(&program, &format!("/users/{user}")).await;
    delete(&program, &format!("/events/{event}")).await;
    post.count(&running, 13).await;
    let running = settled(&program, running).await;
    // It is announced once more, which is news for nobody.
    let (sent, said) = {
        let program = program.clone();
        tokio::task::spawn_blocking(move || program.command(&["republish"]))
            .await
            .unwrap()
            .unwrap()
    };
    assert!(sent, "{said}");
    let other = new_event(&program, "Carmen").await;
    book(&program, &other, &json!({"email": "last@example.net"})).await;
    post.count(&running, 14).await;
    let running = settled(&program, running).await;
    let mails = post.mails();
    let counts = by_recipient(&mails);
    let expected = [
        ("ada@example.net", 2),
        ("gone@example.net", 1),
        ("h0@example.net", 2),
        ("h1@example.net", 2),
        ("h2@example.net", 2),
        ("h3@example.net", 2),
        ("h4@example.net", 2),
        ("last@example.net", 1),
    ];
    assert_eq!(counts, expected.map(|(to, count)| (to.to_owned(), count)).into());
    for number in 0..5 {
        let mail = to(&mails, &format!("h{number}@example.net"), "Event cancelled: Aida");
        assert_eq!(word(&mail["calendars"][0], "method"), "CANCEL");
    }
    log_is_discreet(&running, &[]);
    running.stop().await.unwrap();
}

/// The same program with mail turned off.
fn without_mail(program: &Program) -> Program {
    let environment = program.environment.iter();
    Program {
        environment: environment
            .filter(|(name, _)| !name.starts_with("MYEVENTS_SMTP"))
            .cloned()
            .collect(),
        ..program.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cancelled_before_mail_was_turned_on_is_told_to_nobody_by_a_republish() {
    let Some(post) = Post::open("mail::said::what_was_cancelled_before", |_| {}).await else {
        return;
    };
    let program = post.plain(&[]);
    let off = without_mail(&program);
    let running = off.start_ready().await.unwrap();
    let event = new_event(&off, "Aida").await;
    for number in 0..3 {
        book(&off, &event, &json!({"email": format!("h{number}@example.net")})).await;
    }
    delete(&off, &format!("/events/{event}")).await;
    running.stop().await.unwrap();
    assert_eq!(post.mails().len(), 0);

    let running = program.start_ready().await.unwrap();
    let republishing = program.clone();
    let (sent, said) = tokio::task::spawn_blocking(move || republishing.command(&["republish"]).unwrap())
        .await
        .unwrap();
    assert!(sent, "{said}");
    let other = new_event(&program, "Carmen").await;
    book(&program, &other, &json!({"email": "last@example.net"})).await;
    post.count(&running, 1).await;
    let running = settled(&program, running).await;
    running.stop().await.unwrap();
    let counts = by_recipient(&post.mails());
    assert_eq!(counts, [("last@example.net".to_owned(), 1)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_typed_is_text_in_every_part_and_the_language_is_as_set() {
    let Some(post) = Post::open("mail::said::what_people_typed", |_| {}).await else {
        return;
    };
    let program = post.plain(&[
        ("MYEVENTS_MAIL_LANGUAGE", "de"),
        ("MYEVENTS_SMTP_FROM", "Müller, Söhne & Co <tickets@example.org>"),
    ]);
    let running = program.start_ready().await.unwrap();
    // Line breaks do not even get in.
    let event = new_event(&program, "Aida").await;
    let path = format!("/events/{event}/bookings");
    for body in [
        json!({"seats": 1, "name": "Eve\r\nBcc: eve@example.net", "email": "a@example.net"}),
        json!({"seats": 1, "email": "a@example.net\r\nBcc: eve@example.net"}),
        json!({"seats": 1, "name": "x".repeat(10_000), "email": "a@example.net"}),
    ] {
        let refused = ask(program.service.bookings, "POST", &path, Some(&body))
            .await
            .unwrap();
        assert_eq!(refused.status, 422, "{:?}", refused.json());
    }
    let hostile = format!(
        "<script>alert('1')</script>\"&; 🎭 שלום עולם \u{202E}{}",
        "ü".repeat(1_900)
    );
    let event = new_event(&program, &hostile).await;
    let hostile_name = json!({"name": "<b>Ada</b> 🎟 مرحبا", "email": "b@example.net"});
    book(&program, &event, &hostile_name).await;
    // What is no one address is none, and not several.
    for email in [
        "c@example.net, eve@example.net",
        "c@example.net>",
        "<c@example.net>",
        "Eve <c@example.net>",
    ] {
        book(&program, &event, &json!({"email": email})).await;
    }
    book(
        &program,
        &event,
        &json!({"email": "ädä@example.net", "name": "Ädä"}),
    )
    .await;
    post.count(&running, 2).await;
    let refused = 4;
    let start = std::time::Instant::now();
    while counted(&program, "event.booked", "refused").await < refused {
        assert!(
            start.elapsed() < PATIENCE,
            "not all that is no address was counted:\n{}",
            running.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let running = settled(&program, running).await;
    let mails = post.mails();
    assert_eq!(
        mails.len(),
        2,
        "{:?}",
        mails.iter().map(summary).collect::<Vec<_>>()
    );
    for mail in &mails {
        assert_eq!(mail["recipients"].as_array().unwrap().len(), 1, "{mail}");
        let names: Vec<_> = mail["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| pair[0].as_str().unwrap())
            .collect();
        assert!(!names.contains(&"Bcc"), "{names:?}");
        assert_eq!(
            header(mail, "From"),
            "\"Müller, Söhne & Co\" <tickets@example.org>"
        );
        assert_eq!(mail["defects"], json!([]));
        let subject = header(mail, "Subject");
        assert!(
            subject.starts_with("Ihre Buchung: <script>alert('1')</script>"),
            "{subject}"
        );
        assert!(
            subject.contains("🎭 שלום") && subject.chars().count() < 150,
            "{subject}"
        );
        assert!(!subject.contains('\u{202E}'), "{subject}");
        let html = word(mail, "html");
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(
            html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;; 🎭"),
            "{html}"
        );
        assert!(word(mail, "text").contains("Dienstag, 2. Oktober 2096"), "{mail}");
        let entry = &mail["calendars"][0];
        assert!(
            word(entry, "summary").starts_with("<script>alert('1')</script>\"&; 🎭 שלום"),
            "{entry}"
        );
        assert!(entry["longest_line"].as_u64().unwrap() <= 75, "{entry}");
    }
    log_is_discreet(&running, &[]);
    running.stop().await.unwrap();
}
