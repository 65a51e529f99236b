//! The group as it runs: dispatch over the local broker with the group's own options, on a clock that runs ahead.

use tokio::task::JoinHandle;

use super::*;
use crate::contract::{Envelope, EventBooked, EventCancelled, Message, MessageId, MessageName, header};
use crate::dispatch::Dispatch;
use crate::local::{LocalBroker, LocalOptions};
use crate::mail::{GROUP, dispatch_options, register, subscribe_names};
use crate::ports::{DeadLetter, DeadLetters, EventEmitter, MessageOrder};

struct Group {
    world: World,
    broker: LocalBroker,
    stop: CancellationToken,
    running: JoinHandle<Result<()>>,
}

impl Group {
    async fn start() -> Self {
        let world = world(Language::English);
        world.project(event("Aida"), 1).await;
        let broker = LocalBroker::new(LocalOptions::default(), Arc::new(NoObserver));
        broker.declare(GROUP, &subscribe_names());
        let stop = CancellationToken::new();
        let dispatch = register(
            Dispatch::builder(GROUP),
            Arc::<MemoryStore>::clone(&world.store),
            Arc::<Server>::clone(&world.server),
            mail_options(Language::English),
            Arc::new(SystemClock),
            Arc::new(NoObserver),
            stop.clone(),
        )
        .dead_letters(broker.dead_letters(GROUP, world.store.clone()))
        .options(dispatch_options(MessageOrder::InGroup))
        .build()
        .unwrap();
        let (listener, stopped) = (Arc::new(broker.listener()), stop.clone());
        let running = tokio::spawn(async move { dispatch.run(listener, stopped).await });
        Self {
            world,
            broker,
            stop,
            running,
        }
    }

    /// Books for this address; the message about it.
    async fn book(&self, number: u8, email: &str) -> Envelope {
        let booking = self.world.book(number, Some("Ada Lovelace"), Some(email)).await;
        let said = BookingAnnouncement::new(&booking, Version::FIRST);
        // A key of its own each, as if they were of many events.
        envelope(EventBooked::name(), &format!("b{number}"), &said)
    }

    /// Cancels the event; the message about it.
    async fn cancel_event(&self, cancelled: Event, version: u64) -> Envelope {
        let cancelled = Event {
            cancelled: true,
            ..cancelled
        };
        let id = cancelled.id.clone();
        self.world.project(cancelled, version).await;
        let record = self.world.store.find_event(&id).await.unwrap().unwrap();
        let said = EventAnnouncement::from(&record);
        envelope(EventCancelled::name(), &format!("cancelled-{version}"), &said)
    }

    /// Hands the messages over; all were mailed or given up on when this returns.
    async fn hear(&self, messages: &[Envelope]) {
        for result in self.broker.emit(messages).await {
            result.unwrap();
        }
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        let page = self.world.store.list(None, 100).await.unwrap();
        page.items.into_iter().map(|(_, letter)| letter).collect()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

fn envelope(name: MessageName, id: &str, said: &impl serde::Serialize) -> Envelope {
    let body = serde_json::to_string(said).unwrap();
    Envelope::builder(MessageId::new(id), name, id.to_owned())
        .body(body)
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_mail_whose_answer_is_lost_each_time_is_sent_some_times_and_not_for_ever() {
    let group = Group::start().await;
    let lost_one = group.book(1, "lost@example.org").await;
    let good = group.book(2, "good@example.org").await;
    let start = Instant::now();
    group.hear(&[lost_one, good]).await;
    let took = start.elapsed();
    assert!(
        (600..=1_200).contains(&took.as_secs()),
        "given up on after {took:?}"
    );
    let asked = group.world.server.asked.lock().clone();
    let tries = asked.iter().filter(|(to, _)| to == "lost@example.org").count();
    // 5, 10, … s up to 5 min, each at least a half of it, 20 min together.
    assert!((9..=13).contains(&tries), "{tries} mails");
    let [letter] = group.letters().await.try_into().expect("one dead letter");
    assert_eq!(letter.envelope.id().as_str(), "b1");
    let told = format!("{letter:?}");
    assert!(!told.contains("example.org") && !told.contains("Ada"), "{told}");
    group.stop().await;
}

#[tokio::test(start_paused = true)]
async fn forty_who_are_put_off_keep_nobody_from_theirs_meanwhile() {
    let group = Group::start().await;
    let mut messages = Vec::new();
    for number in 0..40 {
        messages.push(group.book(number, &format!("later{number}@example.org")).await);
    }
    messages.push(group.book(100, "good@example.org").await);
    let start = Instant::now();
    group.hear(&messages).await;
    let asked = group.world.server.asked.lock().clone();
    let (_, at) = asked.iter().find(|(to, _)| to == "good@example.org").unwrap();
    assert!(*at - start < Duration::from_secs(60), "after {:?}", *at - start);
    assert_eq!(group.world.mails().len(), 1);
    let letters = group.letters().await;
    assert_eq!(letters.len(), 40, "each is given up on in the end");
    group.stop().await;
}

#[tokio::test(start_paused = true)]
async fn holders_of_a_cancelled_event_who_are_put_off_for_good_leave_one_dead_letter() {
    let group = Group::start().await;
    for number in 0..220_u8 {
        let who = if number % 50 == 7 { "later" } else { "h" };
        let email = format!("{who}{number}@example.org");
        group.world.book(number, None, Some(&email)).await;
    }
    let message = group.cancel_event(event("Aida"), 2).await;
    group.hear(&[message]).await;
    assert_eq!(group.world.mails().len(), 215);
    let [letter] = group.letters().await.try_into().expect("one dead letter");
    assert!(letter.reason.contains("put holders off"), "{}", letter.reason);
    group.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_announced_again_is_mailed_to_nobody_though_nothing_is_remembered() {
    let group = Group::start().await;
    group.world.book(1, None, Some("a@example.org")).await;
    let again = |message: &Envelope| message.with_header(header::REPUBLISHED, "true".to_owned());
    // One of the future, then one that is over.
    let coming = group.cancel_event(event("Aida"), 2).await;
    group.hear(&[again(&coming)]).await;
    let now = SystemClock.now().seconds().get();
    let over = Event {
        start: UnixSeconds::from_stored(now - 7_200),
        end: UnixSeconds::from_stored(now - 3_600),
        ..event("Aida")
    };
    let over = group.cancel_event(over, 3).await;
    group.hear(&[again(&over), over]).await;
    assert_eq!(group.world.sent(), []);
    // The first announcement of the coming one still is.
    let coming = group.cancel_event(event("Aida"), 4).await;
    group.hear(&[coming]).await;
    assert_eq!(group.world.sent().len(), 1);
    assert_eq!(group.letters().await.len(), 0);
    group.stop().await;
}
