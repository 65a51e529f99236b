//! Dead letters: once each, listed in pages, sent back to one group alone, dropped; all of it after a restart too.

use std::sync::Arc;

use anyhow::Result;
use myevents_adapters::kafka::KafkaBroker;
use myevents_core::domain::UnixMillis;
use myevents_core::ports::{DeadLetter, DeadLetterId, DeadLetters, EventListener as _};

use crate::common::{Kafka, everything, message, next, nothing, number};

fn letter(number: usize) -> DeadLetter {
    DeadLetter {
        consumer: "own".into(),
        origin: format!("events/1/{number}"),
        reason: "a reason with \"quotes\" — and ünïcode".into(),
        attempts: 5,
        at: UnixMillis(1_700_000_000_123),
        envelope: message("key", number),
    }
}

async fn ids(letters: &dyn DeadLetters) -> Result<Vec<DeadLetterId>> {
    Ok(letters
        .list(None, 1_000)
        .await?
        .items
        .into_iter()
        .map(|(id, _)| id)
        .collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_kept_listed_sent_back_and_dropped() -> Result<()> {
    let Some(kafka) = Kafka::shared("letters_are_kept_listed_sent_back_and_dropped").await? else {
        return Ok(());
    };
    let broker = KafkaBroker::new(kafka.config(3))?;
    let letters: Arc<dyn DeadLetters> = Arc::new(broker.dead_letters("own")?);
    assert_eq!(letters.count().await?, 0, "before the topic is there");
    assert_eq!(letters.resend(&[DeadLetterId("000000000003".into())]).await?, 0);
    let put: Vec<DeadLetter> = (0..25).map(letter).collect();
    for letter in &put {
        letters.put(letter).await?;
    }
    // An answer that was lost: it is put again.
    letters.put(&put[24]).await?;
    assert_eq!(letters.count().await?, 25);

    // Another process sees the same, page by page.
    let other = KafkaBroker::new(kafka.named(&topic_of(&broker), 3))?.dead_letters("own")?;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = other.list(after.as_ref(), 10).await?;
        seen.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(
        seen.iter().map(|(_, letter)| letter.clone()).collect::<Vec<_>>(),
        put
    );
    assert!(seen.is_sorted_by_key(|(id, _)| id.clone()));

    // To the group alone: another one hears nothing.
    let listener = broker.listener();
    let mut own = listener.subscribe(everything("own", 8)).await?;
    let mut others = listener.subscribe(everything("others", 8)).await?;
    let wanted: Vec<DeadLetterId> = [3, 7].map(|index: usize| seen[index].0.clone()).to_vec();
    assert_eq!(other.resend(&wanted).await?, 2);
    for expected in [3, 7] {
        let delivery = next(&mut own).await;
        assert_eq!(number(&delivery.envelope), expected);
        assert_eq!(delivery.envelope, put[expected].envelope);
        assert_eq!(delivery.attempt, 1);
        delivery.ack().await?;
    }
    nothing(&mut own).await;
    nothing(&mut others).await;
    assert_eq!(letters.count().await?, 23);
    assert_eq!(letters.resend(&wanted).await?, 0, "they are gone");

    assert_eq!(letters.discard(&[seen[0].0.clone(), seen[3].0.clone()]).await?, 1);
    assert_eq!(other.count().await?, 22);
    let rest = ids(&other).await?;
    assert_eq!(letters.discard(&rest).await?, 22);
    assert_eq!(other.count().await?, 0);
    assert!(
        broker
            .dead_letters("others")?
            .list(None, 10)
            .await?
            .items
            .is_empty()
    );
    listener.close().await?;
    Ok(())
}

fn topic_of(broker: &KafkaBroker) -> String {
    broker.config().topic.clone()
}
