//! How the user says it: the network! macro.
