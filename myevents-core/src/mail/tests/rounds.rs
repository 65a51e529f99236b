//! The holders of a cancelled event are told in rounds, each once, whatever breaks in between.

use super::*;

#[tokio::test]
async fn what_is_said_before_an_event_and_comes_after_it_is_not_mailed() {
    let world = world(Language::English);
    let mut over = event("Aida");
    let now = SystemClock.now().seconds().get();
    over.start = UnixSeconds::from_stored(now - 7_200);
    over.end = UnixSeconds::from_stored(now - 3_600);
    world.project(over, 1).await;
    let booking = world.book(1, None, Some("a@example.org")).await;
    world.booked(&booking).await.unwrap();
    assert_eq!(world.sent(), []);
    // Who books an event of the past hears of it.
    let message = BookingAnnouncement::new(&booking, Version::FIRST);
    world.holders.booked(&message, SystemClock.now()).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn all_holders_of_a_cancelled_event_hear_of_it_once_whatever_breaks_in_between() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    let mut all = Vec::new();
    for number in 0..120_u8 {
        all.push(
            world
                .book(number, None, Some(&format!("h{number}@example.org")))
                .await,
        );
    }
    let gone = world.book(200, None, Some("gone@example.org")).await;
    world.cancel(&gone).await;
    for _ in 0..5 {
        world.answer(Ok(Sent::Accepted));
    }
    world.answer(Err(away()));
    let broken = world.event_cancelled().await.unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::Unavailable);
    let before = world.mails().len();
    assert!(
        (5..20).contains(&before),
        "{before}: a server that is away ends the round"
    );
    // One is refused for good, one is to come again.
    world.answer(Ok(Sent::Refused("550".into())));
    world.answer(Ok(Sent::Later("450".into())));
    let postponed = world.event_cancelled().await.unwrap_err();
    assert!(!matches!(
        postponed.kind(),
        ErrorKind::Unavailable | ErrorKind::OutcomeUnknown | ErrorKind::Overloaded | ErrorKind::Malformed
    ));
    assert_eq!(world.mails().len(), 118);
    world.event_cancelled().await.unwrap();
    world.event_cancelled().await.unwrap();
    let mut ids: Vec<_> = world.mails().into_iter().map(|mail| mail.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(
        (ids.len(), world.mails().len()),
        (119, 119),
        "all but the one refused, each once"
    );
    // A booking whose message comes late is told the same, and no second time.
    world.booked(&all[3]).await.unwrap();
    assert_eq!(world.mails().len(), 119);
    assert!(
        world
            .sent()
            .iter()
            .all(|(_, subject)| subject == "Event cancelled: Aida")
    );
}

#[tokio::test]
async fn a_stop_begins_no_further_mail() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    let booking = world.book(1, None, Some("a@example.org")).await;
    world.holders.stop.cancel();
    let stopped = world.booked(&booking).await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Unavailable);
    assert_eq!(world.sent(), []);
}

#[tokio::test]
async fn a_lost_answer_is_a_try_of_its_mail_and_an_end_of_a_round_is_none() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    let booking = world.book(1, None, Some("a@example.org")).await;
    world.answer(Err(lost()));
    let lost = world.booked(&booking).await.unwrap_err();
    let no_tries = [
        ErrorKind::Unavailable,
        ErrorKind::OutcomeUnknown,
        ErrorKind::Overloaded,
    ];
    assert!(!no_tries.contains(&lost.kind()), "{lost}");
    world.booked(&booking).await.unwrap();
    assert_eq!(world.mails().len(), 1);

    let mut cancelled = event("Aida");
    cancelled.cancelled = true;
    world.project(cancelled.clone(), 2).await;
    let record = world.store.find_event(&cancelled.id).await.unwrap().unwrap();
    let enough = CancellationToken::new();
    enough.cancel();
    let announced = EventAnnouncement::from(&record);
    let ended = world
        .holders
        .event_cancelled(&announced, SAID, &enough)
        .await
        .unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Unavailable, "{ended}");
    assert_eq!(world.mails().len(), 1);
}

#[tokio::test]
async fn who_is_put_off_alone_is_asked_again_and_a_server_that_puts_off_all_ends_the_round() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    for number in 0..250_u8 {
        let email = format!("h{number}@example.org");
        world.book(number, None, Some(&email)).await;
    }
    for _ in 0..100 {
        world.answer(Ok(Sent::Later("451".into())));
    }
    let all = world.event_cancelled().await.unwrap_err();
    assert_eq!(all.kind(), ErrorKind::Unavailable, "{all}");
    assert_eq!(world.mails().len(), 0, "the second page is left alone");
    let left = world.event_cancelled().await.unwrap_err();
    assert_eq!(left.kind(), ErrorKind::Conflict, "{left}");
    assert_eq!(world.mails().len(), 150, "those who were not asked yet go first");
    world.event_cancelled().await.unwrap();
    assert_eq!(world.mails().len(), 250);
}

#[tokio::test]
async fn who_is_put_off_keeps_nobody_on_later_pages_from_theirs() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    for number in 0..250_u8 {
        // A quarter, so that never many are put off in a row: on all three pages.
        let who = if number % 4 == 0 { "later" } else { "h" };
        let email = format!("{who}{number}@example.org");
        world.book(number, None, Some(&email)).await;
    }
    let other = world.book(251, None, Some("other@example.org")).await;
    world.cancel(&other).await;
    let left = world.event_cancelled().await.unwrap_err();
    assert_eq!(left.kind(), ErrorKind::Conflict, "{left}");
    assert_eq!(world.mails().len(), 187, "all others in the first round");
    let asked = || world.server.asked.lock().len();
    assert_eq!(asked(), 250);
    // Nobody else is mailed: it may be the server that takes nothing.
    let nobody = world.event_cancelled().await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Unavailable, "{nobody}");
    assert_eq!(asked(), 250 + 63, "only those who are left are asked");
    // Somebody else is: it is they, and their message is not tried for ever.
    world.tell_of_cancel(&other).await;
    let left = world.event_cancelled().await.unwrap_err();
    assert_eq!(left.kind(), ErrorKind::Conflict, "{left}");
    assert_eq!((world.mails().len(), asked()), (188, 250 + 63 + 1 + 63));
}

#[tokio::test]
async fn rounds_that_are_over_before_all_were_asked_get_to_all_of_them() {
    let world = world(Language::English);
    world.project(event("Aida"), 1).await;
    for number in 0..150_u8 {
        let who = if number < 60 { "later" } else { "h" };
        let email = format!("{who}{number}@example.org");
        world.book(number, None, Some(&email)).await;
    }
    // Each round is over after a few: the first holders are slow to be put off.
    let mut rounds = 0;
    let ended = loop {
        rounds += 1;
        assert!(rounds < 60, "{} mails", world.mails().len());
        let enough = CancellationToken::new();
        *world.server.enough.lock() = Some((10, enough.clone()));
        let round = world.event_cancelled_until(&enough).await.unwrap_err();
        if round.kind() == ErrorKind::Conflict {
            break round;
        }
    };
    assert_eq!(world.mails().len(), 90, "after {rounds} rounds: {ended}");
}
