//! The relay against a failing emitter.
