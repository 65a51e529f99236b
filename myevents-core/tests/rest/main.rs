//! The routers by `oneshot` on the memory store: every route and status, bad input, lists, conditions, mounting.

mod app;
mod around;
mod audit;
mod bad_input;
mod bookings;
mod conditions;
mod documents;
mod events;
mod lists;
mod mounting;
mod original;
mod overload;
mod problems;
mod sign_in;
