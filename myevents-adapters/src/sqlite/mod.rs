//! SQLite: one file a service, group commit by one writer thread.
