//! One connection to the mail server and the dialogue of one mail, each answer read by whom it concerns: us all, or this mail.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::{Error as SmtpError, response::Response};
use lettre::{Address, Message};
use myevents_core::ports::Sent;
use myevents_core::{Error, ErrorKind, Result};
use tokio::time::timeout;

/// How long it may take to connect, with TLS and sign-in.
const CONNECT: Duration = Duration::from_secs(20);
/// How long the server may take to hear who sends.
const SENDER: Duration = Duration::from_secs(60);
/// How long it may take over a recipient: some look them up at another server.
const RECIPIENT: Duration = Duration::from_secs(120);
/// How long it may take to be ready for a mail, or for the next.
const READY: Duration = Duration::from_secs(60);
/// How long it may take for the mail itself. It may have stored it by then, so giving up early would send it twice.
const DELIVER: Duration = Duration::from_secs(300);
/// What a mail may take in all: a kept connection that turns out dead, a new one, and the longest dialogue.
#[cfg(test)]
pub(super) const LONGEST: Duration = Duration::from_secs(60 + 20 + 60 + 120 + 60 + 300 + 60);
/// "Closing": it says nothing about the mail.
const CLOSING: u16 = 421;
/// How a sign-in may go, the better one first.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
/// Replies that ask for a sign-in, or for another.
const SIGN_IN: [u16; 4] = [530, 534, 535, 538];

/// The server, and how it is spoken to.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// TLS from the first byte; else by `STARTTLS`, where there is TLS.
    pub(super) wrapped: bool,
    pub(super) tls: Option<TlsParameters>,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// What came of a dialogue, and whether the connection can be used again.
pub(super) struct Dialogue {
    pub(super) result: Result<Sent>,
    pub(super) usable: bool,
    /// Nothing of the mail was said when the connection was found dead: it may be tried on another at once.
    pub(super) untouched: bool,
    /// A refusal for good that may be meant for us.
    pub(super) doubtful: bool,
}

impl Dialogue {
    fn ended(result: Result<Sent>, usable: bool) -> Self {
        Self {
            result,
            usable,
            untouched: false,
            doubtful: false,
        }
    }

    fn untouched(error: Error) -> Self {
        Self {
            untouched: true,
            ..Self::ended(Err(error), false)
        }
    }
}

impl Server {
    pub(super) fn away(&self, what: &'static str) -> Error {
        Error::new(ErrorKind::Unavailable, "send mail", what)
            .with("server", format_args!("{}:{}", self.host, self.port))
    }

    /// A connection that is ready for a mail.
    ///
    /// # Errors
    /// `Unavailable`, whatever the reason: no mail was refused.
    pub(super) async fn connect(&self) -> Result<AsyncSmtpConnection> {
        match timeout(CONNECT, self.dial()).await {
            Ok(connected) => connected,
            Err(_) => Err(self.away("the mail server does not answer in time")),
        }
    }

