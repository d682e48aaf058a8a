//! What to compute: dims, shapes, ops, differentiation, optimizers, passes, the reference interpreter.
