//! The settings of mail to holders.

use std::path::PathBuf;

use super::value::ListenAddress;
use super::values::Values;
use crate::mail::Language;

/// How the mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// Without TLS: whoever is between reads all mails.
    None,
    /// TLS by `STARTTLS`, or not at all.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// The mail server, and what mails say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailSettings {
    /// How the server is spoken to.
    pub security: MailSecurity,
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who signs in there; `None` = nobody.
    pub user: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The authorities of the server's certificate, PEM, and no others; `None` = the system's.
    pub ca: Option<PathBuf>,
    /// The name that mails come from; may be empty.
    pub from_name: String,
    /// The address that they come from.
    pub from_address: String,
    /// Connections to the server at once.
    pub connections: usize,
    /// The language of mails.
    pub language: Language,
    /// Where people reach the page, without a slash at its end.
    pub public_url: Option<String>,
}

/// What is of no use without a server.
const ONLY_WITH_URL: [&str; 4] = ["smtp_user", "smtp_password_file", "smtp_tls_ca", "smtp_from"];

/// `None` where no mail is sent.
pub(super) fn read(values: &mut Values<'_>) -> Option<MailSettings> {
    let public_url = public_url(values);
    let connections = values.count("smtp_connections").try_into().unwrap_or(1);
    let language = match values.text("mail_language").as_str() {
        "de" => Language::German,
        _ => Language::English,
    };
    let Some(url) = given(values, "smtp_url") else {
        for key in ONLY_WITH_URL {
            if given(values, key).is_some() {
                values.fault(key, "is set, and there is no smtp_url to send mail by".into());
            }
        }
        return None;
    };
    let place = server(&url).unwrap_or_else(|message| {
        // What it is instead may hold a password.
        values.fault("smtp_url", message.into());
        (MailSecurity::Tls, String::new(), 0)
    });
    let (security, host, port) = place;
    let (user, password_file) = (given(values, "smtp_user"), values.path("smtp_password_file"));
    match (&user, &password_file) {
        (Some(_), None) => values.fault("smtp_password_file", "is missing: smtp_user is set".into()),
        (None, Some(_)) => values.fault("smtp_user", "is missing: smtp_password_file is set".into()),
        _ => {}
    }
    let near = ListenAddress {
        host: host.clone(),
        port,
    };
    if user.is_some() && security == MailSecurity::None && !near.is_loopback() {
        values.fault(
            "smtp_user",
            "is set, and smtp_url has no TLS: the password would go over the network for all to read".into(),
        );
    }
    let ca = values.path("smtp_tls_ca");
    if ca.is_some() && security == MailSecurity::None {
        values.fault("smtp_tls_ca", "has no effect: smtp_url has no TLS".into());
    }
    let from = given(values, "smtp_from").unwrap_or_default();
    let (from_name, from_address) = sender(&from).unwrap_or_else(|| {
        let message = "is missing or no address such as tickets@example.org or Tickets <tickets@example.org>";
        values.fault("smtp_from", message.into());
        (String::new(), String::new())
    });
    Some(MailSettings {
        security,
        host,
        port,
        user,
        password_file,
        ca,
        from_name,
        from_address,
        connections,
        language,
        public_url,
    })
}

/// Scheme, host and port of the server's URL.
fn server(url: &str) -> Result<(MailSecurity, String, u16), &'static str> {
    let fault =
        "is no URL such as smtps://mail.example.org, starttls://mail.example.org:587 or smtp://localhost:25";
    let (scheme, place) = url.trim().split_once("://").ok_or(fault)?;
    let (security, port) = match scheme {
        "smtps" => (MailSecurity::Tls, 465),
        "starttls" => (MailSecurity::StartTls, 587),
        "smtp" => (MailSecurity::None, 25),
        _ => return Err(fault),
    };
    if place.contains('@') {
        return Err("holds a user: set smtp_user and smtp_password_file instead");
    }
    let place = place.trim_end_matches('/');
    let has_port = place
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    let whole = match has_port {
        true => place.to_owned(),
        false => format!("{place}:{port}"),
    };
    let address = ListenAddress::parse(&whole).map_err(|_| fault)?;
    if address.host.is_empty() || address.port == 0 || address.host.contains(['?', '#', ',']) {
        return Err(fault);
    }
    Ok((security, address.host, address.port))
}

/// Name and address of who mails come from.
fn sender(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<')?,
        None => ("", text),
    };
    let (user, domain) = address.rsplit_once('@')?;
    let good = |part: &str, more: &str| {
        let sign = |letter: char| letter.is_ascii_alphanumeric() || more.contains(letter);
        !part.is_empty() && part.chars().all(sign)
    };
    let name = name.trim().trim_matches('"');
    let plain = !name
        .chars()
        .any(|letter| letter.is_control() || "<>\"".contains(letter));
    (good(user, ".!#$&'*+-=^_`{|}~") && good(domain, ".-") && plain)
        .then(|| (name.to_owned(), address.to_owned()))
}

fn public_url(values: &mut Values<'_>) -> Option<String> {
    let url = given(values, "public_url")?;
    let url = url.trim().trim_end_matches('/');
    let parsed = url.parse::<http::Uri>().ok();
    let scheme = parsed.as_ref().and_then(http::Uri::scheme_str);
    let plain = parsed.as_ref().is_some_and(|url| url.query().is_none());
    if !plain || !matches!(scheme, Some("http" | "https")) || url.contains(['#', '"', '<', '>', '\'']) {
        values.fault(
            "public_url",
            "is no URL such as https://tickets.example.org".into(),
        );
    }
    Some(url.to_owned())
}

fn given(values: &mut Values<'_>, key: &str) -> Option<String> {
    values.optional(key).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_a_scheme_of_three_and_a_port_of_its_own() {
        for (url, security, host, port) in [
            (
                "smtps://mail.example.org",
                MailSecurity::Tls,
                "mail.example.org",
                465,
            ),
            (
                "starttls://mail.example.org/",
                MailSecurity::StartTls,
                "mail.example.org",
                587,
            ),
            ("smtp://localhost", MailSecurity::None, "localhost", 25),
            ("smtps://127.0.0.1:2465", MailSecurity::Tls, "127.0.0.1", 2465),
            ("smtp://[::1]:26", MailSecurity::None, "::1", 26),
            ("smtp://[::1]", MailSecurity::None, "::1", 25),
        ] {
            assert_eq!(server(url), Ok((security, host.to_owned(), port)), "{url}");
        }
        for url in [
            "",
            "mail.example.org",
            "https://mail.example.org",
            "smtps://",
            "smtps://a b",
            "smtps://host:0",
            "smtps://host:70000",
            "smtps://host?tls=none",
            "smtps://host/path",
        ] {
            assert!(server(url).is_err(), "{url}");
        }
        let told = server("smtps://me:secret@host").unwrap_err();
        assert!(told.contains("smtp_user") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn senders_are_an_address_with_or_without_a_name() {
        for (text, name, address) in [
            ("tickets@example.org", "", "tickets@example.org"),
            (
                " Tickets, Müller & Co <t+1@example.org> ",
                "Tickets, Müller & Co",
                "t+1@example.org",
            ),
            ("\"The House\" <a@b>", "The House", "a@b"),
        ] {
            assert_eq!(
                sender(text),
                Some((name.to_owned(), address.to_owned())),
                "{text}"
            );
        }
        for text in [
            "",
            "nobody",
            "a@",
            "@b",
            "a b@c",
            "a@b, c@d",
            "x <a@b",
            "a@b\r\nBcc: c@d",
            "<a@b> c",
        ] {
            assert_eq!(sender(text), None, "{text}");
        }
    }
}
