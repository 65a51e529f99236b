//! `dev-cert`: a self-signed certificate for this machine, for trying HTTPS.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::say;

pub(crate) fn run(folder: &Path) -> Result<ExitCode> {
    let names = ["localhost", "127.0.0.1", "::1"].map(ToOwned::to_owned);
    let made = rcgen::generate_simple_self_signed(names).context("can't make a certificate")?;
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&certificate, made.cert.pem())
        .with_context(|| format!("can't write {}", certificate.display()))?;
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&key)
        .and_then(|mut file| file.write_all(made.signing_key.serialize_pem().as_bytes()))
        .with_context(|| format!("can't write {}", key.display()))?;
    say(format_args!("tls_certificate = {}", certificate.display()));
    say(format_args!("tls_key = {}", key.display()));
    Ok(ExitCode::SUCCESS)
}
