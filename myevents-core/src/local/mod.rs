//! The `local` broker: in process, and nothing is lost.