    async fn dial(&self) -> Result<AsyncSmtpConnection> {
        let wrapped = self.tls.clone().filter(|_| self.wrapped);
        let place = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(place, Some(CONNECT), &self.hello, wrapped, None)
                .await
                .map_err(|error| self.failed("the mail server can't be reached", &error))?;
        if let Some(tls) = self.tls.clone().filter(|_| !self.wrapped) {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(self.away("the mail server offers no STARTTLS"));
            }
            connection
                .starttls(tls, &self.hello)
                .await
                .map_err(|error| self.failed("TLS to the mail server failed", &error))?;
        }
        if let Some(credentials) = &self.credentials {
            if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
                connection.abort().await;
                return Err(
                    self.away("the mail server offers no sign-in by PLAIN or LOGIN, and smtp_user is set")
                );
            }
            let tried = connection.auth(&MECHANISMS, credentials).await;
            if let Err(error) = tried {
                connection.abort().await;
                // What a server says about a sign-in is its own to choose: only the code is passed on.
                let code = code(&error).map_or_else(|| "none".to_owned(), |code| code.to_string());
                return Err(self
                    .away("the mail server refuses smtp_user and smtp_password_file")
                    .with("reply", code));
            }
        }
        Ok(connection)
    }

    /// An error before any mail was named: its text tells of no person.
    fn failed(&self, what: &'static str, error: &SmtpError) -> Error {
        let mut cause = error.to_string();
        let mut source = StdError::source(error);
        while let Some(inner) = source {
            let text = inner.to_string();
            if !cause.contains(&text) {
                cause = format!("{cause}: {text}");
            }
            source = inner.source();
        }
        self.away(what).with("cause", cause)
    }

    /// Hands over one mail.
    pub(super) async fn deliver(
        &self,
        connection: &mut AsyncSmtpConnection,
        from: &Address,
        to: &Address,
        message: &Message,
    ) -> Dialogue {
        let bytes = message.formatted();
        let mut parameters = Vec::new();
        if !bytes.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if !to.to_string().is_ascii() || !from.to_string().is_ascii() {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Dialogue::ended(Ok(Sent::Refused("address".into())), true);
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let asks_more = !parameters.is_empty();
        let sender = Mail::new(Some(from.clone()), parameters);
        match within(SENDER, connection.command(sender)).await {
            Answer::Good => {}
            // What this mail needs is asked for here: a no may be meant for it alone.
            answer @ (Answer::Permanent(..) | Answer::Transient(..)) if asks_more => {
                return self.not_taken(connection, answer).await;
            }
            // Else it is said about us or the server, not about whom the mail is for.
            Answer::Permanent(code, _) | Answer::Transient(code) => {
                let error = self
                    .away("the mail server takes no mail from smtp_from now")
                    .with("reply", code);
                return Dialogue::untouched(error);
            }
            Answer::Lost => return Dialogue::untouched(self.away("the connection broke")),
        }
        match within(RECIPIENT, connection.command(Rcpt::new(to.clone(), Vec::new()))).await {
            Answer::Good => {}
            answer => return self.not_taken(connection, answer).await,
        }
        match within(READY, connection.command(Data)).await {
            Answer::Good => {}
            answer => return self.not_taken(connection, answer).await,
        }
        match within(DELIVER, connection.message(&bytes)).await {
            Answer::Good => Dialogue::ended(Ok(Sent::Accepted), true),
            Answer::Lost => {
                let error = Error::new(
                    ErrorKind::OutcomeUnknown,
                    "send mail",
                    "the mail server's answer was lost: it may have the mail",
                );
                Dialogue::ended(Err(error), false)
            }
            answer => self.not_taken(connection, answer).await,
        }
    }

    /// The server said no to this mail, or broke off over it. The connection is made ready for the next.
    async fn not_taken(&self, connection: &mut AsyncSmtpConnection, answer: Answer) -> Dialogue {
        let (sent, doubtful) = match answer {
            Answer::Permanent(code, _) if SIGN_IN.contains(&code) => {
                let error = self
                    .away("the mail server wants another sign-in")
                    .with("reply", code);
                return Dialogue::ended(Err(error), false);
            }
            Answer::Permanent(code, whom) => (Sent::Refused(code.to_string()), whom == Whom::Anybody),
            Answer::Transient(CLOSING) => {
                return Dialogue::ended(Err(self.away("the mail server is closing")), false);
            }
            Answer::Transient(code) => (Sent::Later(code.to_string()), false),
            // It took the sender, so it is there: were it taken for away, one recipient could hold up all others.
            Answer::Lost | Answer::Good => {
                return Dialogue::ended(Ok(Sent::Later("none".into())), false);
            }
        };
        let usable = matches!(within(READY, connection.command(Rset)).await, Answer::Good);
        Dialogue {
            doubtful,
            ..Dialogue::ended(Ok(sent), usable)
        }
    }
}

/// An answer by its first digit. The words after it are not kept: they often repeat the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Good,
    Transient(u16),
    Permanent(u16, Whom),
    /// None came, or none that can be read.
    Lost,
}

/// Whom a refusal for good is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// The recipient: their mailbox or address.
    Recipient,
    /// The recipient, the mail, or us: a sender who may not, a relay that is closed, a spent quota.
    Anybody,
}

async fn within(limit: Duration, asked: impl Future<Output = Result<Response, SmtpError>>) -> Answer {
    match timeout(limit, asked).await {
        Ok(Ok(_)) => Answer::Good,
        Ok(Err(error)) => match code(&error) {
            Some(code) if error.is_permanent() => Answer::Permanent(code, whom(&error)),
            Some(code) => Answer::Transient(code),
            None => Answer::Lost,
        },
        Err(_) => Answer::Lost,
    }
}

fn code(error: &SmtpError) -> Option<u16> {
    error.status().map(u16::from)
}

fn whom(error: &SmtpError) -> Whom {
    let words = StdError::source(error).map(ToString::to_string);
    words.map_or(Whom::Anybody, |words| about(&words))
}

/// Reads the enhanced code that a reply begins with (RFC 3463): `5.1.x` but for senders and `5.2.x` are about the recipient.
fn about(words: &str) -> Whom {
    let enhanced = words.split_whitespace().next().unwrap_or_default();
    match enhanced.split('.').collect::<Vec<_>>()[..] {
        ["5", "1", "1" | "2" | "3" | "6" | "10"] | ["5", "2", _] => Whom::Recipient,
        _ => Whom::Anybody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_given_up_before_another_may_begin_it() {
        assert!(LONGEST < myevents_core::mail::LEASE);
        assert_eq!(
            LONGEST,
            SENDER + CONNECT + SENDER + RECIPIENT + READY + DELIVER + READY
        );
    }

    #[test]
    fn only_what_is_said_of_the_recipient_is_taken_as_such() {
        for words in ["5.1.1 <a@b> is not here", "5.2.2 full", "5.1.10 null MX"] {
            assert_eq!(about(words), Whom::Recipient, "{words}");
        }
        for words in [
            "",
            "no",
            "5.7.1 relay denied",
            "5.1.7 sender",
            "5.1.8 sender",
            "4.1.1 x",
            "5.1.1.1 x",
        ] {
            assert_eq!(about(words), Whom::Anybody, "{words}");
        }
    }
}
