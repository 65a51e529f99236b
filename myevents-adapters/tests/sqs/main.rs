//! SQS beyond the suite: what is on the wire, broken messages, dead letters, faults of the service and of the server, SNS.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broken;
mod common;
mod dead_letters;
mod destinations;
mod faults;
mod format;
mod layer;
mod raw;
mod sns;

use myevents_servers::Kind;

/// One server for all that leaves it as it is: its start takes longer than the tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_what_both_sides_expect() {
    let Some(server) = common::server("messages_are_what_both_sides_expect", Kind::Sqs).await else {
        return;
    };
    let endpoint = server.url();
    format::our_messages_are_as_the_contract_says(endpoint).await;
    format::messages_of_the_original_are_read(endpoint).await;
    format::queues_are_made_as_documented(endpoint).await;
    format::a_missing_queue_is_told_and_not_made(endpoint).await;
    format::what_a_group_does_not_want_is_deleted(endpoint).await;
    broken::broken_messages_stop_nothing(endpoint).await;
    for end in ["", ".fifo"] {
        destinations::one_that_fails_holds_a_message_up_and_loses_none(endpoint, end).await;
        dead_letters::are_kept_listed_sent_back_and_dropped(endpoint, end).await;
        dead_letters::the_limit_of_receives_loses_nothing(endpoint, end).await;
    }
}
