//! `SmtpMailer`: hands each mail over on one of a few connections, and keeps them for the next.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::{Address, Message};
use myevents_core::ports::{Mail, Mailer, Sent};
use myevents_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::message::{address, message};
use super::session::{Dialogue, Server};

/// How long a connection is kept unused: most servers close it after some minutes, and a new one costs little.
const IDLE: Duration = Duration::from_secs(20);
/// So many refusals in a row may each be meant for its recipient.
const DOUBTS: u32 = 5;
/// How long an end may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Hands mails to one server.
#[derive(Debug)]
pub struct SmtpMailer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: Server,
    from: Mailbox,
    permits: Semaphore,
    /// Whether any mail was accepted since the start.
    accepted: AtomicBool,
    /// Refusals that may be meant for us, since the last mail that was accepted.
    doubts: AtomicU32,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<(AsyncSmtpConnection, Instant)>,
    closed: bool,
    /// Somebody sees to it that those that are too old are ended.
    swept: bool,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle")
            .field("connections", &self.connections.len())
            .field("closed", &self.closed)
            .finish()
    }
}

impl SmtpMailer {
    pub(super) fn new(server: Server, from: Mailbox, connections: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                server,
                from,
                permits: Semaphore::new(connections.max(1)),
                accepted: AtomicBool::new(false),
                doubts: AtomicU32::new(0),
                idle: Mutex::default(),
            }),
        }
    }
}

impl Shared {
    async fn send(self: &Arc<Self>, to: &Address, message: &Message) -> Result<Sent> {
        let closed = |_| Error::new(ErrorKind::Closed, "send mail", "the mailer is closed");
        let _permit = self.permits.acquire().await.map_err(closed)?;
        if let Some(kept) = self.take() {
            let dialogue = self.speak(kept, to, message).await;
            // The server may close what is not used, or has taken enough on it.
            if !dialogue.untouched {
                return self.judged(dialogue);
            }
        }
        let fresh = self.server.connect().await?;
        let dialogue = self.speak(fresh, to, message).await;
        self.judged(dialogue)
    }

    /// A refusal that may be meant for us is taken for good only beside mails that are accepted. The first ones of a start are
    /// tried again, and many in a row are the server's no to all of us: nothing is given up then.
    fn judged(&self, dialogue: Dialogue) -> Result<Sent> {
        match dialogue.result {
            Ok(Sent::Accepted) => {
                self.accepted.store(true, Ordering::Relaxed);
                self.doubts.store(0, Ordering::Relaxed);
                Ok(Sent::Accepted)
            }
            Ok(Sent::Refused(code)) if dialogue.doubtful => {
                let doubts = self.doubts.fetch_add(1, Ordering::Relaxed) + 1;
                if doubts > DOUBTS {
                    let what = "the mail server refuses one mail after the other: smtp_from, a closed relay or a spent quota?";
                    return Err(self.server.away(what).with("reply", code));
                }
                Ok(match self.accepted.load(Ordering::Relaxed) {
                    true => Sent::Refused(code),
                    false => Sent::Later(code),
                })
            }
            other => other,
        }
    }

    async fn speak(
        self: &Arc<Self>,
        mut connection: AsyncSmtpConnection,
        to: &Address,
        message: &Message,
    ) -> Dialogue {
        let from = &self.from.email;
        let dialogue = self.server.deliver(&mut connection, from, to, message).await;
        if dialogue.usable {
            self.keep(connection);
        }
        dialogue
    }

    /// A connection that was kept and is not too old. Where there are only old ones they are dropped, so that the new one is not
    /// more than the server is to see at once.
    fn take(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock();
        // The one that was used last: the others get old and go when fewer are needed.
        let young = idle
            .connections
            .iter()
            .rposition(|(_, since)| since.elapsed() < IDLE);
        if young.is_none() {
            idle.connections.clear();
        }
        young.map(|at| idle.connections.remove(at).0)
    }

