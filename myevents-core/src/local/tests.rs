//! The local broker on its own, against the promises of its ports.
