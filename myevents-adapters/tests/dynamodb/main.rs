//! What only DynamoDB's store can show: faults at the wire, late transactions, costs, tables and the original's items.

#[allow(dead_code, reason = "shared with the suite, which uses the rest of it")]
mod bed;
mod cost;
mod faults;
mod histories;
mod methods;
#[allow(dead_code, reason = "shared with the crash tests, which use the rest of it")]
mod server;
mod tables;
mod values;
mod wire;