    /// Keeps a connection for the next mail; after the end it is dropped, which closes it.
    fn keep(self: &Arc<Self>, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock();
        if idle.closed {
            return;
        }
        idle.connections.push((connection, Instant::now()));
        if !std::mem::replace(&mut idle.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Those that are too old. `None` once there are no others, and nobody needs to look again.
    fn too_old(&self) -> Option<Vec<AsyncSmtpConnection>> {
        let mut idle = self.idle.lock();
        if idle.connections.is_empty() {
            idle.swept = false;
            return None;
        }
        let (old, kept) = std::mem::take(&mut idle.connections)
            .into_iter()
            .partition(|(_, since)| since.elapsed() >= IDLE);
        idle.connections = kept;
        Some(connections(old))
    }
}

/// Ends connections that nobody used for long, until there are none.
async fn sweep(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(old) = shared.upgrade().and_then(|shared| shared.too_old()) else {
            return;
        };
        end(old).await;
    }
}

fn connections(kept: Vec<(AsyncSmtpConnection, Instant)>) -> Vec<AsyncSmtpConnection> {
    kept.into_iter().map(|(connection, _)| connection).collect()
}

/// Says goodbye; the server sees the end either way.
async fn end(connections: Vec<AsyncSmtpConnection>) {
    for mut connection in connections {
        let _said = tokio::time::timeout(GOODBYE, connection.quit()).await;
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<Sent> {
        let Some(to) = address(mail.to.as_str()) else {
            return Ok(Sent::Refused("address".into()));
        };
        let Some(message) = message(mail, &self.shared.from, to.clone()) else {
            return Ok(Sent::Refused("unwritable".into()));
        };
        let shared = Arc::clone(&self.shared);
        // In a task of its own: whoever asked may go, and a dialogue that breaks off half-way may be a mail or none.
        let sending = tokio::spawn(async move { shared.send(&to, &message).await });
        sending.await.unwrap_or_else(|failed| {
            Err(
                Error::new(ErrorKind::OutcomeUnknown, "send mail", "sending was broken off")
                    .caused_by(failed),
            )
        })
    }

    async fn close(&self) {
        let open = {
            let mut idle = self.shared.idle.lock();
            idle.closed = true;
            std::mem::take(&mut idle.connections)
        };
        end(connections(open)).await;
    }
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::extension::ClientId;

    use super::*;

    fn mailer() -> SmtpMailer {
        let server = Server {
            host: "localhost".into(),
            port: 25,
            wrapped: false,
            tls: None,
            credentials: None,
            hello: ClientId::Domain("example.org".into()),
        };
        SmtpMailer::new(server, "tickets@example.org".parse().unwrap(), 1)
    }

    fn dialogue(sent: Sent, doubtful: bool) -> Dialogue {
        Dialogue {
            result: Ok(sent),
            usable: true,
            untouched: false,
            doubtful,
        }
    }

    #[test]
    fn a_server_that_refuses_everybody_costs_nobody_but_five_their_mail() {
        let mailer = mailer();
        let relay_denied = || {
            let judged = mailer.shared.judged(dialogue(Sent::Refused("554".into()), true));
            judged.map_err(|error| error.kind())
        };
        let (refused, later) = (Sent::Refused("554".into()), Sent::Later("554".into()));
        // None was accepted yet: none is given up.
        for _ in 0..5 {
            assert_eq!(relay_denied(), Ok(later.clone()));
        }
        for _ in 0..20 {
            assert_eq!(relay_denied(), Err(ErrorKind::Unavailable));
        }
        // Refusals that are about the recipient are theirs, whatever happens beside.
        let gone = mailer.shared.judged(dialogue(refused.clone(), false)).unwrap();
        assert_eq!(gone, refused);
        assert_eq!(relay_denied(), Err(ErrorKind::Unavailable));
        let accepted = || mailer.shared.judged(dialogue(Sent::Accepted, false)).unwrap();
        accepted();
        for _ in 0..5 {
            assert_eq!(relay_denied(), Ok(refused.clone()));
        }
        assert_eq!(relay_denied(), Err(ErrorKind::Unavailable));
        accepted();
        assert_eq!(relay_denied(), Ok(refused));
    }
}
