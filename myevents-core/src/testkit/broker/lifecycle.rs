//! Cases of closing and cancelling.

use futures_util::future::join_all;

use super::BrokerFixture;
use super::tools::{
    Consumers, Notes, PATIENCE, emit_one, finished, message, messages, next, publish, repeats, subscription,
};
use crate::error::{ErrorKind, Result};
use crate::testkit::{CaseResult, Failure, Finding, ensure};

/// C19: ten closes at once are safe, and all of them end.
pub(super) async fn concurrent_closes(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let mut stream = listener.subscribe(subscription("closing", 4)).await?;
    let publishing = publish(&emitter, vec![message("last", "{}")], 1);
    next(&mut stream).await?.ack().await?;
    finished(publishing).await?;
    let closing = async {
        tokio::join!(
            join_all((0..10).map(|_| listener.close())),
            join_all((0..10).map(|_| emitter.close()))
        )
    };
    let Ok((listeners, emitters)) = tokio::time::timeout(PATIENCE, closing).await else {
        return Err(Failure::new("a close did not end"));
    };
    for closed in listeners.into_iter().chain(emitters) {
        closed?;
    }
    let ended = tokio::time::timeout(PATIENCE, futures_util::StreamExt::next(&mut stream)).await;
    ensure!(matches!(ended, Ok(None)), "the stream did not end: {ended:?}");
    Ok(Finding::passed())
}

/// C20: a subscription that goes away leaves the others, and leaves what it held to its group.
pub(super) async fn cancel_one(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let (other_group, same_group) = (Notes::new(), Notes::new());
    let mut consumers = Consumers::default();
    let mut cancelled = listener.subscribe(subscription("shared", 4)).await?;
    consumers
        .subscribe(&listener, subscription("other", 16), &other_group)
        .await?;
    let sent = messages(40);
    let publishing = publish(&emitter, sent.clone(), 40);
    let held = next(&mut cancelled).await?;
    consumers
        .subscribe(&listener, subscription("shared", 16), &same_group)
        .await?;
    drop(held);
    drop(cancelled);
    let mut repeated = other_group.complete(&sent, fixture.times().quiet).await?;
    repeated += same_group.complete(&sent, fixture.times().quiet).await?;
    finished(publishing).await?;
    Ok(Finding::counted(repeats(repeated)))
}

/// C22: publish, subscribe and acknowledge after close are typed errors.
pub(super) async fn after_close(fixture: &dyn BrokerFixture) -> CaseResult {
    let place = fixture.place().await?;
    let (emitter, listener) = (place.emitter().await?, place.listener().await?);
    let mut stream = listener.subscribe(subscription("closed", 4)).await?;
    let publishing = publish(&emitter, vec![message("held", "{}")], 1);
    let held = next(&mut stream).await?;
    listener.close().await?;
    closed(
        "subscribe",
        listener.subscribe(subscription("closed", 4)).await.map(drop),
    )?;
    listener.close().await?;
    // What was handed out before the close may still be settled, or the error says that it was not.
    let shown = match held.ack().await {
        Ok(()) => {
            finished(publishing).await?;
            "a delivery handed out before can be acknowledged"
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Closed | ErrorKind::Unavailable | ErrorKind::OutcomeUnknown
            ) =>
        {
            let listener = place.listener().await?;
            let mut stream = listener.subscribe(subscription("closed", 4)).await?;
            next(&mut stream).await?.ack().await?;
            finished(publishing).await?;
            "a delivery handed out before comes again"
        }
        Err(error) => return Err(error.into()),
    };
    emitter.close().await?;
    closed(
        "publish",
        emit_one(emitter.as_ref(), &message("late", "{}")).await,
    )?;
    closed("ping", emitter.ping().await)?;
    Ok(Finding::counted(shown))
}

fn closed(what: &str, answer: Result<()>) -> std::result::Result<(), Failure> {
    match answer {
        Err(error) if error.kind() == ErrorKind::Closed => Ok(()),
        other => Err(Failure::new(format!("{what} after close was answered {other:?}"))),
    }
}
