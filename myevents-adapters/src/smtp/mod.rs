//! Mail by SMTP: a few connections that are kept, one mail a dialogue, and answers told apart by whom they concern.

mod mailer;
mod message;
mod session;

use std::fs;
use std::sync::Arc;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use myevents_core::ports::Mailer;
use myevents_core::{Error, ErrorKind, Result};

use crate::connect::{MailerOptions, MailerSecurity};
use crate::trust::{self, SMTP_CA};

pub use mailer::SmtpMailer;
use session::Server;

/// A mailer for this server. Nothing is connected yet.
///
/// # Errors
/// `Config` for a file that can't be read, or an address that is none.
pub fn open(options: &MailerOptions) -> Result<Arc<dyn Mailer>> {
    let fault = |message: &'static str| Error::new(ErrorKind::Config, "open mailer", message);
    let address = options.from_address.parse().map_err(|error| {
        fault("it is no address that a mail server takes")
            .with("setting", "smtp_from")
            .caused_by(error)
    })?;
    let name = Some(options.from_name.clone()).filter(|name| !name.is_empty());
    let from = Mailbox::new(name, address);
    let tls = match options.security {
        MailerSecurity::None => None,
        MailerSecurity::StartTls | MailerSecurity::Tls => Some(tls(options)?),
    };
    let credentials = match &options.sign_in {
        None => None,
        Some((user, file)) => {
            let password = fs::read_to_string(file).map_err(|error| {
                fault("the file has to be there, and readable for the user that the program runs as")
                    .with("setting", "smtp_password_file")
                    .with("file", file.display())
                    .caused_by(error)
            })?;
            // Editors end the last line.
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            if password.is_empty() {
                return Err(fault("there is no password in the file")
                    .with("setting", "smtp_password_file")
                    .with("file", file.display()));
            }
            Some(Credentials::new(user.clone(), password))
        }
    };
    let server = Server {
        host: options.host.clone(),
        port: options.port,
        wrapped: options.security == MailerSecurity::Tls,
        tls,
        credentials,
        hello: ClientId::Domain(from.email.domain().to_owned()),
    };
    Ok(Arc::new(SmtpMailer::new(server, from, options.connections)))
}

fn tls(options: &MailerOptions) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(options.host.clone());
    if let Some(file) = &options.ca {
        builder = builder.certificate_store(CertificateStore::None);
        for authority in trust::certificates(SMTP_CA, file)? {
            let authority = Certificate::from_der(authority.to_vec())
                .map_err(|error| trust::unreadable(SMTP_CA, file, error))?;
            builder = builder.add_root_certificate(authority);
        }
    }
    builder.build_rustls().map_err(|error| {
        Error::new(
            ErrorKind::Config,
            "open mailer",
            "TLS to the mail server can't be set up",
        )
        .caused_by(error)
    })
}
