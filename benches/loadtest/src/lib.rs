//! The load generator and the clients that crash and race tests share.
//!
//! * [`http`]: a minimal HTTP/1.1 client. It runs beside the service on the same cores, so it does as little as it can.
//! * [`booker`]: one customer who books with an idempotency key and repeats the request until the answer is known.
//! * [`service`]: what a test asks a running service: make an event, wait until it is bookable, its seats, its bookings.
//! * [`load`]: closed and open loops of requests; [`tally`]: what the clients counted.
//! * [`program`]: the real program as a child process that can be killed and started again.
//! * [`single`]: `eventservice` or `bookingservice` as a child process of its own.
//! * [`check`]: holds the service against that count.

pub mod booker;
pub mod check;
pub mod http;
pub mod load;
pub mod program;
pub mod service;
pub mod single;
pub mod tally;
