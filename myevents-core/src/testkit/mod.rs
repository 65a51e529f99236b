//! Conformance suites as public functions, the fault proxy and the in-memory harness.
