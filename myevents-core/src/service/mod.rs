//! The use cases, one file a verb: no HTTP, no driver.
