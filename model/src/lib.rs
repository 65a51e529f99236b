//! Stateright models of the protocols that make "never oversold, never lost, done once" true; owns no production code.
//!
//! One module a protocol, each with its rules as code, a `Mutation` for every rule that drops it, and named
//! configurations. `tests/` asserts that the configurations hold and that every mutation is caught. A new protocol
//! is one more module beside these and one more file in `tests/`. `clients` is shared by those that book.
//! `docs/model.md` has the table of rules, mutations and gaps.

pub mod clients;
pub mod harness;

pub mod counter;
pub mod dispatch;
pub mod dynamodb;
pub mod mongodb;
pub mod outbox;
pub mod pointers;
pub mod projection;
