//! Stateright models of the protocols.
