//! Dead letters kept as rows of a store, for the `local` broker.

use std::time::Duration;

use super::StoreBed;
use super::tools::PAST_ALL_LEASES;
use crate::testkit::{CaseResult, Finding, ensure, fixture};

const LEASE: Duration = Duration::from_secs(60);

/// Put, listed by age and page, sent back to their consumer alone, taken once, put back, discarded.
///
/// # Errors
/// What does not hold.
pub async fn s14b_dead_letters(bed: &dyn StoreBed) -> CaseResult {
    let Some(letters) = bed.dead_letters() else {
        return Ok(Finding::not_applicable("this store keeps no dead letters"));
    };
    let mut expected = Vec::new();
    for index in 0..25 {
        let consumer = if index % 5 == 4 { "other" } else { "bookings" };
        let letter = fixture::dead_letter(consumer, &format!("reason {index} \0 '"));
        letters.put(&letter).await?;
        expected.push(letter);
    }
    ensure!(
        letters.count().await? == 25,
        "{} letters of 25",
        letters.count().await?
    );
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = letters.list(after.as_ref(), 4).await?;
        listed.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    ensure!(
        listed.iter().map(|(_, letter)| letter).eq(&expected),
        "the letters came back unlike they were put, or not oldest first"
    );
    ensure!(
        letters.take_due("bookings", 100, LEASE).await?.is_empty(),
        "a letter is due that nobody sent back"
    );
    let ids: Vec<_> = listed.iter().take(10).map(|(id, _)| id.clone()).collect();
    ensure!(letters.resend(&ids).await? == 10, "10 letters were not found");
    let due = letters.take_due("bookings", 3, LEASE).await?;
    let more = letters.take_due("bookings", 100, LEASE).await?;
    ensure!(
        due.len() == 3 && more.len() == 5,
        "{} and {} letters due",
        due.len(),
        more.len()
    );
    ensure!(
        more.iter()
            .chain(&due)
            .all(|(_, letter)| letter.consumer == "bookings"),
        "a letter went to another consumer"
    );
    ensure!(
        letters.take_due("bookings", 100, LEASE).await?.is_empty(),
        "a letter was taken twice at once"
    );
    let (failed, _) = &due[0];
    letters.put_back(failed, "failed again", 6).await?;
    let (handled, _) = &due[1];
    ensure!(
        letters.discard(std::slice::from_ref(handled)).await? == 1,
        "the handled letter was not found"
    );
    bed.pass(PAST_ALL_LEASES).await;
    let again = letters.take_due("bookings", 100, LEASE).await?;
    ensure!(
        again.len() == 6 && again.iter().all(|(id, _)| id != failed && id != handled),
        "{} letters came back after their lease",
        again.len()
    );
    let all = letters.list(None, 100).await?.items;
    let found = all.iter().find(|(id, _)| id == failed);
    ensure!(
        found.is_some_and(|(_, letter)| letter.reason == "failed again" && letter.attempts == 6),
        "what was put back is {found:?}"
    );
    ensure!(all.len() == 24, "{} letters of 24", all.len());
    ensure!(
        letters.resend(std::slice::from_ref(handled)).await? == 0,
        "a discarded letter was found"
    );
    ensure!(letters.discard(&ids).await? == 9, "9 letters were not found");
    ensure!(
        letters.count().await? == 15,
        "{} letters of 15",
        letters.count().await?
    );
    Ok(Finding::passed())
}
