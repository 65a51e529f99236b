//! `api-keys`: keys for machines, in the stores of this program's services.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use myevents_core::ErrorKind;
use myevents_core::domain::{Actor, AuditAction, AuditEntry, Text, UnixSeconds};
use myevents_core::ports::{ApiKey, ApiKeyId, Clock as _, IdSource as _, RandomIds, SystemClock};
use myevents_core::rest::ApiKeySecret;
use myevents_core::runtime::config::{ServiceName, Settings};
use myevents_core::service::Scope;

use super::say;
use crate::cli::KeyAction;
use crate::stores;

pub(super) async fn run(settings: &Settings, action: Option<KeyAction>) -> Result<ExitCode> {
    let service = settings
        .services
        .iter()
        .find(|service| service.database == "memory");
    if let Some(service) = service {
        bail!(
            "the {} keeps nothing beyond its process (databasetype memory)",
            service.service
        );
    }
    match action.unwrap_or(KeyAction::List) {
        KeyAction::Make { name, scopes } => make(settings, &name, &scopes).await,
        KeyAction::List => list(settings).await,
        KeyAction::Revoke { ids } => revoke(settings, &ids).await,
    }
}

/// Reads the word of a scope.
pub(crate) fn scope(word: &str) -> Result<Scope, String> {
    let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
    found.ok_or_else(|| format!("is none of {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

async fn make(settings: &Settings, name: &str, scopes: &[Scope]) -> Result<ExitCode> {
    let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    let secret = ApiKeySecret::random();
    let key = ApiKey {
        hash: secret.hash(),
        name: Text::parse("the name", name)?,
        scopes: words.join(" "),
        created: SystemClock.now().seconds(),
        last_used: None,
    };
    stores::with_open(settings, true, async |stores| {
        for (service, open) in stores {
            let audit = audit(AuditAction::API_KEY_MADE, &key.id());
            if let Err(error) = open.api_keys.add_key(&key, &audit).await {
                // Where it may be stored all the same nobody has it, and it can be taken back by its id.
                let id = key.id();
                return Err(error).with_context(|| {
                    format!("the key was not stored in the {service}; revoke {id} in case it is somewhere")
                });
            }
        }
        Ok(())
    })
    .await?;
    say(secret.reveal());
    say(format_args!(
        "That is the key {} ({}). It is shown this once: send it as `Authorization: Bearer …`.",
        key.id(),
        key.scopes
    ));
    if settings.services.iter().any(|service| service.auth.is_none()) {
        say("Nobody has to sign in here yet: keys count with `auth` = `jwt`.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(settings: &Settings) -> Result<ExitCode> {
    let mut found: BTreeMap<ApiKeyId, (ApiKey, Vec<ServiceName>)> = BTreeMap::new();
    stores::with_open(settings, true, async |stores| {
        for (service, open) in stores {
            for key in open.api_keys.list_keys().await? {
                let (first, services) = found.entry(key.id()).or_insert_with(|| (key.clone(), Vec::new()));
                first.last_used = first.last_used.max(key.last_used);
                services.push(*service);
            }
        }
        Ok(())
    })
    .await?;
    for (id, (key, services)) in &found {
        let used = key.last_used.map_or_else(|| "never".to_owned(), time);
        let only = if services.len() < settings.services.len() {
            format!("  (only in the {})", services[0])
        } else {
            String::new()
        };
        say(format_args!(
            "{id}  {}  made {}  used {used}  {}{only}",
            key.scopes,
            time(key.created),
            key.name
        ));
    }
    say(format_args!("{} keys", found.len()));
    Ok(ExitCode::SUCCESS)
}

async fn revoke(settings: &Settings, ids: &[String]) -> Result<ExitCode> {
    let parsed = ids.iter().map(|id| ApiKeyId::parse(id));
    let ids = parsed.collect::<myevents_core::Result<Vec<_>>>()?;
    let mut unknown = Vec::new();
    stores::with_open(settings, true, async |stores| {
        for id in &ids {
            let mut removed = false;
            for (service, open) in stores {
                let audit = audit(AuditAction::API_KEY_REVOKED, id);
                let gone = open.api_keys.remove_key(id, &audit).await;
                // What may be done or not is done by doing it again.
                let gone = match gone {
                    Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                        open.api_keys.remove_key(id, &audit).await.map(|_| true)
                    }
                    gone => gone,
                };
                removed |= gone.with_context(|| format!("the key {id} may still work in the {service}"))?;
            }
            if removed {
                say(format_args!("{id} revoked; running services know within 5 s"));
            } else {
                unknown.push(id.to_string());
            }
        }
        Ok(())
    })
    .await?;
    ensure!(unknown.is_empty(), "no key has the id {}", unknown.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// The line of the audit log: whoever runs this command is known to nobody.
fn audit(action: AuditAction, key: &ApiKeyId) -> AuditEntry {
    AuditEntry {
        id: RandomIds.object_id().into(),
        time: SystemClock.now(),
        actor: Actor::Operator,
        action,
        object: key.into(),
        version: None,
        fields: Vec::new(),
        request: None,
        trace: None,
    }
}

fn time(at: UnixSeconds) -> String {
    Timestamp::from_second(at.get()).map_or_else(|_| at.get().to_string(), |time| time.to_string())
}
