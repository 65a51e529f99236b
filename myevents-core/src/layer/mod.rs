//! Wrappers of ports: retry, timeout, fault injection.
