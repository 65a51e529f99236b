//! RabbitMQ beyond the suite: what is on the wire, broken messages, dead letters, and what happens when the broker itself fails.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod beside;
mod broken;
mod common;
mod dead_letters;
mod faults;
mod foreign;
#[path = "../common/once.rs"]
mod killed;
mod load;
mod once;
mod order;
mod wire;

/// One broker for all that leaves it as it is: its start takes longer than the tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_what_both_sides_expect() {
    let Some(server) = common::server("messages_are_what_both_sides_expect").await else {
        return;
    };
    let port = server.port();
    wire::messages_of_the_original_are_read(port).await;
    wire::legacy_names_send_what_the_original_needs(port).await;
    wire::our_messages_are_as_the_contract_says(port).await;
    wire::the_originals_queue_is_taken_as_it_is(port).await;
    wire::a_callers_own_connection_serves(port).await;
    broken::broken_messages_stop_nothing(port).await;
    broken::what_amqp_cannot_carry_is_refused(port).await;
    dead_letters::are_kept_listed_sent_back_and_dropped(port).await;
    dead_letters::the_brokers_own_limit_loses_nothing(port).await;
    foreign::a_message_that_cannot_be_read_stops_nothing(port).await;
    order::order_holds_through_stops_and_kills(port).await;
    once::what_a_killed_consumer_left_is_handled_once(port).await;
}
