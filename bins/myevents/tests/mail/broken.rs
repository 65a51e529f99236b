//! Servers that are away, refuse, or ask to come back; and a program that is killed: no holder is left without mail.

use std::time::{Duration, Instant};

use loadtest::program::{Program, Running};
use loadtest::service::ask;
use serde_json::json;

use crate::post::{PATIENCE, Post, book, by_recipient, counted, delete, log_is_discreet, new_event};

/// Of a holder: nothing but the mail itself shows it.
const NAME: &str = "Ada Quux-Lovelace";

/// Waits until the counter of mails is there.
async fn until_counted(program: &Program, running: &Running, about: &str, outcome: &str, wanted: u64) {
    let start = Instant::now();
    while counted(program, about, outcome).await < wanted {
        assert!(
            start.elapsed() < PATIENCE,
            "fewer than {wanted} mails about {about} are {outcome}; the program's log:\n{}",
            running.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits for a program that ends by itself.
async fn until_ended(mut running: Running) {
    let status = running.wait(PATIENCE).await.unwrap();
    assert!(!status.success(), "it was to be killed: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_away_all_else_goes_on_and_all_mails_come_when_it_is_back() {
    let Some(mut post) = Post::open("mail::broken::while_the_server_is_away", |_| {}).await else {
        return;
    };
    let program = post.plain(&[]);
    let mut server = post.server.take().unwrap();
    let mut server = tokio::task::spawn_blocking(move || {
        server.kill().unwrap();
        server
    })
    .await
    .unwrap();
    let running = program.start_ready().await.unwrap();
    let event = new_event(&program, "Aida").await;
    for number in 0..20 {
        book(
            &program,
            &event,
            &json!({"email": format!("h{number}@example.net")}),
        )
        .await;
    }
    until_counted(&program, &running, "event.booked", "retried", 3).await;
    // Events are still heard of, and booked.
    let other = new_event(&program, "Carmen").await;
    book(&program, &other, &json!({"email": "other@example.net"})).await;
    // A stop finds mails that can't be sent, and the next start finds them again.
    running.stop().await.unwrap();
    let running = program.start_ready().await.unwrap();
    until_counted(&program, &running, "event.booked", "retried", 1).await;
    let server = tokio::task::spawn_blocking(move || {
        server.restart().unwrap();
        server
    })
    .await
    .unwrap();
    post.server = Some(server);
    post.count(&running, 21).await;
    running.stop().await.unwrap();
    let counts = by_recipient(&post.mails());
    assert_eq!(counts.len(), 21);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_keeps_nobody_from_theirs_and_who_is_put_off_gets_it_later() {
    let Some(post) = Post::open("mail::broken::who_is_refused", |_| {}).await else {
        return;
    };
    // All that anybody could ever log.
    let program = post.plain(&[("MYEVENTS_LOG", "trace")]);
    let running = program.start_ready().await.unwrap();
    let event = new_event(&program, "Aida").await;
    let holders = ["hangup", "refused", "a", "hidden", "later", "dropped", "b"];
    for holder in holders {
        let email = format!("{holder}@example.net");
        book(&program, &event, &json!({"email": email, "name": NAME})).await;
    }
    // What may have come is sent once more, under the same id.
    post.count(&running, 5).await;
    until_counted(&program, &running, "event.booked", "refused", 2).await;
    until_counted(&program, &running, "event.booked", "sent", 4).await;
    assert_eq!(counted(&program, "event.booked", "unknown").await, 1);
    delete(&program, &format!("/events/{event}")).await;
    post.count(&running, 9).await;
    until_counted(&program, &running, "event.cancelled", "refused", 2).await;
    until_counted(&program, &running, "event.cancelled", "sent", 4).await;
    let counts = by_recipient(&post.mails());
    let expected = [("a", 2), ("b", 2), ("dropped", 3), ("later", 2)];
    let expected = expected.map(|(holder, count)| (format!("{holder}@example.net"), count));
    assert_eq!(counts, expected.into());
    assert!(counted(&program, "event.booked", "retried").await >= 2);
    // What was refused is done with.
    assert_eq!(counted(&program, "event.booked", "refused").await, 2);
    assert!(running.log().contains("refused for good"), "{}", running.log());
    log_is_discreet(&running, &[NAME]);
    let metrics = ask(program.service.metrics.unwrap(), "GET", "/metrics", None)
        .await
        .unwrap();
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("myevents_mails_total"), "{metrics}");
    assert!(
        !metrics.contains(NAME) && !metrics.contains("@example"),
        "{metrics}"
    );
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_everybody_for_a_while_costs_nobody_their_mail() {
    let closed = |folder: &std::path::Path| std::fs::write(folder.join("closed"), "").unwrap();
    let Some(post) = Post::open("mail::broken::a_server_that_refuses_everybody", closed).await else {
        return;
    };
    let program = post.plain(&[]);
    let running = program.start_ready().await.unwrap();
    let event = new_event(&program, "Aida").await;
    for number in 0..8 {
        let email = format!("h{number}@example.net");
        book(&program, &event, &json!({"email": email})).await;
    }
    // Each was asked for.
    until_counted(&program, &running, "event.booked", "retried", 8).await;
    assert_eq!(counted(&program, "event.booked", "refused").await, 0);
    std::fs::remove_file(post.folder().join("server/closed")).unwrap();
    post.count(&running, 8).await;
    until_counted(&program, &running, "event.booked", "sent", 8).await;
    assert_eq!(counted(&program, "event.booked", "refused").await, 0);
    let counts = by_recipient(&post.mails());
    assert_eq!(counts.len(), 8, "{counts:?}");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_a_mail_and_its_mark_costs_nobody_a_mail_and_doubles_have_one_id() {
    const HOLDERS: usize = 12;
    let Some(post) = Post::open("mail::broken::a_kill_between", |_| {}).await else {
        return;
    };
    let program = post.plain(&[("MYEVENTS_SMTP_CONNECTIONS", "1")]);
    let dies = |point: &str| {
        let mut program = program.clone();
        program
            .environment
            .push(("MYEVENTS_CRASH_AT".to_owned(), point.to_owned()));
        program
    };
    // After the fifth mail the process ends before it has noted that it sent it.
    let running = dies("mail.after-send:5").start_ready().await.unwrap();
    let event = new_event(&program, "Aida").await;
    let mut booked = 0;
    while booked < HOLDERS {
        let body = json!({"seats": 1, "email": format!("h{booked}@example.net")});
        let path = format!("/events/{event}/bookings");
        let answer = ask(program.service.bookings, "POST", &path, Some(&body)).await;
        match answer {
            Ok(answer) => assert_eq!(answer.status, 201, "{:?}", answer.json()),
            // It died; whether this one was booked shows in the mails, so it is not counted.
            Err(_) => break,
        }
        booked += 1;
    }
    until_ended(running).await;
    // The next start ends before it has sent its first one.
    until_ended(dies("mail.before-send").start().unwrap()).await;
    let running = program.start_ready().await.unwrap();
    for number in booked..HOLDERS {
        book(
            &program,
            &event,
            &json!({"email": format!("after{number}@example.net")}),
        )
        .await;
    }
    let all_told = |mails: &[serde_json::Value]| {
        let counts = by_recipient(mails);
        mails.len() > counts.len()
            && (0..booked).all(|number| counts.contains_key(&format!("h{number}@example.net")))
            && (booked..HOLDERS).all(|number| counts.contains_key(&format!("after{number}@example.net")))
    };
    let mails = post
        .until(&running, "a mail for every booking, and the double", all_told)
        .await;
    // One connection: one mail was sent and not noted.
    let doubles = mails.len() - by_recipient(&mails).len();
    assert_eq!(doubles, 1);

    // The same while an event's holders are told, in the middle of one message, and by a bare kill after that.
    running.stop().await.unwrap();
    let holders = by_recipient(&post.mails()).len();
    let before = post.mails().len();
    let running = dies("mail.after-send:4").start_ready().await.unwrap();
    // It may die before it has answered.
    let path = format!("/events/{event}");
    let answer = ask(program.service.events, "DELETE", &path, None).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 204));
    until_ended(running).await;
    let told = post.mails().len() - before;
    assert!(
        (4..holders).contains(&told),
        "{told} of {holders} were told by then"
    );
    let mut running = program.start_ready().await.unwrap();
    post.until(&running, "one more", |mails| mails.len() > before + told)
        .await;
    running.kill().unwrap();
    let running = program.start_ready().await.unwrap();
    let cancelled = |mails: &[serde_json::Value]| by_recipient(&mails[before..]);
    let mails = post
        .until(&running, "the end of the event for all", |mails| {
            cancelled(mails).len() == holders
        })
        .await;
    running.stop().await.unwrap();
    let counts = cancelled(&post.mails());
    assert_eq!(counts.len(), holders);
    let doubles = counts.values().sum::<usize>() - holders;
    // One by the first kill, and at most the mail in hand by the second.
    assert!((1..=3).contains(&doubles), "{doubles} doubles: {counts:?}");
    assert!(mails.len() <= before + holders + 3);
}
