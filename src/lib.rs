//! Neural-network training as a symbolic graph compiler.
