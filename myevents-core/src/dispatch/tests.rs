//! Dispatch over the local broker, with failing handlers.
