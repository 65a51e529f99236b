//! What only DynamoDB's store can show: faults at the wire, late transactions, costs, tables and the original's items.

mod bed;
mod cost;
mod faults;
mod histories;
mod server;
mod tables;
mod values;
mod wire;
