//! The memory store: every promise of the ports under one lock, and the model that other stores are tested against.
