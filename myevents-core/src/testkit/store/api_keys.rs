//! Keys for machines, kept in a store.

use super::StoreBed;
use super::tools::{all_audit, audit_of};
use crate::domain::{AuditAction, AuditEntry, Text, UnixSeconds};
use crate::error::ErrorKind;
use crate::ports::{ApiKey, ApiKeyHash, AuditFilter};
use crate::testkit::{CaseResult, Finding, ensure, fixture};

fn key(number: u8, name: &str, scopes: &str) -> ApiKey {
    let mut hash: [u8; 32] = rand::random();
    // Ids that differ in their first byte, so that their order is known.
    hash[0] = number;
    ApiKey {
        hash: ApiKeyHash(hash),
        name: Text::from_stored(name),
        scopes: scopes.to_owned(),
        created: UnixSeconds::from_stored(1_800_000_000 + i64::from(number)),
        last_used: None,
    }
}

fn made_by(key: &ApiKey) -> AuditEntry {
    fixture::audit(AuditAction::API_KEY_MADE, &key.id())
}

/// Added once, listed by id as it was, its last use kept, removed for good.
///
/// # Errors
/// What does not hold.
pub async fn s20_api_keys(bed: &dyn StoreBed) -> CaseResult {
    let Some(keys) = bed.api_keys() else {
        return Ok(Finding::not_applicable("this store keeps no keys"));
    };
    ensure!(keys.list_keys().await?.is_empty(), "a new store has keys");
    let made = [
        key(3, "till 7, O'Hara \"\\ é 票", "bookings:write events:write"),
        key(1, "no rights", ""),
        key(2, "import", "events:admin a-word-of-later"),
    ];
    for key in &made {
        keys.add_key(key, &made_by(key)).await?;
    }
    let again = keys
        .add_key(&made[0], &made_by(&made[0]))
        .await
        .err()
        .map(|error| error.kind());
    ensure!(again == Some(ErrorKind::Conflict), "added twice: {again:?}");
    // The same id with another hash, which by chance never comes.
    let mut other = made[0].clone();
    other.hash.0[31] ^= 1;
    let taken = keys
        .add_key(&other, &made_by(&other))
        .await
        .err()
        .map(|error| error.kind());
    ensure!(
        taken == Some(ErrorKind::Conflict),
        "an id was taken over: {taken:?}"
    );
    let by_id = vec![made[1].clone(), made[2].clone(), made[0].clone()];
    ensure!(keys.list_keys().await? == by_id, "the list is not all keys by id");

    let (used, later) = (
        UnixSeconds::from_stored(1_900_000_000),
        UnixSeconds::from_stored(1_900_000_060),
    );
    for at in [used, later, used] {
        keys.note_use(&made[0].id(), at).await?;
    }
    let noted = ApiKey {
        last_used: Some(later),
        ..made[0].clone()
    };
    ensure!(
        keys.list_keys().await?.contains(&noted),
        "the last use is lost or went back"
    );

    let revoked = fixture::audit(AuditAction::API_KEY_REVOKED, &made[1].id());
    let revoked_again = fixture::audit(AuditAction::API_KEY_REVOKED, &made[1].id());
    ensure!(
        keys.remove_key(&made[1].id(), &revoked).await?,
        "a key was not there to be removed"
    );
    ensure!(
        !keys.remove_key(&made[1].id(), &revoked_again).await?,
        "a key was removed twice"
    );
    keys.note_use(&made[1].id(), later).await?;
    ensure!(
        keys.list_keys().await? == vec![made[2].clone(), noted],
        "the list after a removal is wrong"
    );
    let lines = audit_of(bed.store().as_ref(), (&made[1].id()).into()).await?;
    let (taken_back, given): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| *line == revoked);
    ensure!(
        taken_back.len() == 1 && given.len() == 1 && given[0].action == AuditAction::API_KEY_MADE,
        "of a key that was made and revoked the audit log says {given:?} and {taken_back:?}"
    );
    let lines = all_audit(bed.store().as_ref(), &AuditFilter::default(), 10).await?;
    ensure!(
        lines.len() == 4,
        "{} lines of the audit log about 3 keys made and 1 revoked",
        lines.len()
    );
    Ok(Finding::counted("3 keys"))
}
